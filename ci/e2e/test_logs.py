"""Everything that was logged in this run, read when all else is over: see conftest.py."""

from __future__ import annotations

import uuid
from pathlib import Path

import leaks
import pymongo
import pytest
import stack
from conftest import Client, eventually, kinds, place, settled

LINE = '{"time":"2026-11-23T05:00:00.000000Z","level":"info","service":"users","event":"x"%s}'


def test_nothing_logged_tells_a_secret_and_every_line_keeps_the_schema(
    run_dir: Path, admin: Client, customer, product, visitor
):
    who, mug = customer(), product(stock=1)
    secrets = {*Client.secrets, f"private {uuid.uuid4()}", f"wrong {uuid.uuid4()}"}
    text, wrong = sorted(secrets - Client.secrets)
    alert = {"user_id": who.user_id, "title": "For you alone", "text": text}
    assert admin.post("/notifications", json=alert).status_code == 201
    visitor.post("/auth/login", json={"email": who.email, "password": wrong})
    visitor.post("/auth/login", json={"email": who.email, "password": {"no": wrong}})
    visitor.post("/auth/register", json={"email": who.email, "password": wrong, "name": "Ann"})
    visitor.get("/orders", headers={"Authorization": f"Bearer {wrong}"})
    visitor.get(f"/products?q={wrong}", headers={"Cookie": wrong, "X-Request-Id": wrong})
    for quantity in (2, 1):
        order = settled(who, place(who, (mug, quantity)).json())
    eventually(lambda: "order.confirmed" in kinds(who, order))
    secrets |= {note["text"] for note in who.get("/notifications").json()["items"]}
    url = stack.service_environment(run_dir, "users")["MONGO_URL"]
    with pymongo.MongoClient(url) as client:
        for key in client.get_default_database()["signing_keys"].find():
            secrets |= {line for line in key["private_pem"].splitlines() if len(line) > 40}
    assert len(secrets) > 20 and any(len(line) == 64 for line in secrets)
    assert leaks.in_logs(run_dir / "logs", secrets) == []


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (',"error":"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln"', "a token"),
        (',"error":"$argon2id$v=19$m=65536"', "a password's hash"),
        (',"error":"no mail for ann@shop.example"', "an e-mail address"),
        (',"error":"-----BEGIN PRIVATE KEY-----"', "a private key"),
        (',"error":"{\\"d\\": \\"abc\\"}"', "a private key"),
        (',"error":"amqp://shop:hunter2@rabbitmq:5672"', "a password in an address"),
        (',"error":"hunter2"', "'hunter2'"),
        (',"error":"na\\u00efve"', "'naïve'"),
    ],
)
def test_a_leak_is_found(more: str, fault: str):
    assert any(
        found.startswith(fault) for found in leaks.in_line(LINE % more, ["hunter2", "naïve"])
    )


@pytest.mark.parametrize(
    "line",
    ["Traceback (most recent call last):", LINE % ',"email":"x"', LINE % ',"status":"200"', "{}"],
)
def test_a_line_of_another_shape_is_found(line: str):
    assert list(leaks.out_of_shape(line))


def test_a_line_as_it_should_be_is_let_pass():
    trace = "0af7651916cd43dd8448eb211c80319c"
    line = LINE % f',"request_id":"a-1","trace_id":"{trace}","user_id":"u1","status":200'
    assert [*leaks.in_line(line, ["hunter2"]), *leaks.out_of_shape(line)] == []
