"""Lines of the log: whole, of the level that was asked for, and none that stops a request."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from orders.chassis import logs

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capfd: pytest.CaptureFixture[str]) -> Lines:
    """What was logged since this was asked last."""
    return lambda: [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_every_line_is_whole_whichever_thread_and_library_it_comes_from(lines: Lines) -> None:
    logs.configure("orders", "INFO")
    long = "x" * 20_000  # more than a buffer holds

    def say(number: int) -> None:
        logs.log.info("order.placed", order_id=f"{number}{long}")
        logging.getLogger("library").info("%s%s", number, long)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(say, range(200)))
    said = lines()
    ours = {line.get("order_id", "") for line in said} - {""}
    theirs = {line["event"] for line in said} - {"order.placed"}
    assert ours == theirs == {f"{number}{long}" for number in range(200)}


@pytest.mark.parametrize("level", ["INFO", "warning", "ERROR"])
def test_only_what_is_of_the_level_is_said(lines: Lines, level: str) -> None:
    logs.configure("orders", level)
    for log in (logs.log, logging.getLogger("library")):
        log.debug("debug")
        log.info("info")
        log.warning("warning")
        log.error("error")
    names = ["debug", "info", "warning", "error"]
    assert [line["event"] for line in lines()] == names[names.index(level.lower()) :] * 2


def test_an_exception_is_told_with_its_way_by_us_and_by_libraries(lines: Lines) -> None:
    logs.configure("orders", "INFO")  # here, since libraries write to what stdout is now
    try:
        raise LookupError("no such order")
    except LookupError:
        logs.log.exception("task.failed")
        logging.getLogger("library").exception("task.failed")
    ours, theirs = lines()
    for line in (ours, theirs):
        assert (line["level"], line["service"]) == ("error", "orders")
        assert "LookupError: no such order" in line["exception"]
    assert ours.keys() == theirs.keys()


class Full(io.StringIO):
    """A standard output whose disk is full."""

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_stops_no_request(
    client, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure("orders", "INFO")
    monkeypatch.setattr(sys, "stdout", Full())
    assert client.get("/openapi.json").status_code == 200
    assert "/openapi.json" in sys.stdout.getvalue()
