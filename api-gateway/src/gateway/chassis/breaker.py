"""A circuit breaker: what does not answer is left alone for a while, and never holds everybody."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge

from .logs import log
from .metrics import REGISTRY

FAILURES = 4  # in a row; then it opens
OPEN_SECONDS = 3.0  # until a single call may try again
STUCK_SECONDS = 0.25  # how long one waits for a place while nobody comes or goes


CALLS = Counter(
    "shop_upstream_calls_total",
    "Calls to another service; refused is by the breaker here, broken_off by who asked for it",
    ["upstream", "outcome"],
    registry=REGISTRY,
)
OPEN = Gauge(
    "shop_upstream_breaker_open",
    "How many processes leave the other service alone just now",
    ["upstream"],
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
_OUTCOMES = {True: "answered", False: "failed", None: "broken_off"}


class Refused(Exception):
    """No call was made; the text says why. `retry_after` is in seconds."""

    def __init__(self, why: str, retry_after: float) -> None:
        super().__init__(why)
        self.retry_after = max(1, math.ceil(retry_after))


class Breaker:
    """Around the calls to one upstream, from any thread.

    At most `at_once` are under way; more wait, but only while places come free. After FAILURES in
    a row it is open and refuses at once. OPEN_SECONDS later one call is let through as a probe:
    it closes the breaker, or starts the time anew.
    """

    def __init__(
        self, upstream: str, at_once: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.upstream, self.at_once, self._clock = upstream, at_once, clock
        self._changed = threading.Condition()
        self._under_way = self._failures = 0
        self._moved = clock()  # when somebody last came or went
        self._probe_at: float | None = None  # None: closed
        self._probing = False
        self._open = OPEN.labels(upstream)

    @contextmanager
    def call(self, *failures: type[Exception]) -> Iterator[None]:
        """One call. `failures` say that the upstream is away, other exceptions nothing about it.

        Raises Refused.
        """
        try:
            probe, answered = self._enter(), None
        except Refused:
            CALLS.labels(self.upstream, "refused").inc()
            raise
        try:
            yield
            answered = True
        except failures:
            answered = False
            raise
        finally:
            self._leave(probe, answered)
            CALLS.labels(self.upstream, _OUTCOMES[answered]).inc()

    def _enter(self) -> bool:
        """Take a place; whether this call is the probe."""
        with self._changed:
            while True:
                moment = self._clock()
                if self._probe_at is not None and (self._probing or moment < self._probe_at):
                    raise Refused("has failed too often just now", self._probe_at - moment)
                if self._under_way < self.at_once:
                    break
                patience = self._moved + STUCK_SECONDS - moment
                if patience <= 0:
                    raise Refused("has too much to do", 1)
                self._changed.wait(patience)
            self._probing = self._probe_at is not None
            self._under_way += 1
            self._moved = moment
            return self._probing

    def _leave(self, probe: bool, answered: bool | None) -> None:
        with self._changed:
            self._under_way -= 1
            self._moved = self._clock()
            if probe:
                self._probing = False
            if answered is not None and (probe or self._probe_at is None):
                self._count(answered)  # what began before it opened says nothing new
            self._changed.notify_all()

    def _count(self, answered: bool) -> None:
        self._failures = 0 if answered else self._failures + 1
        if answered and self._probe_at is not None:
            self._probe_at = None
            self._open.set(0)
            log.info("breaker.closed", upstream=self.upstream)
        elif self._failures >= FAILURES:
            self._probe_at = self._moved + OPEN_SECONDS
            self._open.set(1)
            log.warning("breaker.opened", upstream=self.upstream, failures=self._failures)
