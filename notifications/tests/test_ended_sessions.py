"""Sessions end here too when users tells so; without fresh news only young tokens are believed.

Everything about order, repeats and clocks is tested in orders, where these files come from.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from notifications.app import create_app
from notifications.chassis import sessions
from notifications.chassis.outbox import new_event, now, rfc3339
from notifications.chassis.session_news import SessionNews


@pytest.fixture(autouse=True)
def _no_news(app, monkeypatch: pytest.MonkeyPatch) -> None:
    SessionNews.objects.delete()
    monkeypatch.setattr(sessions, "REREAD_SECONDS", 0.0)


@pytest.fixture
def client(settings) -> FlaskClient:
    """A process that has just started."""
    return create_app(settings).test_client()


def event(kind: str, **data: Any) -> dict[str, Any]:
    return new_event("users", kind, "ann", 2, data)


def ended(sid: str | None, kept_sid: str | None = None) -> dict[str, Any]:
    return event("session.ended", user_id="ann", sid=sid, ver=2, kept_sid=kept_sid)


def status(client: FlaskClient, as_user: Any, **claims: Any) -> int:
    """How a request of Ann with such a token is answered."""
    return client.get("/notifications", headers=as_user("ann", **claims)).status_code


def test_a_session_that_was_ended_is_refused_and_others_go_on(client, inbox, as_user):
    inbox.handle(ended("phone"))
    assert status(client, as_user, sid="phone") == 401
    assert status(client, as_user, sid="laptop") == 200


def test_a_new_password_ends_all_sessions_but_one(client, inbox, as_user):
    inbox.handle(ended(None, kept_sid="laptop"))
    assert status(client, as_user, sid="phone") == 401
    assert status(client, as_user, sid="laptop") == 200
    assert status(client, as_user, sid="tablet", ver=2) == 200


def test_a_role_that_was_taken_ends_the_tokens_that_name_it(client, inbox, as_user):
    inbox.handle(event("user.roles_changed", user_id="ann", roles=["customer"]))
    assert status(client, as_user, roles=["customer", "admin"]) == 401
    assert status(client, as_user, roles=["customer"]) == 200


def test_old_tokens_are_believed_while_there_are_fresh_news(client, inbox, as_user):
    old = {"iat": int(time.time()) - 61}
    assert status(client, as_user, **old) == 401
    assert status(client, as_user) == 200
    inbox.handle(event("sessions.told", until=rfc3339(now() - timedelta(seconds=46))))
    assert status(client, as_user, **old) == 401
    inbox.handle(event("sessions.told", until=rfc3339(now())))
    assert status(client, as_user, **old) == 200
