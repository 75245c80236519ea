"""The public keys: users is asked seldom, and its absence is borne."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from orders.chassis.auth import KeysUnavailable, UnknownKey
from orders.chassis.published_keys import (
    BELIEVED_SECONDS,
    FRESH_SECONDS,
    PAUSE_SECONDS,
    RETRY_SECONDS,
    PublishedKeys,
)

PUBLIC = jwt.algorithms.RSAAlgorithm.to_jwk(
    rsa.generate_private_key(65537, 2048).public_key(), as_dict=True
)


class Users:
    """Publishes keys, or is away; `asked` counts the questions."""

    def __init__(self) -> None:
        self.kids, self.asked, self.away, self.time = ["k1"], 0, False, 0.0

    def answer(self) -> dict:
        self.asked += 1
        if self.away:
            raise jwt.exceptions.PyJWKClientConnectionError("away")
        return {"keys": [{**PUBLIC, "kid": kid, "use": "sig", "alg": "RS256"} for kid in self.kids]}


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> Users:
    users = Users()
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda _: users.answer())
    return users


@pytest.fixture
def find(users: Users) -> PublishedKeys:
    return PublishedKeys("http://users.test/jwks", clock=lambda: users.time)


def test_known_keys_are_not_asked_for_again(users: Users, find: PublishedKeys) -> None:
    assert find("k1") is find("k1")
    assert users.asked == 1


def test_a_new_key_is_found_after_a_pause(users: Users, find: PublishedKeys) -> None:
    find("k1")
    users.kids.append("k2")
    with pytest.raises(UnknownKey):
        find("k2")
    users.time += PAUSE_SECONDS
    assert find("k2")
    assert users.asked == 2


def test_made_up_keys_do_not_become_questions(users: Users, find: PublishedKeys) -> None:
    for number in range(50):
        with pytest.raises(UnknownKey):
            find(f"made-up-{number}")
    assert users.asked == 1


def test_known_keys_are_believed_while_users_is_away(users: Users, find: PublishedKeys) -> None:
    find("k1")
    users.away = True
    for users.time in (FRESH_SECONDS + 1, BELIEVED_SECONDS - 1):
        assert find("k1")
    assert users.asked == 3, "it was asked each time the pause was over"
    users.time = BELIEVED_SECONDS + 1
    with pytest.raises(KeysUnavailable):
        find("k1")
    users.away = False
    users.time += RETRY_SECONDS
    assert find("k1")


def test_a_key_that_is_no_longer_published_is_refused(users: Users, find: PublishedKeys) -> None:
    find("k1")
    users.kids = ["k2"]
    users.time += FRESH_SECONDS + 1
    with pytest.raises(UnknownKey):
        find("k1")


@pytest.mark.parametrize("nothing", [{"keys": []}, [], {"keys": [{"kty": "odd"}]}])
def test_an_answer_without_keys_is_none(
    users: Users, find: PublishedKeys, monkeypatch: pytest.MonkeyPatch, nothing: object
) -> None:
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda _: nothing)
    with pytest.raises(KeysUnavailable):
        find("k1")


def test_who_does_not_answer_is_asked_once_in_a_while(users: Users, find: PublishedKeys) -> None:
    users.away = True
    for _ in range(20):
        with pytest.raises(KeysUnavailable):
            find("k1")
    assert users.asked == 1
    users.time += RETRY_SECONDS
    with pytest.raises(KeysUnavailable):
        find("k1")
    assert users.asked == 2


def test_nobody_waits_who_has_a_key_to_go_on_with(
    users: Users, find: PublishedKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    find("k1")
    users.time += FRESH_SECONDS + 1
    asked, answer = threading.Event(), threading.Event()

    def slow(_: object) -> dict:
        asked.set()
        assert answer.wait(10)
        return users.answer()

    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(find, "k1")
        assert asked.wait(10)
        assert find("k1")
        assert not first.done()
        answer.set()
        assert first.result()
