"""The circuit breaker: whom it lets through, and when."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from orders.chassis import breaker
from orders.chassis.breaker import Breaker, Refused


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def around(clock: Clock) -> Breaker:
    return Breaker("products", at_once=2, clock=clock)


def fail(around: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(TimeoutError), around.call(TimeoutError):
            raise TimeoutError


def succeed(around: Breaker) -> None:
    with around.call(TimeoutError):
        pass


def test_opens_after_failures_in_a_row_and_says_when_to_come_back(around, clock):
    fail(around, breaker.FAILURES)
    clock.now += 1.5
    with pytest.raises(Refused, match="has failed too often just now") as refused:
        succeed(around)
    assert refused.value.retry_after == 2


def test_an_answer_between_failures_starts_the_count_anew(around):
    for _ in range(3):
        fail(around, breaker.FAILURES - 1)
        succeed(around)


def test_what_says_nothing_about_the_upstream_is_not_counted(around):
    fail(around, breaker.FAILURES - 1)
    with pytest.raises(ValueError), around.call(TimeoutError):
        raise ValueError("the client's fault")
    fail(around)
    with pytest.raises(Refused):
        succeed(around)


def test_one_probe_at_a_time_closes_it_again(around, clock):
    fail(around, breaker.FAILURES)
    clock.now += breaker.OPEN_SECONDS
    with around.call(TimeoutError):
        with pytest.raises(Refused) as refused:
            succeed(around)
        assert refused.value.retry_after == 1
    succeed(around)


def test_a_probe_that_fails_starts_the_time_anew(around, clock):
    fail(around, breaker.FAILURES)
    for _ in range(3):
        clock.now += breaker.OPEN_SECONDS
        fail(around)
        with pytest.raises(Refused):
            succeed(around)


def test_a_probe_that_tells_nothing_leaves_its_place_to_the_next(around, clock):
    fail(around, breaker.FAILURES)
    clock.now += breaker.OPEN_SECONDS
    with pytest.raises(ValueError), around.call(TimeoutError):
        raise ValueError("the client's fault")
    succeed(around)
    succeed(around)


def test_what_began_before_it_opened_neither_closes_it_nor_keeps_it_open(around, clock):
    with ExitStack() as late:
        late.enter_context(around.call(TimeoutError))
        fail(around, breaker.FAILURES)
    with pytest.raises(Refused):
        succeed(around)
    clock.now += breaker.OPEN_SECONDS
    succeed(around)


def test_while_nobody_leaves_the_next_is_refused_at_once(around, clock):
    with around.call(TimeoutError), around.call(TimeoutError):
        clock.now += breaker.STUCK_SECONDS
        with pytest.raises(Refused, match="has too much to do"):
            succeed(around)
    succeed(around)


def test_while_places_come_free_everybody_gets_one(monkeypatch):
    monkeypatch.setattr(breaker, "STUCK_SECONDS", 60)
    around, most, under_way, lock = Breaker("products", at_once=2), 0, 0, threading.Lock()

    def call() -> None:
        nonlocal most, under_way
        for _ in range(50):
            with around.call(TimeoutError):
                with lock:
                    under_way += 1
                    most = max(most, under_way)
                with lock:
                    under_way -= 1

    threads = [threading.Thread(target=call) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert 1 <= most <= 2
