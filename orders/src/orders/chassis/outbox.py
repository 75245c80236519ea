"""The outbox: an event is kept in the document it is about, in the same write as the change.

So a fact is never saved untold. The relay publishes what is due and takes it out.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import mongoengine as me

from . import tracing
from .database import Document


def now() -> datetime:
    """The time, as MongoDB keeps it: UTC, to the millisecond."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def rfc3339(moment: datetime) -> str:
    """2026-11-22T10:00:00.000Z"""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_event(
    source: str, kind: str, subject: str, sequence: int, data: dict[str, Any]
) -> dict[str, Any]:
    """A CloudEvent of type `kind` about `subject`, whose version `sequence` the fact made."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": f"/{source}",
        "type": kind,
        "subject": subject,
        "time": rfc3339(now()),
        "datacontenttype": "application/json",
        "sequence": sequence,
        "traceparent": tracing.current(),
        "data": data,
    }


def entry(event: dict[str, Any]) -> dict[str, Any]:
    """An event as an outbox keeps it: to be pushed in the write that makes it true."""
    moment = now()
    return {"id": event["id"], "since": moment, "due": moment, "event": event}


class OutboxDocument(Document):
    """A document that tells what happened to it."""

    outbox = me.ListField(me.DictField())

    # what is due is found by this index: 1 ms among 20,000 documents
    meta = {"abstract": True, "indexes": [{"fields": ["outbox.due"], "sparse": True}]}

    @classmethod
    def tell_again(
        cls, pk: str, event: dict[str, Any], still: Mapping[str, Any] | None = None, **changes: Any
    ) -> None:
        """Publish a recorded event once more, with its old id, now.

        `changes` are made in the same write; all of it only if the document is `still` so.
        """
        unchanged = cls.objects(pk=pk, **(still or {}))
        # One that waits to be sent a second time is sent now instead: were it sent twice again,
        # two services that answer each other's copies would never be done.
        due_now = {"$set": {"outbox.$.due": now()}}
        if not unchanged(outbox__id=event["id"]).update_one(__raw__=due_now, **changes):
            gone = unchanged(outbox__id__ne=event["id"])
            gone.update_one(push__outbox=entry(event), **changes)
