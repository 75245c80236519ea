"""docs/reference/errors.md: every problem that is answered, from the code that answers it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from committed import contracts
from tables import code, page, table

from e2e.repository import SERVICES, folder

INTRO = """\
Every request that fails, at a service or at the gateway, is answered with a problem (RFC 9457,
`application/problem+json`). What is not even a request is told of
[at the end](#what-is-answered-to-what-is-no-request).

```json
{PROBLEM}
```

`request_id` finds it in the logs of every process that the request passed through; it is also the
header `X-Request-Id`. `errors` lists what is not valid: a JSON Pointer into the body, or
`query/…`, `path/…`, `headers/…`. 401 says `WWW-Authenticate: Bearer`; 429 and 503 say
`Retry-After` in seconds.
"""
OUTSIDE = {"ConnectionFailure": "The database does not answer."}  # classes of libraries
SAYS = {"problem", "_refuse"}  # functions that make an answer of a sentence


def made() -> str:
    parts = [INTRO.replace("{PROBLEM}", _example()), DOMAIN]
    parts += [table(["status", "type", "when", "answered by"], _domain())]
    parts += [SENTENCES, table(["status", "detail", "answered by"], _sentences())]
    parts += [GATEWAY, table(["status", "when"], _gateway())]
    parts += [NO_REQUEST, table(["status", "when"], UNREAD)]
    return page("Errors", "`errors.py` and the table in `routes.py` of the service", *parts)


DOMAIN = """\
## What can go wrong in the shop

A `type` other than `about:blank` names one thing that can go wrong, and is what a client should
look at.
"""
SENTENCES = """\
## What can go wrong with any request

These have the type `about:blank`: the status says it all, and `detail` says it in a sentence.
"""
GATEWAY = """\
## What only the gateway answers
"""
NO_REQUEST = """\
## What is answered to what is no request

What cannot be read as HTTP, or is too long to be, gunicorn refuses before there is a request, and
ends the connection. The gateway says so in a problem, with a request id of its own. A service that
is asked directly, past the gateway, answers a page of `text/html` without one.
"""
UNREAD = [
    ["400 Bad Request", "It is no HTTP, of no known version, or has a header that is none"],
    ["414 URI Too Long", "The first line is longer than 8,190 bytes"],
    ["417 Expectation Failed", "The header `Expect` asks for something else than `100-continue`"],
    [
        "431 Request Header Fields Too Large",
        "There are more than 100 headers (90 at the gateway), or one of over 8 kB",
    ],
    ["501 Not Implemented", "The body is sent in a `Transfer-Encoding` that nobody here reads"],
]


def _example() -> str:
    answer = contracts()["orders"]["components"]["responses"]["UNPROCESSABLE_CONTENT"]
    (media,) = answer["content"].values()
    return json.dumps(media["example"], indent=2)


def _domain() -> Iterator[list[str]]:
    """Of each error in a STATUSES table: its status, its URN, and its docstring."""
    found: dict[tuple[int, str], list[str]] = {}
    for service in SERVICES:
        table_of = _statuses(service)
        for name, status in table_of.items():
            found.setdefault((status, name), []).append(service)
    for (status, name), services in sorted(found.items()):
        kebab = re.sub(r"(?<!^)([A-Z])", r"-\1", name).lower()
        kind = "about:blank" if name in OUTSIDE else f"urn:shop:problem:{kebab}"
        when = OUTSIDE.get(name) or _docstring(services[0], name)
        yield [_status(status), code(kind), when, ", ".join(services)]


def _statuses(service: str) -> dict[str, int]:
    for source in _sources(service):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "STATUSES":
                keys = [ast.unparse(key).rpartition(".")[2] for key in node.value.keys]
                return dict(zip(keys, map(ast.literal_eval, node.value.values), strict=True))
    raise LookupError(f"{service} has no table STATUSES")


def _docstring(service: str, name: str) -> str:
    for source in _sources(service):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.ClassDef) and node.name == name:
                return ast.get_docstring(node)
    raise LookupError(f"{service} has no class {name}")


def _sentences() -> Iterator[list[str]]:
    """Each answer that is made of a status and a sentence written down in the code."""
    found: dict[tuple[int, str], list[str]] = {}
    for service in SERVICES:
        for source in _sources(service):
            for node in ast.walk(ast.parse(source.read_text())):
                for said in _said(node):
                    found.setdefault(said, []).append(service)
    for (status, text), services in sorted(found.items()):
        everywhere = set(services) == set(SERVICES)
        yield [_status(status), text, "all" if everywhere else ", ".join(dict.fromkeys(services))]


def _said(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DETAILS":
        yield from ast.literal_eval(node.value).items()
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in SAYS:
        values = [ast.unparse(argument) for argument in node.args]
        status = values.pop(0) if node.func.id == "problem" else "401"
        if status.isdigit() and values and re.match(r"f?['\"]", values[0]):
            yield int(status), re.sub(r"^f?(['\"])(.*)\1$", r"\2", values[0])


def _gateway() -> Iterator[list[str]]:
    own = json.loads((folder("gateway") / "src/gateway/own.openapi.json").read_bytes())
    for name, answer in own["components"]["responses"].items():
        if name.startswith("GATEWAY_"):
            yield [_status(int(name.removeprefix("GATEWAY_"))), answer["description"]]


def _status(number: int) -> str:
    phrases = {413: "Content Too Large", 422: "Unprocessable Content"}  # of RFC 9110, as answered
    return f"{number} {phrases.get(number) or HTTPStatus(number).phrase}"


def _sources(service: str) -> list[Path]:
    return sorted((folder(service) / f"src/{service}").rglob("*.py"))
