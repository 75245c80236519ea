"""The gateway's own pages, its log and its settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from conftest import HERE, Service, make_token
from gateway.chassis.environment import SettingsError, read
from gateway.contract import SERVICES
from gateway.settings import Settings


def test_docs_let_choose_between_the_shop_and_each_service(client: FlaskClient) -> None:
    start = client.get("/docs/start.js").text
    places = [start.index(f'"/docs/{name}.openapi.json"') for name in ("shop", *SERVICES)]
    assert places == sorted(places)
    assert client.get("/docs/orders.openapi.json").json["info"]["title"] == "orders"
    assert client.get("/openapi.json").json["info"]["title"] == "api-gateway"
    page = client.get("/docs")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    with client.get("/docs/swagger-ui-bundle.js") as script:
        assert script.mimetype == "text/javascript"


@pytest.mark.parametrize("path", ["/", "/health/live", "/nowhere", "/products", "/docs"])
def test_answers_are_marked_as_what_they_are(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_request_is_one_line_of_the_log_without_its_token(
    make_app: Callable[..., Flask], capsys: pytest.CaptureFixture
) -> None:
    client = make_app(log_level="INFO").test_client()
    token = make_token()
    headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "mine-1"}
    client.get("/orders/o-1?secret=1", headers=headers)
    text = "".join(capsys.readouterr())
    (line,) = (line for line in lines(text) if line["event"] == "request")
    assert line["service"] == "gateway"
    assert (line["method"], line["route"], line["status"]) == ("GET", "/orders/<id>", 200)
    assert (line["user_id"], line["request_id"]) == ("ann", "mine-1")
    assert len(line["trace_id"]) == 32
    assert token not in text and "secret" not in text


def test_a_failure_of_a_service_is_in_the_log(
    make_app: Callable[..., Flask], services: dict[str, Service], capsys: pytest.CaptureFixture
) -> None:
    client = make_app(products_url="http://127.0.0.1:1").test_client()
    client.get("/products")
    (line,) = (x for x in lines("".join(capsys.readouterr())) if x["event"] == "upstream.failed")
    assert (line["upstream"], line["problem"]) == ("products", "ServiceAway")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"USERS_URL": None}, "USERS_URL is not set"),
        ({"ORDERS_URL": "orders:8003"}, "ORDERS_URL is not of the form"),
        ({"ORDERS_URL": "http://orders:8003/base"}, "ORDERS_URL is not of the form"),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS"),
        ({"RATE_LIMIT": "lots"}, "RATE_LIMIT is not of the form"),
        ({"UPSTREAM_TIMEOUT": "soon"}, "UPSTREAM_TIMEOUT cannot be read"),
        ({"JWKS_URI": "http://x"}, "JWKS_URI is not a setting"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_a_sentence(
    settings: dict[str, Any], changed: dict[str, str | None], said: str
) -> None:
    environ = {name.upper(): str(value) for name, value in settings.items()}
    environ = {k: v for k, v in {**environ, **changed}.items() if v is not None}
    with pytest.raises(SettingsError, match=said):
        read(Settings, environ)


def test_gunicorn_ends_at_once_with_status_2_when_a_setting_is_wrong() -> None:
    program = Path(sys.executable).with_name("gunicorn")
    done = subprocess.run(
        [program, "-c", "gunicorn.conf.py", "gateway.app:create_app()"],
        env={"PATH": os.environ["PATH"], "USERS_URL": "http://users"},
        cwd=HERE.parent, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "PRODUCTS_URL is not set" in done.stderr


def test_does_not_start_without_the_contracts_it_shows(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="CONTRACTS_DIR"):
        make_app(contracts_dir=str(tmp_path))
