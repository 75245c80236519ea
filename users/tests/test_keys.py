"""Keys are stored, made once, and published before they sign and after."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from conftest import Person
from users import keys
from users.chassis.outbox import now
from users.models import SigningKey


@pytest.fixture(autouse=True)
def fresh_ring(app: Flask) -> Iterator[None]:
    """The app as after a restart: it remembers no key."""
    ring = app.extensions["keys"]
    ring.__init__()
    yield
    SigningKey.objects(number__gt=1).delete()
    ring.__init__()


def published(client: FlaskClient) -> list[str]:
    answer = client.get("/.well-known/jwks.json")
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    return [key["kid"] for key in answer.json["keys"]]


def move(number: int, **by: float) -> None:
    """As if the key had been made so long before."""
    key = SigningKey.objects.get(number=number)
    SigningKey.objects(number=number).update_one(set__signs_from=key.signs_from - timedelta(**by))


def test_publishes_only_the_public_half(client: FlaskClient) -> None:
    answer = client.get("/.well-known/jwks.json")
    [key] = answer.json["keys"]
    assert key.keys() == {"kid", "kty", "alg", "use", "n", "e"}


def test_processes_that_need_the_first_key_at_once_agree(app: Flask) -> None:
    SigningKey.objects.delete()
    start, found = threading.Barrier(4), []

    def ask() -> None:
        start.wait()
        found.append(keys.KeyRing().signing().kid)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [SigningKey.objects.get().id] * 4


def test_a_first_key_of_a_host_whose_clock_is_ahead_signs_at_once(
    person: Callable[..., Person],
) -> None:
    keys.make_first()
    move(1, seconds=-3)
    try:
        ann = person()
        kid = jwt.get_unverified_header(ann.access_token)["kid"]
        assert published(ann.client) == [kid]
        assert ann.refresh().get().status_code == 200
    finally:
        move(1, seconds=3)


def test_keys_outlive_a_restart(app: Flask, person: Callable[..., Person]) -> None:
    ann = person()
    app.extensions["keys"].__init__()
    assert ann.get().status_code == 200
    assert len(published(ann.client)) == 1


def test_a_new_key_is_published_a_minute_before_it_signs(
    app: Flask, person: Callable[..., Person]
) -> None:
    ann = person()
    old = jwt.get_unverified_header(ann.access_token)["kid"]
    new = keys.rotate()
    assert new.signs_from - now() > timedelta(seconds=60)
    app.extensions["keys"].__init__()
    assert published(ann.client) == [old, new.kid]
    assert jwt.get_unverified_header(ann.log_in().access_token)["kid"] == old
    move(2, minutes=2)
    app.extensions["keys"].__init__()
    again = ann.refresh()
    assert jwt.get_unverified_header(again.access_token)["kid"] == new.kid
    assert ann.get().status_code == again.get().status_code == 200
    assert published(ann.client) == [old, new.kid]


def test_an_old_key_is_published_as_long_as_its_access_tokens_live(
    app: Flask, person: Callable[..., Person]
) -> None:
    ann = person()
    new = keys.rotate()
    move(2, minutes=20)
    app.extensions["keys"].__init__()
    assert published(ann.client) == [new.kid]
    assert ann.refresh().get().status_code == 200, "users itself still knows the old key"


def test_a_key_whose_refresh_tokens_are_gone_is_deleted(app: Flask) -> None:
    keys.make_first()
    SigningKey.objects(number=1).update_one(set__signs_from=now() - timedelta(days=90))
    second = keys.rotate()
    move(2, days=40)
    third = keys.rotate()
    try:
        assert [key.kid for key in keys.read()] == [second.kid, third.kid]
    finally:
        SigningKey.objects.delete()


def test_a_key_made_by_another_process_is_found(app: Flask, person: Callable[..., Person]) -> None:
    ring = app.extensions["keys"]
    person()
    new = keys.rotate()
    ring._read_at -= 2  # two seconds later
    assert ring.find(new.kid) == new.public
    assert ring.find("unknown") is None
