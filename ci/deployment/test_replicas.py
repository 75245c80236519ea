"""The cluster has two of each process, and finds its brokers by what they are called."""

import re

import cluster
import make_secrets
import roll
import yaml

from e2e.repository import ROOT

CLUSTER = yaml.safe_load((ROOT / "compose/compose.cluster.yaml").read_text())["services"]
TESTED = yaml.safe_load((ROOT / "ci/replicas/test.yaml").read_text())["services"]
BROKERS = [name for name in CLUSTER if name.startswith("rabbitmq")]


def test_there_are_two_of_each_process_behind_the_gateway() -> None:
    twice = {name for name, said in CLUSTER.items() if said.get("deploy") == {"replicas": 2}}
    assert twice == {*cluster.processes()} - {"gateway"}
    for name in twice:  # a queue gets as many copies as there are nodes when it is declared
        assert {*CLUSTER[name]["depends_on"]} == {*BROKERS} - {"rabbitmq"}, name


def test_three_brokers_find_one_another_and_are_found() -> None:
    conf = (ROOT / "compose/rabbitmq/cluster.conf").read_text()
    assert len(BROKERS) == 3
    assert re.findall(r"nodes\.\d = rabbit@([\w-]+)$", conf, re.M) == BROKERS
    urls = make_secrets.make()["broker_cluster_url"].split(";")
    assert [re.search(r"@(.+):5672//$", url)[1] for url in urls] == BROKERS
    for name in BROKERS[1:]:
        assert CLUSTER[name]["hostname"] == name
        assert CLUSTER[name]["volumes"] == [f"{name}-data:/var/lib/rabbitmq"]


def test_what_is_there_once_cannot_be_rolled_and_all_else_can() -> None:
    assert roll.ALONE == {"gateway", "mongo", "redis", *BROKERS}
    rolled = {name for service in roll.SERVICES for name in (service, f"{service}-worker")}
    assert rolled == {*cluster.processes()} - {"gateway"}
    assert {*TESTED} == {*cluster.processes(), "mongo"}
