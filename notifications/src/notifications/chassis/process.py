"""The worker process: relay, consumer and timed tasks in threads, until it is told to stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import backlog, beat, health, metrics, wake
from .consumer import Consumer
from .environment import Address
from .inbox import Inbox
from .logs import log
from .relay import Relay

STOP_SECONDS = 15
MEASURING = 0.05  # the share of the time that a measure may take, however much there is to count


@dataclass(frozen=True)
class Task:
    """Something to do again and again: `run`, every `seconds`."""

    run: Callable[[], object]
    seconds: float


def run(
    *,
    relay: Relay,
    cache_url: str,
    inbox: Inbox | None = None,
    tasks: Sequence[Task] = (),
    metrics_bind: Address | None = None,
    measures: Sequence[Task] = (),
    stop: threading.Event | None = None,
) -> None:
    """Work until SIGTERM or SIGINT: what is in hand is finished, nothing new is begun.

    With `metrics_bind` /metrics is served there, and `measures` are done to fill it.
    """
    stop = stop or _stop_at_signals()
    consumer = Consumer(relay.url, inbox, stop) if inbox else None

    def connected() -> bool:
        return relay.connected and (consumer is None or consumer.connected)

    def problem() -> str:
        return consumer.problem if consumer else ""

    every = [Task(_Pulse(connected, problem), 0.5), *tasks]
    work: list[tuple[Callable, tuple]] = [
        (relay.run, (stop,)),
        (wake.listen, (cache_url, relay.service, relay.woken, stop)),
    ]
    if metrics_bind:
        metrics.serve(metrics_bind)
        outboxes = Task(lambda: backlog.measure(relay.documents), backlog.SECONDS)
        work += [(_repeat, (task, stop, MEASURING)) for task in (outboxes, *measures)]
    if inbox and consumer:
        every.append(Task(inbox.retry_due, 0.5))
        work.append((consumer.run_until_stopped, ()))
        inbox.on_handled = relay.woken.set  # what a handler wrote leaves at once
    work += [(_repeat, (task, stop)) for task in every]
    threads = [threading.Thread(target=what, args=args, daemon=True) for what, args in work]
    for thread in threads:
        thread.start()
    log.info("worker.started")
    while not stop.wait(1):
        for thread in threads:
            # a defect, unless it was told to end just now: better to be restarted than to limp
            if not thread.is_alive() and not stop.is_set():
                raise SystemExit("a thread of the worker ended")
    deadline = time.monotonic() + STOP_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    beat.stop()
    try:
        health.say_goodbye()
    except Exception as error:  # the edge: the database may be gone already
        log.warning("goodbye.unsaid", error=type(error).__name__)
    log.info("worker.stopped")


class _Pulse:
    """Says that the worker is alive: now and then, and at once when the broker comes or goes."""

    def __init__(self, connected: Callable[[], bool], problem: Callable[[], str]) -> None:
        self.connected, self.problem = connected, problem
        self.said: tuple[bool, str] | None = None
        self.due = 0.0

    def __call__(self) -> None:
        found = self.connected(), self.problem()
        if found != self.said or time.monotonic() >= self.due:
            beat.beat()  # first: the database may be away
            health.beat(*found)
            self.said, self.due = found, time.monotonic() + beat.SECONDS


def _stop_at_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # not in the handler itself: it may have interrupted whoever holds the event's lock
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    return stop


def _repeat(task: Task, stop: threading.Event, share: float = 1.0) -> None:
    while not stop.is_set():
        pause, began = task.seconds, time.monotonic()
        try:
            task.run()
            pause = max(pause, (time.monotonic() - began) * (1 / share - 1))
        except Exception as error:  # the edge: a task that failed is tried again next time
            log.warning("task.failed", error=repr(error))
        stop.wait(pause)
