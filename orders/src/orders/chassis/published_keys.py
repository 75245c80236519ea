"""The public keys that tokens are checked with, as users publishes them.

Users may be away: the keys that are known go on being believed for a while, and whoever does not
answer is asked once in a while and not at every request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from jwt import PyJWKClient, PyJWTError

from .auth import KeysUnavailable, UnknownKey
from .logs import log

FRESH_SECONDS = 600  # then they are asked for again
BELIEVED_SECONDS = 3600  # and no longer are they believed while users does not answer
PAUSE_SECONDS = 5  # after an answer, until a key that was not in it is asked for
RETRY_SECONDS = 1  # after a question that was not answered
TIMEOUT_SECONDS = 2


class PublishedKeys:
    """Finds a key by its id, from any thread."""

    def __init__(self, jwks_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = PyJWKClient(jwks_url, cache_jwk_set=False, timeout=TIMEOUT_SECONDS)
        self._clock = clock
        self._asking = threading.Lock()
        self._keys: dict[str, Any] = {}
        self._seen_at = self._ask_at = float("-inf")
        self._answered = False

    def __call__(self, kid: str) -> Any:
        """The key. Raises UnknownKey, or KeysUnavailable if that cannot be told just now."""
        if self._old(kid, FRESH_SECONDS):
            self._ask_if_time(kid, wait=self._old(kid, BELIEVED_SECONDS))
        key = None if self._old(kid, BELIEVED_SECONDS) else self._keys.get(kid)
        if key:
            return key
        if self._answered:
            raise UnknownKey("The token is signed with a key that is not known.")
        raise KeysUnavailable("The keys that tokens are checked with are away.")

    def _old(self, kid: str, seconds: float) -> bool:
        return kid not in self._keys or self._clock() - self._seen_at > seconds

    def _ask_if_time(self, kid: str, wait: bool) -> None:
        """One thread asks; of the others only those wait for it that have no key to go on with."""
        if not self._asking.acquire(blocking=wait):
            return
        try:
            if self._old(kid, FRESH_SECONDS) and self._clock() >= self._ask_at:
                self._ask()
        finally:
            self._asking.release()

    def _ask(self) -> None:
        try:
            keys = {key.key_id: key.key for key in self._client.get_signing_keys()}
        except (PyJWTError, OSError, ValueError) as error:
            self._answered = False
            self._ask_at = self._clock() + RETRY_SECONDS
            log.warning("keys.unavailable", error=repr(error), known=len(self._keys))
        else:
            self._keys, self._seen_at, self._answered = keys, self._clock(), True
            self._ask_at = self._seen_at + PAUSE_SECONDS
