"""Access tokens that were checked before, since to check one costs more than most requests.

Only a yes is remembered, and it counts while all that may change still holds: the token has not
expired, its key is published, its session goes on. Whoever is refused, the whole check refuses.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

MANY = 2048  # four megabytes
SWEEP_SECONDS = 60  # until those that have expired are dropped


class Signer(NamedTuple):
    """The key that a token was signed with, and its published id."""

    kid: str
    key: Any


class _Known(NamedTuple):
    claims: dict[str, Any]
    signer: Signer
    until: float


class KnownTokens:
    """What those tokens say, found by a hash of how they were sent: no token is kept itself."""

    def __init__(
        self,
        find_key: Callable[[str], Any],
        has_ended: Callable[[dict[str, Any]], bool],
        leeway: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._find_key, self._has_ended = find_key, has_ended
        self._leeway, self._clock = leeway, clock
        self._known: dict[bytes, _Known] = {}
        self._changing = threading.Lock()
        self._sweep_at = 0.0

    def __len__(self) -> int:
        return len(self._known)

    def claims(self, sent: str) -> dict[str, Any] | None:
        """The claims, or None if the token has to be checked; raises what a check may raise."""
        name = _name(sent)
        known = self._known.get(name)
        if known is None:
            return None
        if (
            self._clock() < known.until
            and self._find_key(known.signer.kid) == known.signer.key
            and not self._has_ended(known.claims)
        ):
            return known.claims
        with self._changing:
            self._known.pop(name, None)
        return None

    def remember(self, sent: str, claims: dict[str, Any], signer: Signer) -> None:
        """Keep what a token says that was found valid, signed with that key."""
        now = self._clock()
        with self._changing:
            if now >= self._sweep_at:
                alive = {name: each for name, each in self._known.items() if now < each.until}
                self._known, self._sweep_at = alive, now + SWEEP_SECONDS
            if len(self._known) >= MANY:
                del self._known[next(iter(self._known))]  # the oldest, which ends soonest
            until = int(claims["exp"]) + self._leeway
            self._known[_name(sent)] = _Known(claims, signer, until)


def _name(sent: str) -> bytes:
    return hashlib.sha256(sent.encode()).digest()
