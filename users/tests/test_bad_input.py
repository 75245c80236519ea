"""Every malformed input is a 4xx problem that names the field; nothing is stored."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from conftest import PASSWORD, Person
from users.models import User

GOOD = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("email", bad) for bad in [
            None, 7, True, [], {}, "", "x", "a@b", "a b@example.com", "@example.com", "a@", "a@.b",
            "ann@example.com\n", "ann@example.com\0", "änn@example.com", "ann@exämple.com",
            "\ud800@example.com", f"{'a' * 65}@example.com", f"a@{'b' * 64}.com",
            f"a@{'b.' * 200}com", {"$ne": ""}, '"a b"@example.com',
        ]),
        *(("password", bad) for bad in [None, 7, [], "", "seven77", "x" * 129, "\ud800" * 8,
                                        "\0" * 8, {"$gt": ""}]),
        *(("name", bad) for bad in [None, 7, [], "", " ", " Ann", "Ann ", "A\nnn", "Ann\n", "A\0nn",
                                    "\ud800", "\x7f", "x" * 101, {"$ne": ""}]),
        ("is_admin", True), ("id", "1"), ("$where", "1"), ("\ud800", 1), ("\0", 1), ("", 1),
    ],
)  # fmt: skip
def test_registrations_that_are_refused(client: FlaskClient, field: str, value: object) -> None:
    answer = client.post("/auth/register", json={**GOOD, field: value})
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert {error["pointer"] for error in answer.json["errors"]} == {f"/{field}"}
    assert not User.objects


@pytest.mark.parametrize("name", ["Ånn Ö'Neil-Ñandú", "李", "A.", "👩🏽‍🚀", "Robert'); DROP"])
def test_names_of_the_world_are_kept_as_they_are(client: FlaskClient, name: str) -> None:
    answer = client.post("/auth/register", json={**GOOD, "name": name})
    assert (answer.status_code, answer.json["name"]) == (201, name)


@pytest.mark.parametrize("path", ["register", "login", "refresh"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff", 400),
        (b"nonsense", 400),
        (b"[" * 8000, 400),
        (b'{"a":' * 2500, 400),
        (b"1" * 8000, 400),
        (b"null", 422),
        (b"[]", 422),
        (b"7", 422),
        (b'"x"', 422),
        (b"NaN", 422),
        (b"{}", 422),
        (b" " * 16385, 413),
    ],
    ids=lambda value: repr(value[:9]) if isinstance(value, bytes) else str(value),
)
def test_bodies_that_are_refused(client: FlaskClient, path: str, body: bytes, status: int) -> None:
    answer = client.post(f"/auth/{path}", data=body, headers=JSON)
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_other_media_types_are_refused(client: FlaskClient, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    answer = client.post("/auth/login", data=b"email=a&password=b", headers=headers)
    assert answer.status_code == 415


@pytest.mark.parametrize("body", [{"email": "x", "password": "y"}, {"email": "ann@example.com"}])
def test_log_ins_that_are_refused(client: FlaskClient, body: dict) -> None:
    assert client.post("/auth/login", json=body).status_code == 422


@pytest.mark.parametrize("path", ["/nope", "/auth", "/auth/nope", "/users/a/b", "/.well-known/x"])
def test_what_is_not_here_is_a_problem(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def test_a_method_that_is_not_offered_names_those_that_are(client: FlaskClient) -> None:
    answer = client.get("/auth/login")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("user_id", ["nope", "%00", "%ED%A0%80", "%FF", "$ne", "x" * 5000])
def test_an_id_that_is_none_is_not_found(person: Callable[..., Person], user_id: str) -> None:
    root = person(admin=True)
    assert root.get(f"/users/{user_id}").status_code == 404
    assert root.put_roles(user_id, "admin").status_code == 404


def test_a_database_that_is_away_is_503_and_names_no_host(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymongo.errors import ServerSelectionTimeoutError

    def away(*_: object, **__: object) -> None:
        raise ServerSelectionTimeoutError("10.0.0.7:27017: connection refused")

    monkeypatch.setattr("users.use_cases.log_in", away)
    answer = client.post("/auth/login", json={"email": "a@example.com", "password": PASSWORD})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "10.0.0.7" not in answer.text
