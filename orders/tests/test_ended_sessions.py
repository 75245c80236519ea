"""Sessions end here too when users tells so; without fresh news only young tokens are believed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from pymongo.errors import AutoReconnect

from orders.app import create_app
from orders.chassis import session_news, sessions
from orders.chassis.outbox import new_event, now, rfc3339
from orders.chassis.parking import ParkedEvent
from orders.chassis.session_news import SessionNews

COPIES = 50


@pytest.fixture(autouse=True)
def _no_news(app, monkeypatch: pytest.MonkeyPatch) -> None:
    SessionNews.objects.delete()
    monkeypatch.setattr(sessions, "REREAD_SECONDS", 0.0)


@pytest.fixture
def client(settings) -> FlaskClient:
    """A process that has just started."""
    return create_app(settings).test_client()


@pytest.fixture
def status(client, as_user) -> Callable[..., int]:
    """How a request with such a token is answered: status("ann", "admin", sid="…", ver=2)."""
    return lambda *who, **claims: client.get("/orders", headers=as_user(*who, **claims)).status_code


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets so many seconds pass."""

    def pass_by(seconds: float) -> None:
        monkeypatch.setattr(sessions, "now", lambda: now() + timedelta(seconds=seconds))

    return pass_by


def ended(sid: str | None = None, ver: int = 1, kept_sid: str | None = None) -> dict[str, Any]:
    data = {"user_id": "ann", "sid": sid, "ver": ver, "kept_sid": kept_sid}
    return new_event("users", "session.ended", sid or "ann", ver, data)


def roles(sequence: int, *names: str) -> dict[str, Any]:
    data = {"user_id": "ann", "roles": list(names)}
    return new_event("users", "user.roles_changed", "ann", sequence, data)


def told(until: datetime) -> dict[str, Any]:
    number = round(until.timestamp() * 1000)
    return new_event("users", "sessions.told", "sessions", number, {"until": rfc3339(until)})


def old(seconds: float) -> dict[str, int]:
    """The claims of a token that was made so long ago."""
    moment = int(time.time() - seconds)
    return {"iat": moment, "nbf": moment}


def test_a_session_that_was_ended_is_refused_and_others_go_on(client, inbox, as_user, status):
    assert status(sid="phone") == 200
    inbox.handle(ended("phone"))
    answer = client.get("/orders", headers=as_user(sid="phone"))
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert status(sid="laptop") == 200
    assert status("bob") == 200


def test_a_new_password_ends_all_sessions_but_one(inbox, status):
    inbox.handle(ended(ver=2, kept_sid="laptop"))
    assert status(sid="phone", ver=1) == 401
    assert status(sid="laptop", ver=1) == 200
    assert status(sid="tablet", ver=2) == 200, "it began with the new password"
    assert status("bob", sid="phone", ver=1) == 200


def test_logging_out_everywhere_keeps_no_session(inbox, status):
    inbox.handle(ended(ver=2))
    assert [status(sid=sid, ver=1) for sid in ("phone", "laptop")] == [401, 401]
    assert status(sid="tablet", ver=2) == 200


def test_users_before_this_version_name_no_session_that_is_kept(inbox, status):
    event = ended(ver=2)
    del event["data"]["kept_sid"]
    inbox.handle(event)
    assert status(ver=1) == 401


def test_a_role_that_was_taken_ends_the_tokens_that_name_it(inbox, status):
    inbox.handle(roles(2, "customer"))
    assert status("ann", "customer", "admin") == 401
    assert status("ann", "customer") == 200


def test_a_role_that_was_given_ends_nothing(inbox, status):
    inbox.handle(roles(2, "customer", "admin"))
    assert status("ann", "customer") == 200


STORY = [ended(ver=2, kept_sid="phone"), ended(ver=3, kept_sid="laptop"),
         roles(2, "customer"), roles(3, "customer", "admin"), ended("tablet")]  # fmt: skip


@pytest.mark.parametrize("heard", [STORY, STORY[::-1], STORY + STORY[:3]])
def test_the_latest_counts_in_whatever_order_it_is_heard(inbox, heard):
    for event in heard:
        inbox.handle(event)
    kept = {news.id: (news.number, news.kept_sid, news.roles) for news in SessionNews.objects}
    assert kept == {
        "ver/ann": (3, "laptop", []),
        "roles/ann": (3, None, ["customer", "admin"]),
        "sid/tablet": (1, None, []),
    }


def test_what_the_latest_says_counts_at_the_door(inbox, status):
    for event in reversed(STORY):
        inbox.handle(event)
    assert status(sid="phone", ver=2) == 401
    assert status(sid="laptop", ver=1) == 200
    assert status("ann", "customer", "admin", sid="new", ver=3) == 200
    assert status(sid="tablet", ver=3) == 401


@pytest.mark.parametrize("event", [*STORY, told(now())], ids=lambda event: event["type"])
def test_fifty_copies_at_once_are_kept_once_and_a_repeat_changes_nothing(inbox, event):
    body = json.dumps(event).encode()
    with ThreadPoolExecutor(COPIES) as threads:
        list(threads.map(inbox.take, [body] * COPIES))
    (kept,) = SessionNews.objects
    inbox.take(body)
    assert SessionNews.objects.get().to_mongo() == kept.to_mongo()
    assert ParkedEvent.objects.count() == 0


def test_of_many_at_once_the_latest_is_kept(inbox):
    events = [json.dumps(ended(ver=ver, kept_sid=str(ver))).encode() for ver in range(1, COPIES)]
    with ThreadPoolExecutor(COPIES) as threads:
        list(threads.map(inbox.take, events))
    kept = SessionNews.objects.get()
    assert (kept.number, kept.kept_sid) == (COPIES - 1, str(COPIES - 1))
    assert ParkedEvent.objects.count() == 0


