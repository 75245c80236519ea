"""Commands that every service has: its worker, its contract, its events."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click
from pymongo.errors import ConnectionFailure

from . import beat, parking
from .outbox import OutboxDocument, rfc3339

Row = dict[str, Any]
MOST = 1000  # rows that are shown


class Group(click.Group):
    """A service's commands; a database that is away is one sentence and not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConnectionFailure:
            raise click.ClickException("the database does not answer; see MONGO_URL") from None


def add_common(
    cli: click.Group,
    *,
    connect: Callable[[], Any],
    work: Callable[[], None],
    contract: Callable[[], bytes],
    documents: tuple[type[OutboxDocument], ...],
) -> None:
    """Give `cli` the commands `worker`, `contract` and `events`.

    `connect` reads the settings and opens the database, `work` runs the worker, `contract` makes
    the OpenAPI document (and needs neither).
    """

    @cli.command("worker")
    @click.option("--check", is_flag=True, help="Only tell whether a worker of this host is alive.")
    def worker(check: bool) -> None:
        """Publish and handle events until told to stop."""
        if not check:
            work()
            return
        if not beat.is_alive():
            raise click.ClickException("no worker of this host was seen lately")
        click.echo("alive")

    @cli.command("contract")
    def print_contract() -> None:
        """Print the OpenAPI contract."""
        sys.stdout.buffer.write(contract())

    @cli.group("events")
    def events() -> None:
        """Show the events that wait, failed or died, and try them again."""

    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

    @events.command("outbox")
    @as_json
    def outbox(as_json: bool) -> None:
        """Events not yet published."""
        connect()
        _print(_outbox(documents), as_json)

    @events.command("parked")
    @as_json
    def parked(as_json: bool) -> None:
        """Events that failed and will be tried again."""
        connect()
        _print(_parked(dead=False), as_json)

    @events.command("dead")
    @as_json
    def dead(as_json: bool) -> None:
        """Events that failed too often."""
        connect()
        _print(_parked(dead=True), as_json)

    @events.command("redrive")
    @click.argument("ids", nargs=-1)
    @click.option("--all", "everything", is_flag=True, help="All that are parked or dead.")
    @as_json
    def redrive(ids: tuple[str, ...], everything: bool, as_json: bool) -> None:
        """Try parked or dead events again, now."""
        if bool(ids) == everything:
            raise click.UsageError("name event ids, or say --all")
        connect()
        unknown = [event_id for event_id in ids if not parking.redrive(event_id)]
        count = parking.redrive() if everything else len(ids) - len(unknown)
        if as_json:
            click.echo(json.dumps({"redriven": count, "unknown": unknown}))
        else:
            click.echo(f"{count} to be tried again")
        if unknown:
            raise click.ClickException(f"neither parked nor dead: {', '.join(unknown)}")


def _outbox(documents: Iterable[type[OutboxDocument]]) -> Iterator[Row]:
    for document in documents:
        unsent = {"$elemMatch": {"sent": {"$ne": True}}}  # on redis:// each is sent once more
        there = {"outbox.due": {"$exists": True}, "outbox": unsent}
        for found in document.objects(__raw__=there).limit(MOST):
            for waiting in found.outbox:
                if waiting.get("sent"):
                    continue
                event = waiting["event"]
                yield {"id": event["id"], "type": event["type"], "subject": event["subject"],
                       "since": rfc3339(waiting.get("since", waiting["due"])),
                       "due": rfc3339(waiting["due"])}  # fmt: skip


def _parked(*, dead: bool) -> Iterator[Row]:
    for found in parking.ParkedEvent.objects(dead=dead).order_by("next_at").limit(MOST):
        yield {"id": found.id, "type": found.type, "attempts": found.attempts,
               "next": rfc3339(found.next_at), "error": found.error}  # fmt: skip


def _print(rows: Iterable[Row], as_json: bool) -> None:
    rows = list(rows)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo("none")
    else:
        widths = {key: max(len(key), *(len(str(row[key])) for row in rows)) for key in rows[0]}
        for row in [{key: key for key in widths}, *rows]:
            line = "  ".join(str(row[key]).ljust(width) for key, width in widths.items())
            click.echo(line.rstrip())
    if len(rows) >= MOST:
        click.echo(f"only the first {MOST} are shown", err=True)
