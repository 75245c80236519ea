"""Sessions end here too when users tells so; without fresh news only young tokens are believed.

Everything about order, repeats and clocks is tested in orders, where these files come from.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient

from conftest import KEY, headers_of
from products.app import create_app
from products.chassis import sessions
from products.chassis.outbox import new_event, now, rfc3339
from products.chassis.session_news import SessionNews


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


def status(client: FlaskClient, **claims: Any) -> int:
    """How a customer's request with such a token is answered; 403 tells that it was believed."""
    token = headers_of("ann", "customer")["Authorization"].removeprefix("Bearer ")
    made = jwt.decode(token, options={"verify_signature": False}) | claims
    changed = jwt.encode(made, KEY, "RS256", headers={"kid": "k1"})
    headers = {"Authorization": f"Bearer {changed}"}
    return client.delete("/products/nope", headers=headers).status_code


def test_a_session_that_was_ended_is_refused_and_others_go_on(client, inbox):
    inbox.handle(ended("phone"))
    assert status(client, sid="phone") == 401
    assert status(client, sid="laptop") == 403


def test_a_new_password_ends_all_sessions_but_one(client, inbox):
    inbox.handle(ended(None, kept_sid="laptop"))
    assert status(client, sid="phone") == 401
    assert status(client, sid="laptop") == 403
    assert status(client, sid="tablet", ver=2) == 403


def test_a_role_that_was_taken_ends_the_tokens_that_name_it(client, inbox):
    inbox.handle(event("user.roles_changed", user_id="ann", roles=["customer"]))
    assert status(client, roles=["customer", "admin"]) == 401, "428 if it were believed"
    assert status(client, roles=["customer"]) == 403


def test_old_tokens_are_believed_while_there_are_fresh_news(client, inbox):
    old = {"iat": int(time.time()) - 61}
    assert status(client, **old) == 401
    assert status(client) == 403
    inbox.handle(event("sessions.told", until=rfc3339(now() - timedelta(seconds=46))))
    assert status(client, **old) == 401
    inbox.handle(event("sessions.told", until=rfc3339(now())))
    assert status(client, **old) == 403
