"""The logs of `make up`: what a program says is at the end of its file, which is bounded."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import log_keeper
import pytest
import stack
from place import PORTS, variables


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    with (tmp_path / "supervisord.conf").open("w") as file:
        stack.read_conf().write(file)
    return tmp_path


def command(run: Path, program: str, **more: str) -> list[str]:
    """What supervisord runs."""
    values = {**variables(run, PORTS), **more}
    known = {f"ENV_{name}": value for name, value in values.items()} | {"program_name": program}
    return shlex.split(stack.read_conf().get(f"program:{program}", "command") % known)


def test_a_program_adds_to_its_log_and_is_the_process_that_was_started(run: Path) -> None:
    log = run / "logs/cache.log"
    log.write_text("before\n")
    words = [*command(run, "cache")[:4], "/bin/sh", "-c", "echo $$; echo wrong >&2"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as started:
        assert started.stdout.read() == b""  # nothing is left for supervisord to carry
    assert log.read_text() == f"before\n{started.pid}\nwrong\n"


def test_why_a_program_cannot_start_is_in_its_log(run: Path) -> None:
    done = subprocess.run(command(run, "cache", SHOP_VALKEY="/no/such/program"))
    assert done.returncode == 127
    assert "/no/such/program: " in (run / "logs/cache.log").read_text()


def test_a_full_log_is_put_aside_while_it_is_written(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_keeper, "FULL", 1000)
    logs = log_keeper.logs_of(run)
    log = run / "logs/orders-web.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"first\n" * 200)
        log_keeper.put_full_ones_aside(logs)
        writer.write(b"second\n" * 100)
        log_keeper.put_full_ones_aside(logs)
    assert log.read_bytes() == b"second\n" * 100
    assert Path(f"{log}.1").read_bytes() == b"first\n" * 200


def test_what_is_no_programs_log_is_left_alone(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_keeper, "FULL", 0)
    others = [run / f"logs/{name}.log" for name in ("supervisord", "install-ci", "test-users")]
    [log.write_text("written elsewhere") for log in others]
    log_keeper.put_full_ones_aside(log_keeper.logs_of(run))
    assert {log.read_text() for log in others} == {"written elsewhere"}
