"""Registering, logging in and out, refreshing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import bcrypt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from conftest import PASSWORD, Person, told
from queries import NOTED
from users.chassis.outbox import now
from users.models import Session, Telling, User

ANN = {"email": "Ann@Example.com", "password": PASSWORD, "name": "Ann Other"}


def test_registers_and_tells(client: FlaskClient) -> None:
    answer = client.post("/auth/register", json=ANN)
    assert answer.status_code == 201
    user = answer.json
    assert user.keys() == {"id", "email", "name", "roles", "created_at", "version"}
    assert user["email"] == "ann@example.com"
    assert user["roles"] == ["customer"]
    assert answer.headers["Location"] == f"/users/{user['id']}"
    assert answer.headers["ETag"] == '"1"'
    expected = {"user_id": user["id"], "email": "ann@example.com", "name": "Ann Other"}
    assert told("user.registered") == [expected]


def test_an_email_has_one_account_however_it_is_written(client: FlaskClient) -> None:
    client.post("/auth/register", json=ANN)
    answer = client.post("/auth/register", json={**ANN, "email": "ANN@example.COM"})
    assert answer.status_code == 409
    assert answer.json["errors"][0]["pointer"] == "/email"
    assert User.objects.count() == 1


def test_nobody_can_give_themselves_a_role(client: FlaskClient) -> None:
    answer = client.post("/auth/register", json={**ANN, "roles": ["admin"]})
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/roles"
    assert not User.objects


@pytest.mark.parametrize("password", ["ann.other@example.com", "Ann.Other"])
def test_a_password_must_not_be_the_email(client: FlaskClient, password: str) -> None:
    body = {"email": "ann.other@example.com", "password": password, "name": "Ann"}
    answer = client.post("/auth/register", json=body)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/password"


def test_logs_in_whatever_the_case_of_the_email(client: FlaskClient) -> None:
    client.post("/auth/register", json=ANN)
    body = {"email": "aNN@example.com", "password": PASSWORD}
    answer = client.post("/auth/login", json=body)
    assert answer.status_code == 200
    assert answer.json.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 900)
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(
    client: FlaskClient, person: Callable[..., Person]
) -> None:
    person("ann")
    answers = [
        client.post("/auth/login", json={"email": email, "password": "wrong password"})
        for email in ("ann@example.com", "nobody@example.com")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    wrong, unknown = ({**answer.json, "request_id": ""} for answer in answers)
    assert wrong == unknown


def test_a_bcrypt_hash_verifies_and_is_upgraded(
    client: FlaskClient, person: Callable[..., Person]
) -> None:
    old = "a password of another system, much longer than the 72 bytes that bcrypt ever looked at"
    ann = person("ann")
    hashed = bcrypt.hashpw(old.encode()[:72], bcrypt.gensalt(4)).decode()
    User.objects(id=ann.id).update_one(set__password_hash=hashed)
    ann.log_in(old)
    user = User.objects.get(id=ann.id)
    assert user.password_hash.startswith("$argon2id$")
    assert user.version == 1
    ann.log_in(old)
    body = {"email": ann.email, "password": old[:72]}
    assert client.post("/auth/login", json=body).status_code == 401


@pytest.mark.parametrize("stored", ["", "plain", "{SSHA}x", "$2b$04$short", "$argon2id$bad"])
def test_a_hash_of_no_known_kind_is_no_password_and_an_error_in_the_log(
    client: FlaskClient,
    person: Callable[..., Person],
    stored: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ann = person()
    User.objects(id=ann.id).update_one(set__password_hash=stored)
    answer = client.post("/auth/login", json={"email": ann.email, "password": PASSWORD})
    assert answer.status_code == 401
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ("error", "password.unknown_hash") in [(line["level"], line["event"]) for line in lines]


def test_refreshing_replaces_the_refresh_token(person: Callable[..., Person]) -> None:
    ann = person()
    again = ann.refresh()
    assert again.refresh_token != ann.refresh_token
    assert again.get().status_code == 200
    assert again.refresh().get().status_code == 200


def test_refreshing_asks_nothing_that_could_fail_once_the_old_token_is_used(
    person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, asked = person(), []
    monkeypatch.setattr(NOTED, "started", lambda event: asked.append(event.command))
    ann.refresh()
    assert ["sessions" in command.values() for command in asked].index(True) == len(asked) - 1


def test_reuse_of_a_refresh_token_ends_the_session(person: Callable[..., Person]) -> None:
    thief = person()
    ann = thief.refresh()
    assert thief.try_refresh().status_code == 401
    assert ann.try_refresh().status_code == 401
    assert ann.get().status_code == 401
    sid = Session.objects.get().id
    assert told("session.ended") == [{"user_id": ann.id, "sid": sid, "ver": 1, "kept_sid": None}]


def test_of_two_refreshes_at_once_one_wins(app: Flask, person: Callable[..., Person]) -> None:
    ann = person()
    start, statuses = threading.Barrier(4), []

    def refresh() -> None:
        body = {"refresh_token": ann.refresh_token}
        client = app.test_client()
        start.wait()
        statuses.append(client.post("/auth/refresh", json=body).status_code)

    threads = [threading.Thread(target=refresh) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 401, 401, 401]
    assert len(told("session.ended")) == 1


def test_other_sessions_outlive_the_end_of_one(person: Callable[..., Person]) -> None:
    phone = person()
    laptop = phone.log_in()
    assert phone.client.post("/auth/logout", headers=phone.auth).status_code == 204
    assert phone.get().status_code == 401
    assert phone.try_refresh().status_code == 401
    assert laptop.get().status_code == 200
    assert len(told("session.ended")) == 1


def test_logging_out_twice_is_refused_as_any_ended_token(person: Callable[..., Person]) -> None:
    ann = person()
    statuses = [ann.client.post("/auth/logout", headers=ann.auth).status_code for _ in range(2)]
    assert statuses == [204, 401]
    assert len(told("session.ended")) == 1


def test_logging_out_everywhere_ends_every_session_and_tells_so_in_one_event(
    person: Callable[..., Person],
) -> None:
    phone, bob = person("ann"), person("bob")
    laptop = phone.log_in()
    assert laptop.client.post("/auth/logout-everywhere", headers=laptop.auth).status_code == 204
    assert told("session.ended") == [{"user_id": phone.id, "sid": None, "ver": 2, "kept_sid": None}]
    for session in (phone, laptop):
        assert session.get().status_code == 401
        assert session.try_refresh().status_code == 401
    assert bob.get().status_code == 200
    assert phone.log_in().get().status_code == 200


def test_logging_out_everywhere_at_once_raises_ver_once_for_each(
    app: Flask, person: Callable[..., Person]
) -> None:
    ann = person()
    start, statuses = threading.Barrier(4), []

    def log_out() -> None:
        client = app.test_client()
        start.wait()
        answer = client.post("/auth/logout-everywhere", headers=ann.auth)
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=log_out) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = statuses.count(204)
    assert done >= 1
    assert statuses.count(401) == 4 - done, "whose session had ended before they were looked at"
    assert [event["ver"] for event in told("session.ended")] == list(range(2, done + 2))
    assert User.objects.get().ver == done + 1
    assert ann.get().status_code == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "W10.W10.W10", "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_refresh_token_is_refused(client: FlaskClient, token: str) -> None:
    answer = client.post("/auth/refresh", json={"refresh_token": token})
    assert answer.status_code == (401 if token else 422)


def test_an_access_token_does_not_refresh(person: Callable[..., Person]) -> None:
    ann = person()
    body = {"refresh_token": ann.access_token}
    assert ann.client.post("/auth/refresh", json=body).status_code == 401
    assert ann.try_refresh().status_code == 200


def test_expired_sessions_are_forgotten(person: Callable[..., Person]) -> None:
    ann, bob = person("ann"), person("bob")
    Session.objects(user_id=ann.id).update_one(set__expires_at=now())
    assert ann.get().status_code == 401
    assert Session.forget_expired() == 1
    assert [session.user_id for session in Session.objects] == [bob.id]


def telling() -> list[dict]:
    """The sessions.told that wait to leave."""
    found = Telling.objects.first()
    return [waiting["event"] for waiting in found.outbox] if found else []


def test_tells_up_to_when_all_ends_were_told() -> None:
    began = now()
    Telling.tell()
    (event,) = telling()
    until = datetime.fromisoformat(event["data"]["until"])
    assert began - timedelta(seconds=10) < until < now()
    assert event["type"] == "sessions.told"


def test_a_telling_that_has_not_left_is_replaced_by_the_next() -> None:
    Telling.tell()
    (first,) = telling()
    for _ in range(5):
        Telling.tell()
    (last,) = telling()
    assert last["id"] != first["id"]
    assert last["sequence"] >= first["sequence"]


def test_does_not_say_that_it_told_what_still_waits(person: Callable[..., Person]) -> None:
    root, ann = person("root", admin=True), person("ann")
    ann.client.post("/auth/logout", headers=ann.auth)
    root.put_roles(ann.id, "customer", "admin")
    long_ago, longer_ago = now() - timedelta(hours=1), now() - timedelta(hours=2)
    Session.objects(user_id=ann.id).update(__raw__={"$set": {"outbox.0.since": long_ago}})
    User.objects(id=ann.id).update(__raw__={"$set": {"outbox.1.since": longer_ago}})

    def until() -> datetime:
        Telling.tell()
        return datetime.fromisoformat(telling()[0]["data"]["until"])

    assert until() == longer_ago
    User.objects(id=ann.id).update(__raw__={"$set": {"outbox.1.sent": True}})
    assert until() == long_ago, "what goes out a second time was told"
    Session.objects(user_id=ann.id).update(set__outbox=[])
    assert until() > long_ago + timedelta(minutes=59)
