"""A shop that was started before a service came: it can be looked at, stopped, and brought up."""

from __future__ import annotations

import argparse
import configparser
import json
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import shop
import stack
from place import PORTS, known_ports

from real_servers import free_port

NEW = "notifications"  # of the services, the one that the older version had not


def conf() -> configparser.RawConfigParser:
    """That of the shop, with one process that costs nothing in place of all."""
    small = stack.read_conf()
    for name in small.sections():
        if name.startswith(("program:", "group:")):
            small.remove_section(name)
    small["group:services"] = {"programs": "one"}
    small["program:one"] = {"command": "sleep 600"}
    return small


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What an older version has running."""
    small = conf()
    monkeypatch.setattr(stack, "read_conf", lambda: small)
    (tmp_path / "logs").mkdir()
    stack.start(tmp_path, PORTS)
    older = {name: port for name, port in PORTS.items() if NEW not in name}
    older["gateway"] = free_port()
    (tmp_path / "ports.json").write_text(json.dumps(older))
    yield tmp_path
    if stack.running(tmp_path):
        stack.stop(tmp_path)


def test_it_shows_its_processes_and_is_stopped(run: Path) -> None:
    assert list(stack.processes(run)) == ["one"]
    stack.stop(run)
    assert not stack.running(run)


def test_make_up_starts_it_again_with_the_service_that_came(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = {"email": "", "password": ""}
    first_run = types.SimpleNamespace(
        admin_token=lambda *_: "", load_catalogue=lambda *_: None, credentials=lambda _: shown
    )
    monkeypatch.setattr(shop, "first_run", first_run)
    monkeypatch.setattr(shop, "install_all", lambda _: False)
    monkeypatch.setattr(stack, "wait_until_ready", lambda _: None)
    monkeypatch.delenv("GATEWAY_PORT", raising=False)
    gateway, before = known_ports(run)["gateway"], stack.control(run, "pid")
    shop.up(run, argparse.Namespace())
    assert "starting again" in capsys.readouterr().out
    assert stack.control(run, "pid") != before
    assert known_ports(run).keys() == PORTS.keys()
    assert known_ports(run)["gateway"] == gateway
