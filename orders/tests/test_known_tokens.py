"""A token is checked once, and counts no longer for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from unittest.mock import Mock

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask

from conftest import KEY
from orders.app import create_app
from orders.chassis import auth, known_tokens
from orders.chassis.known_tokens import KnownTokens, Signer
from orders.chassis.session_news import SessionNews


class Door:
    """An app with one view for everybody who has a token; what it believes can be changed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys = {"k1": KEY.public_key()}
        self.ended: set[str] = set()
        self.checks = Mock(wraps=auth.verify_jwt_in_request)
        monkeypatch.setattr(auth, "verify_jwt_in_request", self.checks)
        app = Flask("door")
        app.add_url_rule("/", "who", lambda: auth.caller().id)
        auth.init_app(
            app,
            issuer="shop",
            audience="shop",
            find_key=self.find,
            has_ended=lambda claims: claims["sid"] in self.ended,
        )
        self.client = app.test_client()

    def find(self, kid: str) -> object:
        if kid not in self.keys:
            raise auth.UnknownKey("unknown")
        return self.keys[kid]

    def knock(self, token: str) -> tuple[int, str]:
        """The status, and who came in or why nobody did."""
        answer = self.client.get("/", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code, answer.json["detail"] if answer.is_json else answer.text


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(monkeypatch)


def test_a_token_is_checked_once(door: Door, token: Callable[..., str]) -> None:
    ann, ben = token("ann"), token("ben")
    assert [door.knock(who) for who in (ann, ben, ann, ben)] == [(200, "ann"), (200, "ben")] * 2
    assert door.checks.call_count == 2


def test_it_ends_when_it_expires(door: Door, token: Callable[..., str]) -> None:
    short = token(exp=int(time.time()) - auth.LEEWAY + 2)
    assert door.knock(short)[0] == 200
    deadline = time.monotonic() + 20
    while (answer := door.knock(short))[0] == 200:
        assert time.monotonic() < deadline
    assert answer == (401, "The access token has expired.")


def test_an_ended_session_wins(door: Door, token: Callable[..., str]) -> None:
    mine = token(sid="s1")
    assert door.knock(mine)[0] == 200
    door.ended.add("s1")
    assert door.knock(mine) == (401, "The session of this token has ended.")


def test_nobody_is_let_in_where_it_is_not_known_whether_the_session_goes_on(
    settings, as_user, monkeypatch: pytest.MonkeyPatch
) -> None:
    SessionNews.objects.delete()
    client, headers = create_app(settings).test_client(), as_user()
    assert client.get("/orders", headers=headers).status_code == 200
    monkeypatch.setattr("orders.chassis.sessions.YOUNG_SECONDS", -1)
    assert client.get("/orders", headers=headers).status_code == 401


def test_a_key_that_is_withdrawn_takes_its_tokens_with_it(
    door: Door, token: Callable[..., str]
) -> None:
    mine = token()
    assert door.knock(mine)[0] == 200
    key = door.keys.pop("k1")
    assert door.knock(mine) == (401, "The access token is not valid.")
    door.keys["k1"] = rsa.generate_private_key(65537, 2048).public_key()
    assert door.knock(mine) == (401, "The access token is not valid.")
    door.keys["k1"] = key
    assert door.knock(mine)[0] == 200


def test_keys_that_cannot_be_had_are_503_for_known_tokens_too(
    door: Door, token: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = token()
    assert door.knock(mine)[0] == 200

    def away(_: str) -> object:
        raise auth.KeysUnavailable("away")

    monkeypatch.setattr(door.client.application.extensions["known_tokens"], "_find_key", away)
    assert door.knock(mine)[0] == 503


def test_a_changed_token_is_another_one(door: Door, token: Callable[..., str]) -> None:
    mine = token()
    assert door.knock(mine)[0] == 200
    header, payload, signature = mine.split(".")
    _, others, _ = token("root", "admin").split(".")
    for changed in (f"{header}.{others}.{signature}", f"{header}.{payload}.", f"{mine}x"):
        assert door.knock(changed)[0] == 401
    assert door.knock(mine)[0] == 200


def test_what_was_refused_is_checked_again(door: Door, token: Callable[..., str]) -> None:
    forged = token(key=rsa.generate_private_key(65537, 2048))
    for _ in range(2):
        assert door.knock(forged)[0] == 401
    assert door.checks.call_count == 2
    assert len(door.client.application.extensions["known_tokens"]) == 0


def test_so_many_are_known_and_none_for_longer_than_it_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(known_tokens, "MANY", 3)
    now = [1000.0]
    known = KnownTokens(lambda _: "key", lambda _: False, leeway=5, clock=lambda: now[0])
    for number in range(5):
        known.remember(f"t{number}", {"exp": 1100}, Signer("k1", "key"))
    assert [bool(known.claims(f"t{number}")) for number in range(5)] == [False] * 2 + [True] * 3
    now[0] = 1104.9
    assert known.claims("t4")
    now[0] = 1105
    assert known.claims("t4") is None
    known.remember("t5", {"exp": 1200}, Signer("k1", "key"))
    assert len(known) == 1
