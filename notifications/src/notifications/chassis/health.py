"""Health: is this process alive, is it ready, and when was the worker last seen."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import marshmallow as ma
import mongoengine as me
from flask import Flask

from .auth import public
from .beat import STALE_SECONDS
from .contract import Api, Blueprint
from .database import Document
from .fields import Out, Text
from .outbox import OutboxDocument, now
from .parking import ParkedEvent

FORGET_SECONDS = 3600

Check = Callable[[], str]


class WorkerBeat(Document):
    """The last sign of life of one worker process."""

    id = me.StringField(primary_key=True)
    at = me.DateTimeField(required=True)
    broker = me.BooleanField(default=False)
    problem = me.StringField()  # what keeps it from the broker, where only a person can help
    meta = {"collection": "worker_beats"}


class CheckSchema(Out):
    """One thing the service leans on."""

    status = ma.fields.String(required=True, validate=ma.validate.OneOf(["ok", "degraded", "down"]))
    detail = Text(low=0, high=10_000, required=True)


class HealthSchema(Out):
    """The worst of all checks, and each."""

    example = {
        "status": "degraded",
        "checks": {
            "database": {"status": "ok", "detail": "answers"},
            "broker": {"status": "degraded", "detail": "no worker is connected to the broker"},
        },
    }

    status = ma.fields.String(required=True, validate=ma.validate.OneOf(["ok", "degraded", "down"]))
    checks = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.Nested(CheckSchema),
        required=True,
        metadata={"maxProperties": 20},
    )


_DOWN = {
    "status": "down",
    "checks": {"database": {"status": "down", "detail": "ServerSelectionTimeoutError"}},
}


def worker_id() -> str:
    """This process, among all workers of the service."""
    return f"{socket.gethostname()}:{os.getpid()}"


def beat(broker_connected: bool, problem: str = "") -> None:
    """Say that this worker is alive, and forget those that have long been silent."""
    told = {"set__problem": problem} if problem else {"unset__problem": 1}
    WorkerBeat.objects(pk=worker_id()).update_one(
        upsert=True, set__at=now(), set__broker=broker_connected, **told
    )
    WorkerBeat.objects(at__lt=now() - timedelta(seconds=FORGET_SECONDS)).delete()


def say_goodbye() -> None:
    """Take this worker off the list, when it stops of its own will."""
    WorkerBeat.objects(pk=worker_id()).delete()


def register(
    app: Flask,
    api: Api,
    documents: tuple[type[OutboxDocument], ...],
    more: Mapping[str, Check] | None = None,
) -> None:
    """Serve /health/live and /health/ready.

    `more` are checks of things whose loss only degrades the service; each returns a detail or
    raises. They may ask the database: without it they are not made.
    """
    pages = Blueprint("health", __name__, url_prefix="/health", description="Alive and ready?")

    @pages.route("/live", methods=["GET"])
    @public
    @pages.response(200, HealthSchema)
    def live() -> dict[str, Any]:
        """Tell whether this process runs."""
        return {"status": "ok", "checks": {}}

    @pages.route("/ready", methods=["GET"])
    @public
    @pages.alt_response(503, schema=HealthSchema, description="Cannot serve", example=_DOWN)
    @pages.response(200, HealthSchema)
    def ready() -> tuple[dict[str, Any], int]:
        """Tell whether this service can serve, and what it lacks."""
        checks = {"database": _check(_database, "down")}
        if checks["database"]["status"] == "ok":
            checks["worker"] = _check(_worker, "degraded")
            checks["broker"] = _check(_broker, "degraded")
            checks["events"] = _check(lambda: _events(documents), "degraded")
            for name, check in (more or {}).items():
                checks[name] = _check(check, "degraded")
        found = {check["status"] for check in checks.values()}
        status = next(s for s in ("down", "degraded", "ok") if s in found)
        return {"status": status, "checks": checks}, 503 if status == "down" else 200

    api.register_blueprint(pages)


class Unwell(Exception):
    """A check did not pass; the text says what was found."""


def _check(check: Check, otherwise: str) -> dict[str, str]:
    try:
        return {"status": "ok", "detail": check()}
    except Unwell as error:
        return {"status": otherwise, "detail": str(error)}
    except Exception as error:  # the edge: health answers whatever is broken
        return {"status": otherwise, "detail": type(error).__name__}


def _database() -> str:
    me.get_db().command("ping")
    return "answers"


def _worker() -> str:
    last = WorkerBeat.objects.order_by("-at").first()
    if last is None:
        raise Unwell("no worker was ever seen")
    age = (now() - last.at).total_seconds()
    if age > STALE_SECONDS:
        raise Unwell(f"the last worker was seen {age:.0f} s ago")
    return f"seen {max(age, 0):.0f} s ago"


def _broker() -> str:
    fresh = WorkerBeat.objects(at__gte=now() - timedelta(seconds=STALE_SECONDS))
    if stuck := fresh.filter(problem__exists=True).first():
        raise Unwell(f"not connected: {stuck.problem}")
    if not fresh.filter(broker=True):
        raise Unwell("no worker is connected to the broker")
    return "a worker is connected"


def _events(documents: tuple[type[OutboxDocument], ...]) -> str:
    unsent = [since for document in documents for since in _unsent(document)]
    dead = ParkedEvent.objects(dead=True).count()
    if not unsent and not dead:
        return "none unsent, none dead"
    said = "none unsent"
    if unsent:
        age = (now() - min(unsent)).total_seconds()
        said = f"{len(unsent)} unsent, the oldest for {age:.0f} s"
    raise Unwell(f"{said}, {dead or 'none'} dead")


def _unsent(document: type[OutboxDocument]) -> list[datetime]:
    """Since when events wait that should have left; of the oldest hundred documents only."""
    late = now() - timedelta(seconds=STALE_SECONDS)
    waiting = {"$elemMatch": {"since": {"$lte": late}, "sent": {"$ne": True}}}
    found = document.objects(__raw__={"outbox.due": {"$exists": True}, "outbox": waiting})
    oldest = found.only("outbox").order_by("outbox.since").limit(100)
    entries = [entry for each in oldest for entry in each.outbox if not entry.get("sent")]
    return [entry["since"] for entry in entries if entry.get("since", now()) <= late]
