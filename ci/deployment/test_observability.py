"""Prometheus asks every process, and it and Grafana ask only for what is counted."""

import json
import re
import shutil
import subprocess

import cluster
import pytest
import yaml

from e2e.repository import ROOT

FOLDER = ROOT / "compose/observability"


def asked() -> dict[str, tuple[str, str]]:
    """{process: (job, service)} of those that Prometheus asks."""
    found = {}
    for job in yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]:
        for name in job["dns_sd_configs"][0]["names"]:
            found[name] = (job["job_name"], name.removesuffix("-worker"))
    return found


def test_every_process_is_asked_and_missed_when_it_is_gone():
    assert set(asked()) == set(cluster.processes())
    missed = re.findall(
        r'absent\(up\{job="(\w+)", service="(\w+)"\}\)', (FOLDER / "alerts.yml").read_text()
    )
    assert sorted(missed) == sorted(asked().values())


@pytest.mark.parametrize(
    "words", [["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]]
)
def test_promtool_takes_the_configuration_and_the_alerts_fire_when_they_should(words):
    if not shutil.which("promtool"):
        pytest.skip("needs promtool (Debian: prometheus)")
    done = subprocess.run(["promtool", *words], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_and_says_where_to_look():
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    tests = (FOLDER / "alerts_test.yml").read_text()
    for rule in groups[0]["rules"]:
        assert re.search(rf"\b{rule['alert']}\b", tests), rule["alert"]
        assert {"summary", "look"} == set(rule["annotations"]), rule["alert"]


def test_whatever_is_asked_for_is_counted():
    counted = set(
        re.findall(r"^\| `(\w+)`", (ROOT / "docs/reference/metrics.md").read_text(), re.M)
    )
    dashboard = json.loads((FOLDER / "grafana/dashboards/shop.json").read_text())
    questions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for text in [*questions, (FOLDER / "alerts.yml").read_text()]:
        used = set(re.findall(r"\bshop_\w+", text))
        assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in used} <= counted, text
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_only_this_machine_can_reach_what_asks_nobody_who_they_are():
    text = (ROOT / "compose/compose.observability.yaml").read_text()
    for name, container in yaml.safe_load(text)["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in container["ports"]), name
        assert container["read_only"] and container["cap_drop"] == ["ALL"], name
    for name, container in cluster.compose().items():
        assert not any("9100" in port for port in container.get("ports", [])), name
