"""The queries that the code makes, each as its shape: what it asks for, and in which order.

A shape reads `orders: customer_id = by -created_at -_id`. Where a page begins is no part of it. The
queries are noted while the tests run, and only where the service's own code asks.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from mongoengine import get_db
from pymongo import monitoring

HERE = Path(__file__).parent
CODE = HERE.parent / "src"
RANGE = {"$lt", "$lte", "$gt", "$gte"}

Keys = list[tuple[str, int]]  # of an index
Query = tuple[str, dict[str, Any], dict[str, int]]  # a collection, what is asked for, the order


class Noted(monitoring.CommandListener):
    """One query of each kind that the code has made so far."""

    def __init__(self) -> None:
        self._found: dict[tuple, Query] = {}

    def queries(self) -> list[Query]:
        return list(self._found.values())

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if _is_ours():
            for query in _queries(event.command_name, event.command):
                collection, wanted, order = query
                kind = collection, *sorted(map(_words, wanted.items())), *order.items()
                self._found[kind] = query

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


NOTED = Noted()
monitoring.register(NOTED)  # for every client from now on


def shape(query: Query) -> str:
    """What all queries have in common that differ only in their values."""
    collection, wanted, order = query
    within = {name: test for name, test in wanted.items() if name not in order}
    words = ", ".join(map(_words, sorted(within.items())))
    by = _text(order.items())
    return f"{collection}: {words or 'any'}" + (f" by {by}" if by else "")


def check(query: Query, index: str, in_order: bool = True) -> None:
    """Assert that the index finds these (and has them `in_order`), and that the server uses it.

    Whether an index serves is read off its keys: first those of which one value is asked for, then
    the order, or a range. The server is asked what it does: MongoDB all of it, made to use the
    index, since it chooses by trial and here is too little to try. SecantusDB calls it a scan of
    all where an index leaves something to be looked at in what it found, though it is none, so it
    is asked only for what the index holds; and it sorts whatever the index gives, and with an
    order is content with the first index that finds the rows. What is asked for before an id it
    goes by instead, if an index begins with it: that may be a hundred times slower.
    """
    (collection, wanted, order), database = query, get_db()
    information = database[collection].index_information()
    name, keys = next((n, i["key"]) for n, i in information.items() if _text(i["key"]) == index)
    ordered = _gives_order(keys, wanted, order)
    assert keys[0][0] in wanted or (order and ordered), f"{index} does not find {shape(query)}"
    assert ordered or not in_order, f"{index} does not give the order of {shape(query)}"
    if database.client.admin.command("hello").get("setName") == "secantus":
        held = _held(keys, wanted)
        stages = _stages({"find": collection, "filter": held, "sort": order})
        assert stages.get("IXSCAN") == name or (order and "IXSCAN" in stages), (query, stages)
        if index == "_id":
            leading = {each["key"][0][0] for each in information.values()}
            first = next(filter(leading.__contains__, wanted))
            assert first == "_id", f"SecantusDB goes by {first}, which is asked for first: {query}"
    else:
        stages = _stages({"find": collection, "filter": wanted, "sort": order, "hint": name})
        assert stages.get("IXSCAN") == name or "IDHACK" in stages, (query, stages)
        assert not in_order or "SORT" not in stages, (query, stages)
    assert "COLLSCAN" not in stages, (query, stages)


def is_whole(session: pytest.Session) -> bool:
    """Whether this run has every test, so that no query can be missing."""
    chosen = session.config.option
    files = {item.path for item in session.items}
    whole = not (chosen.keyword or chosen.markexpr or chosen.deselect)
    return whole and files == set(HERE.glob("test_*.py"))


def _is_ours() -> bool:
    """Whether the service asks, and not a test: who is nearest, leaving out the libraries."""
    frame = inspect.currentframe()
    while frame := frame.f_back if frame else None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(CODE):
            return True
        if path.parent == HERE and path != Path(__file__):
            return False
    return False


def _queries(name: str, command: Mapping[str, Any]) -> Iterator[Query]:
    collection = command.get(name)
    if name == "find":
        yield collection, dict(command["filter"]), dict(command.get("sort") or {})
    elif name == "findAndModify":
        yield collection, dict(command["query"]), dict(command.get("sort") or {})
    elif name == "update":
        yield from ((collection, dict(each["q"]), {}) for each in command["updates"])
    elif name == "delete":
        yield from ((collection, dict(each["q"]), {}) for each in command["deletes"])
    elif name == "aggregate":
        yield collection, dict(command["pipeline"][0].get("$match", {})), {}


def _text(keys: Iterable[tuple[str, int]]) -> str:
    return " ".join(f"{'-' if way < 0 else ''}{name}" for name, way in keys)


def _words(asked: tuple[str, Any]) -> str:
    return f"{asked[0]} {_sign(asked[1])}"


def _sign(test: Any) -> str:
    """How a field is asked for: `=`, `<>` for a range, or the operators."""
    if not isinstance(test, Mapping) or not any(key.startswith("$") for key in test):
        return "="
    signs = {"<>" if key in RANGE else key.lstrip("$") for key in test}
    return " ".join(sorted(signs))


def _stages(find: dict[str, Any]) -> dict[str, str | None]:
    """The stages of the server's plan, and the index of each that has one."""
    plan = get_db().command("explain", find, verbosity="queryPlanner")["queryPlanner"]
    found: dict[str, str | None] = {}
    waiting = [plan["winningPlan"]]
    while waiting:
        stage = waiting.pop()
        stage = stage.get("queryPlan", stage)
        found[stage["stage"]] = stage.get("indexName")
        waiting += stage.get("inputStages", [])
        waiting += [stage["inputStage"]] if "inputStage" in stage else []
    return found


def _held(keys: Keys, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What of this an index finds without looking at more: single values, and one thing behind."""
    held: dict[str, Any] = {}
    for name, _ in keys:
        sign = _sign(wanted[name]) if name in wanted else "all"
        if sign == "all":  # of several words the index finds one
            break
        held[name] = wanted[name]
        if sign != "=":
            break
    return held


def _gives_order(keys: Keys, wanted: Mapping[str, Any], order: Mapping[str, int]) -> bool:
    """Whether, behind what has but one value, the index goes on as the order does."""
    single = {name for name, test in wanted.items() if _sign(test) in ("=", "all")}
    rest = [(name, way) for name, way in keys if name not in single]
    asked = [(name, way) for name, way in order.items() if name not in single]
    turned = [(name, -way) for name, way in asked]
    return rest[: len(asked)] in (asked, turned)