def test_without_any_news_only_young_tokens_are_believed(client, as_user, status):
    assert status(**old(50)) == 200
    answer = client.get("/orders", headers=as_user(**old(61)))
    assert answer.status_code == 401
    assert "refresh the token" in answer.json["detail"]


def test_with_fresh_news_old_tokens_are_believed_too(inbox, status, later):
    inbox.handle(told(now()))
    assert status(**old(600)) == 200
    later(40)
    assert status(**old(600)) == 200
    later(46)
    assert status(**old(600)) == 401
    assert status(**old(0)) == 200
    later(61)
    assert status(**old(0)) == 401


def test_news_that_come_again_open_the_door_again(inbox, status, later):
    inbox.handle(told(now() - timedelta(seconds=46)))
    assert status(**old(600)) == 401
    inbox.handle(told(now()))
    assert status(**old(600)) == 200
    inbox.handle(told(now() - timedelta(seconds=46)))
    assert status(**old(600)) == 200, "an older telling takes nothing back"


def test_a_clock_that_is_ahead_does_not_make_news_fresh_for_longer(inbox, status, later):
    inbox.handle(told(now() + timedelta(hours=1)))
    later(46)
    assert status(**old(600)) == 401


def test_an_end_that_could_not_be_handled_yet_holds_the_telling_back(inbox, status, monkeypatch):
    def fail(event):
        raise RuntimeError("no luck")

    with monkeypatch.context() as patch:
        patch.setitem(inbox.handlers, "session.ended", fail)
        inbox.take(json.dumps(ended("phone")).encode())
    inbox.handle(told(now()))
    assert status(sid="phone", **old(600)) == 401
    assert status(sid="laptop", **old(600)) == 401
    inbox.retry_due()
    inbox.handle(told(now()))
    assert status(sid="phone", **old(600)) == 401
    assert status(sid="laptop", **old(600)) == 200


def test_what_is_no_news_is_parked(inbox):
    bad = [told(now()), ended(ver=2), roles(2, "customer")]
    bad[0]["data"]["until"], bad[1]["data"]["ver"], bad[2]["data"]["roles"] = "soon", "2", None
    for event in bad:
        inbox.take(json.dumps(event).encode())
    assert ParkedEvent.objects.count() == len(bad)
    assert SessionNews.objects.count() == 0


def test_a_database_that_is_away_leaves_what_is_known_and_then_only_young_tokens(
    inbox, status, later, monkeypatch
):
    def away(*_, **__):
        raise AutoReconnect("away")

    inbox.handle(told(now()))
    inbox.handle(ended("phone"))
    assert status(**old(600)) == 200
    monkeypatch.setattr(SessionNews, "objects", away)
    assert status(**old(600)) == 200
    assert status(sid="phone") == 401
    later(46)
    assert status(**old(600)) == 401
    assert status(**old(0)) == 200
    assert status(sid="phone") == 401


def test_no_request_costs_a_query_of_its_own(inbox, status, monkeypatch):
    reads: list[object] = []
    read = sessions.Sessions._read
    monkeypatch.setattr(sessions.Sessions, "_read", lambda s: [reads.append(s), read(s)])
    monkeypatch.setattr(sessions, "REREAD_SECONDS", 1000.0)
    inbox.handle(told(now()))
    assert [status(**old(600)) for _ in range(20)] == [200] * 20
    assert len(reads) == 1


def test_many_at_once_wait_for_the_first_who_reads(settings, inbox, as_user):
    inbox.handle(told(now()))
    app, headers = create_app(settings), as_user(**old(600))
    start, statuses = threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        statuses.append(app.test_client().get("/orders", headers=headers).status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8


def test_what_no_living_token_can_mean_is_forgotten(inbox, status, monkeypatch):
    for event in (ended("phone"), ended("tablet"), ended(ver=2), told(now())):
        inbox.handle(event)
    SessionNews.objects(id="sid/phone").update(set__changed_at=now() - timedelta(minutes=61))
    assert status(sid="phone", ver=2) == 401
    assert session_news.forget_old() == 1
    assert {news.id for news in SessionNews.objects} == {"sid/tablet", "ver/ann", "until"}
    monkeypatch.setattr(sessions, "WHOLE_SECONDS", 0.0)
    assert status(sid="phone", ver=2) == 200, "forgotten in this process too"
    assert status(sid="tablet", ver=2) == 401


@pytest.mark.parametrize(
    ("newer", "older", "claims"),
    [
        (roles(6, "customer", "admin"), roles(5, "customer"), {"roles": ["customer", "admin"]}),
        (ended(ver=3, kept_sid="laptop"), ended(ver=2), {"sid": "laptop", "ver": 1}),
    ],
    ids=["roles", "ver"],
)
def test_what_is_redriven_after_newer_news_were_forgotten_ends_nothing(
    inbox, status, newer, older, claims, monkeypatch
):
    monkeypatch.setattr(sessions, "WHOLE_SECONDS", 0.0)  # each request knows what is kept just now
    long_ago = now() - timedelta(minutes=61)
    for event in (newer, older):
        inbox.handle(event | {"time": rfc3339(now())})
    assert status("ann", **claims) == 200
    SessionNews.objects.update(set__changed_at=long_ago)
    assert session_news.forget_old() == 1
    inbox.handle(older | {"time": rfc3339(long_ago)})
    assert status("ann", **claims) == 200
    assert SessionNews.objects.count() == 0


def test_health_tells_that_there_are_no_news(client, inbox):
    def check() -> dict[str, str]:
        return client.get("/health/ready").json["checks"]["sessions"]

    assert check()["status"] == "degraded"
    inbox.handle(told(now()))
    assert check()["status"] == "ok"
