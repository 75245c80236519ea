"""What Prometheus is shown: of a web process with several workers, and of the worker."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import free_port
from orders import use_cases
from orders.catalogue import CatalogueItem
from orders.chassis.backlog import measure
from orders.chassis.metrics import REGISTRY
from orders.chassis.outbox import new_event
from orders.chassis.parking import ParkedEvent
from orders.models import Order

HERE = Path(__file__).parent
FOLDERS = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())


def wait_for(look: Callable[[], object], seconds: float = 60) -> object:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)
    return found


@dataclass
class Running:
    """A process of orders, and where its metrics are."""

    process: subprocess.Popen
    url: str
    metrics: str

    def ask(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def scrape(self) -> dict[tuple[str, ...], float]:
        """{(name, label value, …): value}, the values by the names of the labels."""
        with urllib.request.urlopen(self.metrics, timeout=30) as answer:
            text = answer.read().decode()
        return {
            (sample.name, *(text for _, text in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def counted(self, path: str = "/orders", status: str = "401") -> float:
        return self.scrape().get(("shop_http_requests_total", "GET", path, status), 0)

    def workers(self) -> set[int]:
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(pid) for pid in task.read_text().split()}

    def files(self) -> set[str]:
        folders = FOLDERS.glob(f"shop-metrics-{self.metrics.split(':')[2].split('/')[0]}-*")
        return {file.name for folder in folders for file in folder.iterdir()}


@pytest.fixture
def start(settings) -> Iterator[Callable[..., Running]]:
    """Starts a process of orders: start("gunicorn", …) or start("orders", "worker")."""
    names = ("mongo_url", "broker_url", "cache_url", "jwks_url", "products_url")
    told = {name.upper(): getattr(settings, name) for name in names}

    with contextlib.ExitStack() as running:

        def run(program: str, *words: str, bind: str = "", **more: str) -> Running:
            port = free_port()
            bind = bind or f"127.0.0.1:{free_port()}"
            environ = {"PATH": os.environ["PATH"], "BIND": f"127.0.0.1:{port}"} | told | more
            process = subprocess.Popen(
                [Path(sys.executable).with_name(program), *words],
                env=environ | {"METRICS_BIND": bind},
                cwd=HERE.parent,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            running.enter_context(process)
            running.callback(process.terminate)
            found = Running(process, f"http://127.0.0.1:{port}", f"http://{bind}/metrics")

            def answers() -> bool:
                assert process.poll() is None, "it ended"
                with contextlib.suppress(OSError):
                    found.scrape()
                    return program == "orders" or found.ask("/health/live") == 200
                return False

            wait_for(answers)
            return found

        yield run


def web(start: Callable[..., Running], **more: str) -> Running:
    return start("gunicorn", "-c", "gunicorn.conf.py", "orders.app:create_app()", **more)


def test_the_requests_of_all_workers_are_one_count_and_stay_it_when_a_worker_is_killed(start):
    orders = web(start, WEB_CONCURRENCY="2")
    wait_for(lambda: len(orders.workers()) == 2)

    def ask_until_both_have_counted() -> int:
        asked = 0
        while not {f"counter_{pid}.db" for pid in orders.workers()} <= orders.files():
            with ThreadPoolExecutor(8) as threads:
                asked += len(list(threads.map(orders.ask, ["/orders"] * 20)))
        return asked

    asked = ask_until_both_have_counted()
    assert orders.counted() == asked
    sums = orders.scrape()
    assert sums["shop_http_request_duration_seconds_count", "GET", "/orders"] == asked
    assert sums["shop_http_request_duration_seconds_bucket", "+Inf", "GET", "/orders"] == asked

    for _ in range(3):
        before, victim = orders.files(), min(orders.workers())
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda gone=victim: {gone} & orders.workers() == set())
        wait_for(lambda: len(orders.workers()) == 2)
        wait_for(lambda: "counter_ended.db" in orders.files())
        assert orders.counted() == asked, "what it counted is not lost, and not counted twice"
        asked += ask_until_both_have_counted()
        assert orders.counted() == asked
        assert f"counter_{victim}.db" not in orders.files()
        assert len(orders.files()) <= len(before | {"counter_ended.db", "histogram_ended.db"})


def test_scraping_while_workers_are_killed_neither_hangs_nor_counts_backwards(start):
    orders, over = web(start, WEB_CONCURRENCY="2"), threading.Event()
    orders.ask("/orders")
    seen: list[float] = []

    def scrape() -> None:
        while not over.is_set():
            seen.append(orders.counted())

    with ThreadPoolExecutor(3) as threads:
        scraping = [threads.submit(scrape) for _ in range(3)]
        for _ in range(4):
            victim = min(orders.workers())
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda gone=victim: len(orders.workers() - {gone}) == 2)
            assert orders.ask("/orders") == 401
        over.set()
        for done in scraping:
            done.result(timeout=60)
    assert orders.counted() == 5
    assert set(seen) <= {1, 2, 3, 4, 5}


def test_nothing_is_left_behind_and_a_killed_master_is_tidied_up_after(start):
    orders = web(start)
    orders.ask("/orders")
    bind = orders.metrics.split("/")[2]
    workers = orders.workers()
    orders.process.kill()
    orders.process.wait()
    assert orders.files(), "nobody could"
    again = web(start, bind=bind)  # the port is free, though a worker of before may still live
    assert again.counted() == 0
    assert not {f"counter_{pid}.db" for pid in workers} & again.files()
    again.process.terminate()
    again.process.wait()
    assert again.files() == set()


def test_labels_are_bounded_whatever_is_asked(start):
    orders = web(start)
    for path in ("/orders/1", "/orders/2", "/nowhere", "/else", "/metrics"):
        orders.ask(path)
    request = urllib.request.Request(orders.url + "/orders", method="BREW")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    refused.value.close()
    counted = Counter(
        {key[1:]: n for key, n in orders.scrape().items() if key[0] == "shop_http_requests_total"}
    )
    del counted["GET", "/health/live", "200"]
    assert counted == {
        ("GET", "/orders/<order_id>", "401"): 2,
        ("GET", "-", "404"): 3,
        ("other", "-", str(refused.value.code)): 1,
    }


class Shelf:
    """A catalogue that has everything."""

    def find(self, ids):
        return {pk: CatalogueItem("Mug", 500, "EUR") for pk in ids}


def test_a_worker_shows_the_orders_by_state_and_what_waits_to_be_told(start, app):
    wanted = [{"product_id": "mug", "quantity": 1}]
    for key in ("a", "b", "c"):
        order = use_cases.place_order("ann", key, wanted, Shelf(), saga_timeout=60)
    use_cases.confirm_order(order.id)
    worker = start("orders", "worker")

    def measured() -> dict[tuple[str, ...], float] | None:
        found = worker.scrape()
        orders = [key for key in found if key[0] == "shop_orders"]
        return found if len(orders) == 4 and not math.isnan(found["shop_outbox_events",]) else None

    found = wait_for(measured)
    by_status = {key[1]: count for key, count in found.items() if key[0] == "shop_orders"}
    assert by_status == {"pending": 2, "confirmed": 1, "rejected": 0, "cancelled": 0}
    assert found["shop_outbox_events",] == 4, "the broker is away"
    assert found["shop_outbox_oldest_seconds",] > 0
    assert wait_for(lambda: worker.scrape()["shop_event_publish_failures_total", "interrupted"] > 0)


def test_events_are_counted_as_handled_parked_and_dead(inbox, app):
    def counts(kind: str) -> tuple[float, ...]:
        names = [f"shop_events_{what}_total" for what in ("handled", "parked", "dead")]
        return tuple(REGISTRY.get_sample_value(name, {"type": kind}) or 0 for name in names)

    def heard(kind: str, data: dict) -> None:
        event = new_event("products", kind, "o", 1, data)
        inbox.take(json.dumps(event).encode())

    before = counts("stock.reserved")
    heard("stock.reserved", {"order_id": "nobody's"})
    heard("stock.reserved", {})  # parked, then tried twice
    while ParkedEvent.objects(dead=False):
        inbox.retry_due()
    assert [b - a for a, b in zip(before, counts("stock.reserved"), strict=True)] == [1, 2, 1]
    before = counts("unknown")
    heard("anything.else", {})
    assert counts("unknown")[1] == before[1] + 1
    assert counts("anything.else") == (0, 0, 0)
    measure([Order])
    assert REGISTRY.get_sample_value("shop_failed_events", {"state": "dead"}) == 1
