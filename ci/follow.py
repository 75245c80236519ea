"""Prints one order's way through the services as a tree with times, from what they logged.

The logs are those of the shop in RUN_DIR (default .run), or the FILEs given; - is standard input:
docker compose -f compose/compose.yaml logs --no-color | python3 ci/follow.py ORDER -
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
Line = dict[str, Any]
# What a span is: the line that is logged when it is over. The others were said within it.
SPANS = {"request", "event.published", "event.handled"}


@dataclass
class Span:
    """A request, or the publishing or handling of an event, and what came of it."""

    lines: list[Line] = field(default_factory=list)
    children: list[Span] = field(default_factory=list)

    @property
    def head(self) -> Line:
        """The line that says what it is; one that has not ended has only said something."""
        return next((line for line in self.lines if line["event"] in SPANS), self.lines[0])

    @property
    def began(self) -> datetime:
        took = timedelta(milliseconds=self.head.get("duration_ms", 0))
        return min(_time(self.head) - took, *map(_time, self.lines))


def read(texts: Iterable[str]) -> Iterator[Line]:
    """The lines that are JSON objects of a service; a prefix as compose writes it is skipped."""
    for text in texts:
        try:
            line = json.loads(text[text.index("{") :])
        except ValueError:
            continue  # a database or a broker speaks here too
        if isinstance(line, dict) and {"time", "service", "event"} <= line.keys():
            yield line


def spans_of(order: str, lines: Iterable[Line]) -> list[Span]:
    """What happened to an order: the first spans, by time; whatever they caused is in them."""
    spanned = [line for line in lines if "span_id" in line]
    about = {x["trace_id"] for x in spanned if order in (x.get("subject"), x.get("order_id"))}
    spans: dict[str, Span] = {}
    for line in spanned:
        if line["trace_id"] in about:
            spans.setdefault(line["span_id"], Span()).lines.append(line)
    first: dict[str, Span] = {}  # of each trace, the earliest without a cause that is known here
    for span in sorted(spans.values(), key=lambda span: span.began):
        span.lines.sort(key=_time)
        if parent := spans.get(span.head.get("parent_id", "")):
            parent.children.append(span)
        elif root := first.get(span.head["trace_id"]):
            root.children.append(span)  # its cause left no line, as when a log was cut off
        else:
            first[span.head["trace_id"]] = span
    return list(first.values())


def tree(spans: list[Span]) -> Iterator[str]:
    """The spans as lines of text: milliseconds since the first, who, what, and how long."""
    start = min(span.began for span in spans)
    for span in spans:
        yield from _branch(span, start, "")


def _branch(span: Span, start: datetime, indent: str) -> Iterator[str]:
    yield _row(span.began - start, indent, span.head)
    said = [line for line in span.lines if line is not span.head]
    parts: list[tuple[datetime, Line | Span]] = [(_time(line), line) for line in said]
    parts += [(child.began, child) for child in span.children]
    for when, part in sorted(parts, key=lambda part: part[0]):
        if isinstance(part, Span):
            yield from _branch(part, start, indent + "  ")
        else:
            yield _row(when - start, indent + "  ", part)


def _row(since: timedelta, indent: str, line: Line) -> str:
    row = f"{since / timedelta(milliseconds=1):9.1f}  {indent}{line['service']} {what_of(line)}"
    return f"{row}  ({line['duration_ms']} ms)" if "duration_ms" in line else row


def what_of(line: Line) -> str:
    """A line of the log, in words."""
    match line["event"]:
        case "request":
            return f"{line['method']} {line['route']} {line['status']}"
        case "event.published" | "event.handled" as event:
            return f"{event.removeprefix('event.')} {line['event_type']}"
        case said:
            more = [str(line[name]) for name in ("event_type", "kind", "error") if name in line]
            return f"says {said} {' '.join(more)}".rstrip()


def _time(line: Line) -> datetime:
    return datetime.fromisoformat(line["time"])


def _texts(files: list[str]) -> Iterator[str]:
    logs = Path(os.environ.get("RUN_DIR") or ROOT / ".run") / "logs"
    for file in files or sorted(map(str, logs.glob("*.log*"))):
        if file == "-":
            yield from sys.stdin
        else:
            with open(file, errors="replace") as opened:
                yield from opened


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("order", metavar="ORDER", help="the id of an order")
    parser.add_argument("files", metavar="FILE", nargs="*", default=[], help="logs to read")
    given = parser.parse_args()
    spans = spans_of(given.order, read(_texts(given.files)))
    if not spans:
        print(f"No log tells of an order {given.order}.", file=sys.stderr)
        return 1
    print("       ms  what happened")
    print("\n".join(tree(spans)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
