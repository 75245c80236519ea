"""Whether the session of a token has ended, as far as the worker of this service has heard.

While the news of users are fresh, a session that nobody told of goes on. When they are not, only
young tokens are believed: to give out a new one, users itself must know that its session goes on.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.errors import PyMongoError

from .auth import SessionUnknown
from .health import Unwell
from .logs import log
from .outbox import now, rfc3339
from .session_news import SessionNews

FRESH = timedelta(seconds=45)  # so old may the news be: one telling may be lost, or late
YOUNG_SECONDS = 60  # so old may a token be that is believed without fresh news
REREAD_SECONDS = 1.0
WAIT_SECONDS = 2.0  # for whoever reads, when nobody has for long
WHOLE_SECONDS = 600.0  # until all is read anew, without what was forgotten
OVERLAP = timedelta(seconds=10)  # is read again: of two writes the later may be seen first


class _Known:
    """The news as this process holds them; filled by one thread, asked by all."""

    def __init__(self) -> None:
        self.sids: set[str] = set()
        self.vers: dict[str, tuple[int, str | None]] = {}
        self.roles: dict[str, frozenset[str]] = {}
        self.until = self.latest = datetime.fromtimestamp(0, tz=UTC)

    def learn(self, news: list[SessionNews]) -> None:
        until = self.until
        for each in news:
            kind, _, pk = each.id.partition("/")
            if kind == "sid":
                self.sids.add(pk)
            elif kind == "ver":
                self.vers[pk] = each.number, each.kept_sid
            elif kind == "roles":
                self.roles[pk] = frozenset(each.roles)
            else:
                until = each.until
            self.latest = max(self.latest, each.changed_at)
        self.until = until  # last, when all that it vouches for is known

    def has_ended(self, claims: dict[str, Any]) -> bool:
        ver, kept_sid = self.vers.get(claims["sub"], (0, None))
        roles = self.roles.get(claims["sub"])
        return (
            claims["sid"] in self.sids
            or (claims["ver"] < ver and claims["sid"] != kept_sid)
            or (roles is not None and not roles.issuperset(claims["roles"]))
        )


class Sessions:
    """Tells whether the session of a token has ended, from any thread, without a query each time.

    What is known is read again once a second, by whichever request comes; the others go on with
    what is known, unless nobody has read it for long.
    """

    def __init__(self) -> None:
        self._known = _Known()
        self._reading = threading.Lock()
        self._tried_at = self._read_at = self._whole_at = float("-inf")

    def has_ended(self, claims: dict[str, Any]) -> bool:
        """Raises SessionUnknown if that cannot be told of so old a token."""
        self._read_if_time()
        if self._known.has_ended(claims):
            return True
        moment = now()
        young = moment.timestamp() - claims["iat"] < YOUNG_SECONDS
        if not young and moment - self._known.until > FRESH:
            raise SessionUnknown("Whether this session goes on is not known: refresh the token.")
        return False

    def check(self) -> str:
        """How old the news are, for /health/ready. Raises Unwell."""
        self._read_if_time()
        until = self._known.until
        if now() - until > FRESH:
            raise Unwell(f"no news since {rfc3339(until)}: only young tokens are believed")
        return f"known up to {rfc3339(until)}"

    def _read_if_time(self) -> None:
        age = time.monotonic() - self._read_at
        if age < REREAD_SECONDS:
            return
        patience = WAIT_SECONDS if age > 3 * REREAD_SECONDS else 0.0
        if not self._reading.acquire(timeout=patience):
            return
        try:
            if time.monotonic() - self._tried_at >= REREAD_SECONDS:
                self._read()
        finally:
            self._reading.release()

    def _read(self) -> None:
        began = time.monotonic()
        whole = began - self._whole_at >= WHOLE_SECONDS
        known = _Known() if whole else self._known
        try:
            known.learn(list(SessionNews.objects(changed_at__gte=known.latest - OVERLAP)))
        except PyMongoError as error:
            log.warning("sessions.unread", error=repr(error)[:300])
        else:
            self._known, self._read_at = known, began
            if whole:
                self._whole_at = began
        self._tried_at = time.monotonic()
