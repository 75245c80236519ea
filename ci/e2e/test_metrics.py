"""What the shop counts while it sells, as a real Prometheus sees it; and that nobody else does."""

from __future__ import annotations

import contextlib
import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import yaml
from conftest import Client, eventually, place, settled
from place import SERVICES, known_ports
from repository import ROOT

from real_servers import free_port

FOLDER = ROOT / "compose/observability"
PANELS = json.loads((FOLDER / "grafana/dashboards/shop.json").read_text())["panels"]
PROCESSES = 1 + 2 * len(SERVICES)
TARGETS = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]


def addresses(run_dir: Path) -> dict[str, str]:
    """Where each process shows its metrics, by its name in compose.yaml."""
    ports = {name: port for name, port in known_ports(run_dir).items() if "-metrics" in name}
    names = {name: name.removesuffix("-metrics").removesuffix("-web") for name in ports}
    return {names[name]: f"127.0.0.1:{port}" for name, port in ports.items()}


@pytest.fixture
def scrape(run_dir: Path) -> Callable[[str], dict[str, float]]:
    """{sample: value} of a process; a sample is its name and labels as they are shown."""

    def ask(process: str) -> dict[str, float]:
        answer = requests.get(f"http://{addresses(run_dir)[process]}/metrics", timeout=15)
        lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    return ask


def buy(customer: Callable[..., Client], mug: dict, quantity: int = 1) -> dict:
    who = customer()
    return settled(who, place(who, (mug, quantity)).json())


def test_an_order_is_counted_wherever_it_goes(scrape, customer, product):
    mug = product(stock=3)
    told = 'shop_events_published_total{type="order.placed"}'
    handled = 'shop_events_handled_total{type="order.placed"}'
    placed = 'shop_http_requests_total{method="POST",route="/orders",status="201"}'
    seen = {
        ("gateway", placed),
        ("orders", placed),
        ("orders", 'shop_upstream_calls_total{outcome="answered",upstream="products"}'),
        ("orders-worker", told),
        ("products-worker", handled),
        ("products-worker", 'shop_reservations_total{state="reserved"}'),
        ("products-worker", 'shop_reservations_total{state="rejected"}'),
        ("notifications-worker", handled),
        ("notifications-worker", 'shop_notifications_sent_total{kind="order.placed"}'),
    }

    def read() -> dict[tuple[str, str], float]:
        shown = {process: scrape(process) for process, _ in seen}
        return {(process, name): shown[process].get(name, 0) for process, name in seen}

    before = read()
    assert buy(customer, mug)["status"] == "confirmed"
    assert buy(customer, mug, 5)["status"] == "rejected"
    eventually(lambda: all(count > before[name] for name, count in read().items()))


def test_all_that_is_shown_is_in_the_reference(run_dir, scrape):
    known = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/reference/metrics.md").read_text(), re.M)
    assert len(addresses(run_dir)) == PROCESSES
    for process in addresses(run_dir):
        families = {re.match(r"\w+", name)[0] for name in scrape(process)}
        names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in families}
        assert names and names <= set(known), process


def test_nobody_outside_is_shown_any(visitor, scrape):
    for path in ("/metrics", "/metrics/", "/orders/metrics", "/users/../metrics"):
        answer = visitor.get(path)
        assert answer.status_code in (401, 404), path
        assert "shop_" not in answer.text
    for process in ("gateway", "orders", "orders-worker"):
        assert scrape(process)


@pytest.fixture
def prometheus(run_dir: Path, tmp_path: Path) -> Iterator[Callable[[str], list[float]]]:
    """A Prometheus with the configuration of the containers, and the addresses of this shop.

    Gives what it answers to a question: the values.
    """
    if not shutil.which("prometheus"):
        pytest.skip("needs Prometheus (Debian: prometheus)")
    told = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    told["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    told["rule_files"] = [str(FOLDER / "alerts.yml")]
    for job in told["scrape_configs"]:
        (asked,) = job.pop("dns_sd_configs")
        job["static_configs"] = [
            {"targets": [addresses(run_dir)[name]], "labels": {"__meta_dns_name": name}}
            for name in asked["names"]
        ]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(told))
    url = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address={url}",
    ]

    def ask(question: str) -> list[float]:
        with contextlib.suppress(requests.ConnectionError):
            answer = requests.get(f"http://{url}/api/v1/query", {"query": question}, timeout=15)
            if answer.status_code != 503:  # it has only just begun
                assert answer.status_code == 200, answer.text
                return [float(found["value"][1]) for found in answer.json()["data"]["result"]]
        return []

    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield ask
        finally:
            process.terminate()
            process.wait(30)


def test_a_real_prometheus_finds_every_process_and_can_draw_every_panel(
    prometheus, customer, product, visitor
):
    eventually(lambda: prometheus("sum(up)") == [PROCESSES])
    mug = product(stock=1000)
    without = dict.fromkeys(TARGETS)

    def drawn() -> bool:
        """Something happens everywhere, and what could be drawn of it is taken off the list."""
        visitor.post("/auth/login", json={"email": "no@shop.example", "password": "x" * 12})
        buy(customer, mug)
        for _ in range(3):
            visitor.get(f"/products/{mug['id']}")
        for target in list(without):
            values = prometheus(target[1].replace("$__rate_interval", "30s"))
            if any(not math.isnan(value) for value in values):
                del without[target]
        return not without

    eventually(drawn, 120)
    alerts = prometheus('count(count by (alertname) (ALERTS{alertstate="firing"}))')
    assert alerts == [], "all is well"
