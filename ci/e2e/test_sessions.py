"""Sessions that end, end in every service and at the gateway, also when somebody was away."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from conftest import Client, eventually
from stack import control

SECONDS = 5  # by when an end has come to everybody
# A request to each service that hears of sessions, and how it is answered if the token counts.
QUESTIONS = {
    "products": ("DELETE", "/products/nope", 403),  # not for customers
    "orders": ("GET", "/orders", 200),
    "notifications": ("GET", "/notifications", 200),
}
EVERYWHERE = {
    f"{service} {how}" for service in QUESTIONS for how in ("itself", "behind the gateway")
}


@pytest.fixture
def asked(base_url: str, run_dir: Path) -> Callable[[str], dict[str, int]]:
    """How each service answers to a token, asked itself and through the gateway."""
    ports = json.loads((run_dir / "ports.json").read_text())
    session = requests.Session()
    session.trust_env = False

    def ask(token: str) -> dict[str, int]:
        found = {}
        for service, (method, path, _) in QUESTIONS.items():
            itself = f"http://127.0.0.1:{ports[service]}"
            for how, where in (("itself", itself), ("behind the gateway", base_url)):
                headers = {"Authorization": f"Bearer {token}"}
                answer = session.request(method, where + path, headers=headers, timeout=15)
                found[f"{service} {how}"] = answer.status_code
        return found

    return ask


def is_believed(answers: dict[str, int]) -> bool:
    return answers == {place: QUESTIONS[place.split()[0]][2] for place in EVERYWHERE}


def is_refused(answers: dict[str, int]) -> bool:
    return answers == dict.fromkeys(EVERYWHERE, 401)


def token_of(client: Client) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


def again(client: Client) -> Client:
    """The same person in another session."""
    other = Client(client.base_url)
    other.log_in(client.email, client.password)
    return other


def test_logging_out_ends_one_session_everywhere(customer, asked):
    phone = customer()
    laptop = again(phone)
    assert is_believed(asked(token_of(phone)))
    assert phone.post("/auth/logout").status_code == 204
    eventually(lambda: is_refused(asked(token_of(phone))), SECONDS)
    assert is_believed(asked(token_of(laptop)))


def test_logging_out_everywhere_ends_every_session_everywhere(customer, asked):
    phone = customer()
    laptop = again(phone)
    assert laptop.post("/auth/logout-everywhere").status_code == 204
    for client in (phone, laptop):
        eventually(lambda client=client: is_refused(asked(token_of(client))), SECONDS)
        assert client.get("/users/me").status_code == 401
    assert is_believed(asked(token_of(again(phone))))


def test_a_new_password_ends_every_session_but_the_one_it_was_set_in(customer, asked):
    phone = customer()
    laptop = again(phone)
    passwords = {"password": uuid.uuid4().hex, "current_password": laptop.password}
    assert laptop.patch("/users/me", json=passwords).status_code == 200
    eventually(lambda: is_refused(asked(token_of(phone))), SECONDS)
    assert is_believed(asked(token_of(laptop)))


def test_a_role_that_is_taken_ends_the_tokens_that_name_it(admin, customer, asked):
    ann = customer()
    path = f"/users/{ann.user_id}/roles"
    assert admin.put(path, json={"roles": ["customer", "admin"]}).status_code == 200
    assert is_believed(asked(token_of(ann))), "a role that is given ends nothing"
    promoted = again(ann)
    assert 401 not in asked(token_of(promoted)).values()
    assert admin.put(path, json={"roles": ["customer"]}).status_code == 200
    eventually(lambda: is_refused(asked(token_of(promoted))), SECONDS)
    assert is_believed(asked(token_of(again(ann))))


@contextmanager
def stopped(run_dir: Path, process: str) -> Iterator[None]:
    control(run_dir, "stop", process)
    try:
        yield
    finally:
        control(run_dir, "start", process)


@pytest.mark.parametrize(
    "away", ["services:users-worker", "services:orders-worker", "stores:broker"]
)
def test_an_end_while_somebody_is_away_counts_when_they_are_back(customer, asked, run_dir, away):
    if "not started" in control(run_dir, "status", away).lower():
        pytest.skip("the broker is not one of ours")
    phone = customer()
    laptop = again(phone)
    with stopped(run_dir, away):
        assert phone.post("/auth/logout").status_code == 204
        assert phone.get("/users/me").status_code == 401, "users itself asks nobody"
    eventually(lambda: is_refused(asked(token_of(phone))), 60)
    assert is_believed(asked(token_of(laptop)))
