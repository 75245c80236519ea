"""What the stacks of a profile belong to: each file one role, the roles bars of a flame graph."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from place import ROOT

OTHER = "other Python"
KERNEL = "in the kernel"
OWN = re.compile(r"/src/(\w+/(?:chassis/)?\w+\.py)$")
STACK = re.compile(r"(?P<frames>.*) (?P<count>\d+)")
FRAME = re.compile(r".* \((?P<file>.*?)(?::\d+)?\)")


class Role(NamedTuple):
    """What files are for: the first pattern that is found in a file's path counts."""

    files: str
    name: str
    why: str


ROLES = (
    Role(
        r"/chassis/(serving_)?logs\.py|/structlog/|/logging/",
        "log line",
        "One line of JSON for each request, written at once. It does not pass `logging`, which "
        "cost twice as much, nor a pipe to supervisord, which cost another 110 to 200 µs.",
    ),
    Role(
        r"/chassis/(http_)?metrics\.py|/prometheus_client/",
        "metrics",
        "Counts the request and how long it took, in files that the workers share.",
    ),
    Role(
        r"/chassis/(tracing|otel)\.py|/opentelemetry/",
        "trace",
        "Gives the request its place in a trace; spans are exported only where there is a "
        "collector ([17](../adr/0017-spans-are-exported-where-there-is-a-collector.md)).",
    ),
    Role(
        r"/chassis/(auth|known_tokens|sessions|published_keys)\.py"
        r"|/(flask_jwt_extended|jwt|cryptography)/",
        "token",
        "Who asks: the signature is checked once for each token, its end and its session each "
        "time ([19](../adr/0019-a-token-is-checked-once.md)).",
    ),
    Role(
        r"/gunicorn/",
        "gunicorn",
        "The server: takes connections, reads requests, writes answers "
        "([22](../adr/0022-web-processes-wait-in-greenlets.md)).",
    ),
    Role(
        r"/(gevent|greenlet)/",
        "gevent",
        "Goes on with another request while one waits "
        "([22](../adr/0022-web-processes-wait-in-greenlets.md)).",
    ),
    Role(
        r"/httptools/",
        "httptools",
        "llhttp, the parser of Node.js, for what a service answers "
        "([20](../adr/0020-the-gateway-speaks-http-itself.md)).",
    ),
    Role(
        r"/(redis|limits)/",
        "redis-py",
        "Asks Redis, and reads its answer in Python: so a request asks it as seldom as it can "
        "([20](../adr/0020-the-gateway-speaks-http-itself.md), "
        "[21](../adr/0021-the-gateway-keeps-shared-answers.md)).",
    ),
    Role(
        r"/(flask|flask_cors|blinker)/",
        "Flask",
        "What surrounds a view: its context, and what is done before and after each.",
    ),
    Role(
        r"/werkzeug/",
        "werkzeug",
        "Requests, answers, headers and routes, as Flask's views know them.",
    ),
    Role(
        r"/(flask_smorest|apispec|webargs)/",
        "flask-smorest",
        "Arguments and answers by the schemas that the contract is made of "
        "([8](../adr/0008-contracts-are-code-first-and-committed.md)).",
    ),
    Role(
        r"/marshmallow/",
        "marshmallow",
        "Makes of an object what the contract promises, field by field.",
    ),
    Role(r"/mongoengine/", "mongoengine", "Makes objects of documents, and questions of code."),
    Role(
        r"/(pymongo|bson)/",
        "pymongo",
        "Asks the database over a kept connection, and waits for it.",
    ),
    Role(r"/json/", "JSON", "Text of values, and values of text."),
)
WHY = {
    OTHER: "Packages that are no bar of their own, and what none of them called.",
    KERNEL: "Sockets read and written, the log's line, threads woken: as the system counts it.",
    **{role.name: role.why for role in ROLES},
}


@dataclass
class Bar:
    """A role with what it calls; how much is samples at first, then µs of a core."""

    name: str
    much: float = 0.0
    calls: dict[str, Bar] = field(default_factory=dict)

    def scaled(self, factor: float) -> Bar:
        calls = {name: bar.scaled(factor) for name, bar in self.calls.items()}
        return Bar(self.name, self.much * factor, calls)

    def own(self) -> Counter[str]:
        """How much each role took itself, without what it called."""
        found = Counter({self.name: self.much - sum(bar.much for bar in self.calls.values())})
        for bar in self.calls.values():
            found += bar.own()
        return found


def role(file: str) -> str | None:
    """The name of what a file is for; None for the standard library, which serves who calls it."""
    for one in ROLES:
        if re.search(one.files, file):
            return one.name
    if own := OWN.search(file):
        return own[1]
    return OTHER if "/site-packages/" in file else None


def why(name: str) -> str:
    """The sentence on a bar; on one of our own files, it is the first of that file."""
    if name in WHY:
        return WHY[name]
    [file] = ROOT.glob(f"*/src/{name}")
    said = ast.get_docstring(ast.parse(file.read_text())) or ""
    return said.partition("\n")[0]


def fold(stacks: Iterable[str], name: str) -> Bar:
    """The bars in what py-spy wrote: `frame;frame;frame count`, a line for each stack.

    It does not stop what it looks at, so now and then it reads what is no stack at all.
    """
    root = Bar(name)
    for found in filter(None, map(STACK.fullmatch, stacks)):
        count = int(found["count"])
        root.much += count
        bar = root
        for part in _parts(found["frames"].split(";")):
            bar = bar.calls.setdefault(part, Bar(part))
            bar.much += count
    return root


def _parts(frames: list[str]) -> list[str]:
    """The roles of a stack, each once: who is called by what he called is where he was first."""
    path: list[str] = []
    for frame in frames:
        found = FRAME.fullmatch(frame)
        name = role(found["file"]) if found else None
        if name in path:
            del path[path.index(name) + 1 :]
        elif name:
            path.append(name)
    return path or [OTHER]
