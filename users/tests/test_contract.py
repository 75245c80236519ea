"""The contract, and what is served beside it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest
from flask.testing import FlaskClient

from conftest import PASSWORD
from users import events
from users.app import make_contract
from users.models import Session, Telling, User

# The nearest ones: beside the service, or in it where it is a repository of its own.
CONTRACTS = next(filter(Path.is_dir, (at / "contracts" for at in Path(__file__).parents)))


def test_the_committed_contract_is_what_the_app_promises() -> None:
    assert (CONTRACTS / "users.openapi.json").read_bytes() == make_contract()


def test_every_operation_has_a_summary_and_names_its_errors() -> None:
    for path, methods in json.loads(make_contract())["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                assert operation["summary"], path
                if operation.get("security") != [] and path.startswith("/users"):
                    assert {"401", "503"} <= operation["responses"].keys(), path


def test_serves_its_contract_and_a_page_to_explore_it(client: FlaskClient) -> None:
    assert client.get("/openapi.json").data == make_contract()
    page = client.get("/docs")
    assert page.status_code == 200
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js", "users.openapi.json"):
        assert client.get(f"/docs/{asset}", buffered=True).status_code == 200
    assert client.get("/docs/index.html").status_code == 404


def test_tells_whether_it_is_alive_and_what_it_lacks(client: FlaskClient) -> None:
    assert client.get("/health/live").json == {"status": "ok", "checks": {}}
    ready = client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json["status"] == "degraded"
    assert ready.json["checks"]["database"]["status"] == "ok"
    assert ready.json["checks"]["worker"]["detail"] == "no worker was ever seen"


def test_what_is_told_is_what_the_contract_says(person) -> None:
    root, ann = person("root", admin=True), person("ann")
    root.put_roles(ann.id, "customer", "admin")
    ann.patch(password="another good password", current_password=PASSWORD)
    ann.client.post("/auth/logout", headers=ann.auth)
    Telling.tell()
    documents = [*User.objects, *Session.objects, *Telling.objects]
    envelopes = [waiting["event"] for document in documents for waiting in document.outbox]
    assert {event["type"] for event in envelopes} == events.TELLS.keys()
    for event in envelopes:
        jsonschema_rs.validate(events.TELLS[event["type"]], event["data"])
        assert (event["specversion"], event["source"]) == ("1.0", "/users")
        assert isinstance(event["sequence"], int)


@pytest.mark.parametrize(
    "path",
    [
        "/users/me",
        "/users",
        "/users/x",
        "/users/x/roles",
        "/auth/logout",
        "/auth/logout-everywhere",
    ],
)
def test_what_is_not_public_is_closed(client: FlaskClient, path: str) -> None:
    answers = [client.open(path, method=m) for m in ("GET", "PUT", "PATCH", "POST")]
    assert {answer.status_code for answer in answers} <= {401, 405}
    assert 401 in {answer.status_code for answer in answers}
