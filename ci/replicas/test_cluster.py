"""Brokers and replicas die while people buy, and all are replaced: `make test-cluster`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import books
import pytest
from engine import SERVICES, Cluster, wait
from shoppers import Crowd

RATE = float(os.environ.get("RATE") or 2)  # orders a second; each comes with five other requests


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    cluster.up()
    yield cluster
    cluster.down()


@pytest.fixture(scope="session")
def admin(cluster: Cluster) -> dict[str, str]:
    return cluster.make_admin()


@pytest.fixture
def crowd(cluster: Cluster, admin: dict[str, str]) -> Crowd:
    return Crowd(cluster.url, admin, RATE)


def settle(cluster: Cluster, crowd: Crowd) -> None:
    """Wait until nothing is wrong; what is, if it does not end."""
    began, found = time.monotonic(), [""]

    def is_well() -> bool:
        found[:] = books.faults(cluster.look(**books.KEPT), crowd)
        return not found

    try:
        wait(is_well, "the books are right")
    except AssertionError:
        pytest.fail("\n".join(found[:20]))
    print(f"\n{crowd.summary()}; the books were right {time.monotonic() - began:.0f} s later")


def has_three_copies_of_each_queue(cluster: Cluster) -> bool:
    return all(len(queue["online"]) == 3 for queue in cluster.queues().values())


def test_each_queue_has_three_copies(cluster: Cluster) -> None:
    wanted = {f"{name}.{kind}" for name in SERVICES[1:] for kind in ("events", "dead")}
    assert {*cluster.queues()} == wanted
    assert has_three_copies_of_each_queue(cluster)


def test_orders_flow_while_brokers_and_replicas_die_and_none_is_lost(
    cluster: Cluster, crowd: Crowd
) -> None:
    with crowd:
        crowd.buys()
        for queue in ("products.events", "orders.events"):
            cluster.kill(broker := cluster.leader(queue))
            crowd.buys()
            cluster.start(broker)
            wait(lambda: has_three_copies_of_each_queue(cluster), "three copies of each queue")
        for service in SERVICES:
            dead = [cluster.containers(name)[0] for name in (service, f"{service}-worker")]
            cluster.kill(*dead)
            crowd.buys()
            cluster.start(*dead)
        crowd.buys()
    settle(cluster, crowd)
    assert not any(queue["messages"] for queue in cluster.queues().values())


def test_all_containers_of_all_services_are_replaced_and_no_request_fails(
    cluster: Cluster, crowd: Crowd
) -> None:
    names = [name for service in SERVICES for name in (service, f"{service}-worker")]
    before = {name: {*cluster.containers(name)} for name in names}
    with crowd:
        crowd.buys()
        cluster.roll()
        crowd.buys()
    settle(cluster, crowd)
    for name in names:
        now = {*cluster.containers(name)}
        assert len(now) == 2 and not now & before[name], name
    assert not crowd.failed
