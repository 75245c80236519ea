"""Showing and changing oneself; what admins may."""

from __future__ import annotations

import threading
from collections.abc import Callable

import jwt
import pytest
from flask import Flask
from pymongo.errors import AutoReconnect

from conftest import PASSWORD, Person, told
from users import passwords
from users.models import User

NEW = "another good password"


def test_shows_and_renames_me(person: Callable[..., Person]) -> None:
    ann = person()
    assert ann.get().json["name"] == "Ann"
    answer = ann.patch(name="Ann Other")
    assert (answer.status_code, answer.json["name"], answer.json["version"]) == (
        200,
        "Ann Other",
        2,
    )
    assert answer.headers["ETag"] == '"2"'
    assert ann.get().json == answer.json


def test_changing_nothing_changes_nothing(person: Callable[..., Person]) -> None:
    answer = person().patch()
    assert (answer.status_code, answer.json["version"]) == (200, 1)


def test_a_new_password_ends_all_other_sessions(person: Callable[..., Person]) -> None:
    ann = person()
    thief = ann.log_in()
    answer = ann.patch(password=NEW, current_password=PASSWORD, name="Ann Again")
    assert (answer.status_code, answer.json["name"], answer.json["version"]) == (
        200,
        "Ann Again",
        3,
    )
    assert thief.get().status_code == 401
    assert thief.try_refresh().status_code == 401
    assert ann.get().status_code == 200
    assert ann.refresh().get().status_code == 200
    assert ann.log_in(NEW).get().status_code == 200
    body = {"email": ann.email, "password": PASSWORD}
    assert ann.client.post("/auth/login", json=body).status_code == 401
    sid = jwt.decode(ann.access_token, options={"verify_signature": False})["sid"]
    assert {"user_id": ann.id, "sid": None, "ver": 2, "kept_sid": sid} in told("session.ended")


def test_the_session_goes_on_though_the_process_dies_once_the_password_is_new(
    person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = person()
    thief = ann.log_in()
    write = User.set_password

    def die_afterwards(*args: str, **kept: str) -> None:
        write(*args, **kept)
        raise AutoReconnect("away")

    with monkeypatch.context() as patch:
        patch.setattr(User, "set_password", die_afterwards)
        assert ann.patch(password=NEW, current_password=PASSWORD).status_code == 503
    assert ann.get().status_code == 200
    assert ann.refresh().get().status_code == 200
    assert [thief.get().status_code, thief.try_refresh().status_code] == [401, 401]


def test_each_new_password_keeps_the_session_it_was_set_in(person: Callable[..., Person]) -> None:
    def change(who: Person, old: str, new: str) -> None:
        assert who.patch(password=new, current_password=old).status_code == 200

    def goes_on(who: Person) -> bool:
        """As users itself says; what the last event tells the others must not differ."""
        claims = jwt.decode(who.access_token, options={"verify_signature": False})
        told_last = max(told("session.ended"), key=lambda data: (data["sid"] is None, data["ver"]))
        spared = claims["sid"] == told_last["kept_sid"] or claims["ver"] >= told_last["ver"]
        assert spared == (who.get().status_code == 200)
        return spared

    phone = person()
    change(phone, PASSWORD, "first new password")
    change(phone, "first new password", "second new password")
    assert goes_on(phone)
    again = phone.refresh()
    laptop = phone.log_in("second new password")
    assert [goes_on(each) for each in (phone, again, laptop)] == [True, True, True]
    change(laptop, "second new password", "third new password")
    assert [goes_on(each) for each in (phone, again, laptop)] == [False, False, True]
    assert again.try_refresh().status_code == 401
    laptop = laptop.refresh()
    assert goes_on(laptop)
    laptop.client.post("/auth/logout-everywhere", headers=laptop.auth)
    assert not goes_on(laptop)
    assert laptop.try_refresh().status_code == 401


def test_a_new_password_does_not_undo_logging_out_everywhere_meanwhile(
    person: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    thief = person()
    ann = thief.log_in()
    hash_of = passwords.hash_of

    def ann_is_faster(password: str) -> str:
        monkeypatch.undo()
        answer = ann.client.post("/auth/logout-everywhere", headers=ann.auth)
        assert answer.status_code == 204
        return hash_of(password)

    monkeypatch.setattr(passwords, "hash_of", ann_is_faster)
    answer = thief.patch(password=NEW, current_password=PASSWORD)
    assert answer.status_code == 401
    assert answer.json["detail"] == "The session of this token has ended."
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert [thief.get().status_code, thief.try_refresh().status_code] == [401, 401]
    assert ann.log_in(PASSWORD).get().status_code == 200
    assert [data["kept_sid"] for data in told("session.ended") if data["sid"] is None] == [None]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"password": NEW}, "/current_password"),
        ({"password": NEW, "current_password": "wrong"}, "/current_password"),
        ({"password": "short", "current_password": PASSWORD}, "/password"),
        ({"password": "ann@example.com", "current_password": PASSWORD}, "/password"),
        ({"email": "new@example.com"}, "/email"),
        ({"roles": ["admin"]}, "/roles"),
        ({"name": ""}, "/name"),
    ],
)
def test_changes_of_me_that_are_refused(
    person: Callable[..., Person], body: dict, pointer: str
) -> None:
    ann = person()
    answer = ann.patch(**body)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json["errors"]]
    assert ann.get().json["version"] == 1


