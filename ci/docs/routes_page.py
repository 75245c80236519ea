"""docs/reference/routes.md: every operation, from the contracts and the table of who may."""

from __future__ import annotations

from collections.abc import Iterator

from committed import Contract, contracts
from tables import code, page, table

from e2e.authorization import TABLE, Row

INTRO = """\
What can be asked, from [the contracts](../../contracts/). Who may is [a
table](../../ci/e2e/authorization.py) that a test asks for, row by row, through the gateway and
directly. *Outside* is what the gateway lets through; the rest is reached inside only. Shapes and
examples are in Swagger UI, at `/docs` of the gateway and of each service; what a status means is
in [errors](errors.md).
"""
HEADS = ["route", "what", "who", "answers", "outside"]


def made() -> str:
    parts = [INTRO]
    outside = contracts()["api-gateway"]["paths"]
    for service, contract in contracts().items():
        rows = [row for row in _rows(service, contract, outside)]
        parts += [f"## {service}\n", table(HEADS, rows)]
    return page("Routes", "the routes and schemas of the service", *parts)


def _rows(service: str, contract: Contract, outside: Contract) -> Iterator[list[str]]:
    for path, item in contract["paths"].items():
        for method in [key for key in item if key != "parameters"]:
            asked = next((row for row in TABLE if _is(row, service, method, path)), None)
            if asked is None:  # the gateway's contract holds those of the others, too
                continue
            operation = item[method]
            what, _, more = operation["summary"].partition("\n")
            passes = asked.at_gateway and method in outside.get(path, {})
            statuses = ", ".join(sorted(operation["responses"]))
            yield [
                code(f"{method.upper()} {path}"),
                what.rstrip("."),
                _who(asked),
                statuses,
                "yes" if passes else "no",
            ]


def _is(row: Row, service: str, method: str, path: str) -> bool:
    return (row.service, row.operation) == (service, f"{method.upper()} {path}")


def _who(row: Row) -> str:
    """In words, what the table says in statuses."""
    if row.no_token != 401:
        return "everybody"
    if row.owner == 403:
        return "admins"
    if row.another == 404:
        return "whose it is, and admins" if row.admin != 404 else "whose it is"
    return "anybody logged in"
