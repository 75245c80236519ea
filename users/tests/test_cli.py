"""The commands: the first admin, the keys, and what every service has."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from conftest import Person
from users import use_cases
from users.app import make_contract
from users.cli import main
from users.models import SigningKey, User

SECRET = "a good admin password"


@pytest.fixture
def run(app: Flask, settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    monkeypatch.setenv("MONGO_URL", settings.mongo_url)
    monkeypatch.setenv("BROKER_URL", settings.broker_url)
    monkeypatch.setenv("CACHE_URL", settings.cache_url)
    monkeypatch.setattr("users.chassis.database.connect", lambda _: None)  # the app has
    root = logging.getLogger()
    before = root.handlers, root.level
    yield lambda *words, **options: CliRunner().invoke(main, words, **options)
    root.handlers, root.level = before


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    return str(file)


def test_makes_the_first_admin(run, password_file: str) -> None:
    words = ["admin", "create", "--email", "Root@Example.com", "--password-file", password_file]
    for _ in range(2):
        done = run(*words)
        assert (done.exit_code, done.output) == (0, "root@example.com is an admin\n")
    user, *_ = use_cases.log_in("root@example.com", SECRET)
    assert user.roles == ["customer", "admin"]
    assert User.objects.count() == 1


def test_reads_the_password_from_what_is_piped_in(run) -> None:
    done = run("admin", "create", "--email", "root@example.com", input=f"{SECRET}\n")
    assert done.exit_code == 0
    assert use_cases.log_in("root@example.com", SECRET)


def test_makes_an_existing_account_an_admin_and_keeps_its_password(
    run, person: Callable[..., Person], password_file: str
) -> None:
    ann = person()
    words = ["admin", "create", "--email", ann.email, "--password-file", password_file]
    assert run(*words).exit_code == 0
    assert ann.log_in().get("/users").status_code == 200


@pytest.mark.parametrize(
    ("email", "password", "said"),
    [
        ("root@example.com", "short", "password"),
        ("root@example.com", "", "password"),
        ("nonsense", SECRET, "email"),
        ("rootroot@example.com", "RootRoot", "password"),
    ],
)
def test_says_what_is_wrong_with_an_admin(run, email: str, password: str, said: str) -> None:
    done = run("admin", "create", "--email", email, input=f"{password}\n")
    assert done.exit_code == 1
    assert said in done.stderr
    assert not User.objects


def test_lists_and_rotates_keys(run) -> None:
    SigningKey.objects.delete()
    assert run("keys", "list").output == ""
    rotated = run("keys", "rotate").output
    listed = run("keys", "list").output.splitlines()
    assert [line.split()[1] for line in listed] == ["signing", "waiting"]
    assert listed[1] == rotated.rstrip("\n")
    assert "PRIVATE" not in rotated


def test_shows_what_waits_to_be_told(run, person: Callable[..., Person]) -> None:
    ann = person()
    output = run("events", "outbox").output
    assert "user.registered" in output
    assert ann.id in output


def test_prints_the_contract_without_any_setting() -> None:
    done = CliRunner(env={"MONGO_URL": None}).invoke(main, ["contract"])
    assert done.stdout_bytes == make_contract()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("MONGO_URL", None, "settings: MONGO_URL is not set"),
        ("MONGO_URI", "mongodb://x", "settings: MONGO_URI is not a setting"),
        ("LOGIN_LIMIT", "often", "settings: LOGIN_LIMIT is not like '10 per minute'."),
        ("TRUSTED_PROXIES", "x", "settings: TRUSTED_PROXIES cannot be read"),
        ("TRUSTED_PROXIES", "-1", "settings: TRUSTED_PROXIES cannot be read"),
        ("MONGO_URL", "mongodb://mongo:27017", "settings: MONGO_URL is not of the form"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_a_sentence(
    run, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None, sentence: str
) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    done = run("keys", "list")
    assert done.exit_code == 2
    assert done.stderr.startswith(sentence)