def test_only_admins_see_others(person: Callable[..., Person]) -> None:
    ann, bob = person("ann"), person("bob")
    assert ann.get("/users").status_code == 403
    assert ann.get(f"/users/{bob.id}").status_code == 403
    assert ann.get(f"/users/{ann.id}").status_code == 403
    assert ann.put_roles(ann.id, "admin").status_code == 403
    assert ann.get("/users/nope").status_code == 403
    assert ann.client.get("/users").status_code == 401


def test_an_admin_pages_through_all_newest_first(person: Callable[..., Person]) -> None:
    names = ["ann", "bob", "cat", "dan", "eve"]
    people = [person(name, admin=name == "ann") for name in names]
    seen, cursor = [], ""
    while cursor is not None:
        page = people[0].get(f"/users?limit=2{cursor and f'&cursor={cursor}'}").json
        seen += [user["email"].partition("@")[0] for user in page["items"]]
        cursor = page["next_cursor"]
    assert seen == names[::-1]


def test_an_admin_finds_a_user_by_email_or_id(person: Callable[..., Person]) -> None:
    root, ann = person("root", admin=True), person("ann")
    found = root.get("/users?email=ANN@example.com").json
    assert [user["id"] for user in found["items"]] == [ann.id]
    assert root.get("/users?email=nobody@example.com").json == {"items": [], "next_cursor": None}
    assert root.get(f"/users/{ann.id}").json == found["items"][0]
    assert root.get("/users/nope").status_code == 404


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "e30", "WyJuZXciXQ", "é", "%00", "%ED%A0%80"])
def test_what_is_no_cursor_is_refused(person: Callable[..., Person], cursor: str) -> None:
    answer = person(admin=True).get(f"/users?cursor={cursor}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "query/cursor"


def test_the_cursor_of_another_list_is_refused(person: Callable[..., Person]) -> None:
    root, _ = person("root", admin=True), person("ann")
    cursor = root.get("/users?limit=1").json["next_cursor"]
    assert root.get(f"/users?limit=1&cursor={cursor}").status_code == 200
    answer = root.get(f"/users?email=ann@example.com&cursor={cursor}")
    assert answer.status_code == 422


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=1_0", "page=2", "email=x"])
def test_queries_that_are_refused(person: Callable[..., Person], query: str) -> None:
    answer = person(admin=True).get(f"/users?{query}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == f"query/{query.partition('=')[0]}"


def test_a_role_is_given_and_told(person: Callable[..., Person]) -> None:
    root, ann = person("root", admin=True), person("ann")
    answer = root.put_roles(ann.id, "customer", "admin")
    assert (answer.status_code, answer.json["roles"]) == (200, ["customer", "admin"])
    assert answer.headers["ETag"] == '"2"'
    assert ann.get("/users").status_code == 403, "the old token does not name the role"
    assert ann.refresh().get("/users").status_code == 200
    assert told("user.roles_changed") == [{"user_id": ann.id, "roles": ["customer", "admin"]}]
    assert root.put_roles(ann.id, "admin", "customer").headers["ETag"] == '"2"'


def test_a_role_is_taken_and_its_tokens_end(person: Callable[..., Person]) -> None:
    root, ann = person("root", admin=True), person("ann", admin=True)
    assert root.put_roles(ann.id, "customer").status_code == 200
    assert ann.get("/users").status_code == 401
    assert ann.refresh().get("/users").status_code == 403


def test_the_last_admin_stays(person: Callable[..., Person]) -> None:
    root = person("root", admin=True)
    answer = root.put_roles(root.id, "customer")
    assert answer.status_code == 409
    assert root.get().json["roles"] == ["customer", "admin"]
    assert not told("user.roles_changed")


def test_of_admins_who_take_the_role_from_each_other_one_stays(
    app: Flask, person: Callable[..., Person]
) -> None:
    admins = [person(name, admin=True) for name in ("ann", "bob", "cat")]
    for _ in range(5):
        start = threading.Barrier(len(admins))

        def step_down(admin: Person, start: threading.Barrier = start) -> None:
            start.wait()
            app.test_client().put(
                f"/users/{admin.id}/roles", json={"roles": ["customer"]}, headers=admin.auth
            )

        threads = [threading.Thread(target=step_down, args=(admin,)) for admin in admins]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert User.objects(roles="admin").count() == 1
        User.objects.update(set__roles=["customer", "admin"])


@pytest.mark.parametrize(
    "roles", [[], ["root"], ["admin", "admin"], "admin", None, [None], [["admin"]], {}]
)
def test_roles_that_are_refused(person: Callable[..., Person], roles: object) -> None:
    root = person("root", admin=True)
    path = f"/users/{root.id}/roles"
    answer = root.client.put(path, json={"roles": roles}, headers=root.auth)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"].startswith("/roles")


def test_roles_of_nobody_are_not_found(person: Callable[..., Person]) -> None:
    assert person(admin=True).put_roles("nope", "admin").status_code == 404
