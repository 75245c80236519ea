"""Cursors: where a page of a list ended, and which list it was."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mongoengine import QuerySet

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)  # as finely as MongoDB keeps time
_MAX = 2**63  # what a database keeps as an integer


class InvalidCursor(ValueError):
    """The cursor is not one, or belongs to another query."""

    def __init__(self) -> None:
        super().__init__("The cursor is not one of this query's; start without it.")
        self.errors = [{"pointer": "query/cursor", "message": "Not a cursor of this query."}]


def write(sort: str, filters: Mapping[str, Any], key: Any, pk: str) -> str:
    """The cursor behind the row with sort key `key` (a time or an integer) and id `pk`."""
    if isinstance(key, datetime):
        key = (key - _EPOCH) // _MILLISECOND
    parts = json.dumps([sort, _hash(filters), key, pk], separators=(",", ":"))
    return base64.urlsafe_b64encode(parts.encode()).decode().rstrip("=")


def read(text: str, sort: str, filters: Mapping[str, Any], kind: type) -> tuple[Any, str]:
    """(key, id) of the row that the page before ended with; the key is a `kind`.

    Raises InvalidCursor, also for a cursor of another sort or other filters.
    """
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        its_sort, its_hash, key, pk = json.loads(base64.urlsafe_b64decode(padded))
        str(pk).encode()  # fails for half a character, which no database takes
        same = its_sort == sort and its_hash == _hash(filters)
        if not same or type(key) is not int or abs(key) >= _MAX or not isinstance(pk, str):
            raise InvalidCursor
        return (_EPOCH + key * _MILLISECOND if kind is datetime else key), pk
    except (ValueError, TypeError, OverflowError):
        raise InvalidCursor from None


def newest(
    found: QuerySet, filters: Mapping[str, Any], limit: int, cursor: str | None
) -> tuple[list[Any], str | None]:
    """A page of what was found, newest first, and the cursor behind it (None: there is no more).

    Raises InvalidCursor.
    """
    parts = [found]
    if cursor:
        moment, pk = read(cursor, "newest", filters, datetime)
        # Two ranges of an index; with the usual `$or` of both, SecantusDB reads all there are.
        parts = [found.filter(created_at=moment, id__lt=pk), found.filter(created_at__lt=moment)]
    rows: list[Any] = []
    for part in parts:
        if len(rows) <= limit:
            rows += part.order_by("-created_at", "-id").limit(limit + 1 - len(rows))
    if len(rows) <= limit:
        return rows, None
    rows = rows[:limit]
    return rows, write("newest", filters, rows[-1].created_at, rows[-1].id)


def _hash(filters: Mapping[str, Any]) -> str:
    text = json.dumps(filters, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
