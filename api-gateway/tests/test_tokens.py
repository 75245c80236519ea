"""Which tokens open a door. Whatever is refused is refused before a service hears of it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient

from conftest import CLOSED, KEY, Handler, Service, make_token
from gateway.chassis import published_keys

PUBLIC_PEM = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def signed_with_the_public_key() -> str:
    """What takes the published key for a shared secret. PyJWT refuses to make it."""
    import hashlib
    import hmac

    claims = make_token().split(".")[1]
    text = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': 'k1'})}.{claims}"
    mac = hmac.new(PUBLIC_PEM, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def unsigned(algorithm: str) -> str:
    claims = make_token().split(".")[1]
    return f"{encoded({'alg': algorithm, 'typ': 'JWT', 'kid': 'k1'})}.{claims}."


def with_claims_exchanged() -> str:
    head, _, signature = make_token().split(".")
    return f"{head}.{make_token(sub='eve').split('.')[1]}.{signature}"


now = int(time.time())
BAD = {
    "expired": lambda: make_token(exp=now - 60),
    "not valid yet": lambda: make_token(nbf=now + 600),
    "signed by another": lambda: make_token(rsa.generate_private_key(65537, 2048)),
    "alg none": lambda: unsigned("none"),
    "alg None": lambda: unsigned("None"),
    "HS256 with the public key": signed_with_the_public_key,
    "HS256 with a secret": lambda: make_token("s" * 32, algorithm="HS256"),
    "RS512": lambda: make_token(algorithm="RS512"),
    "a key nobody knows": lambda: make_token(kid="k2"),
    "no key named": lambda: make_token(kid=None),
    "wrong issuer": lambda: make_token(iss="evil"),
    "no issuer": lambda: make_token(iss=None),
    "wrong audience": lambda: make_token(aud="bank"),
    "no audience": lambda: make_token(aud=None),
    "a refresh token": lambda: make_token(type="refresh"),
    "no expiry": lambda: make_token(exp=None),
    "no subject": lambda: make_token(sub=None),
    "no roles": lambda: make_token(roles=None),
    "other claims": with_claims_exchanged,
    "no signature": lambda: make_token().rsplit(".", 1)[0] + ".",
    "two parts": lambda: "a.b",
    "one part": lambda: "nonsense",
    "a list": lambda: f"{encoded([])}.{encoded([])}.x",
    "a text": lambda: f"{encoded({'alg': 'RS256', 'kid': 'k1'})}.{encoded('x')}.x",
    "a kid that is a list": lambda: f"{encoded({'alg': 'RS256', 'kid': ['k1']})}.{encoded({})}.x",
    "a critical header": lambda: f"{encoded({'alg': 'RS256', 'crit': ['x']})}.{encoded({})}.x",
    "not base64": lambda: "!.!.!",
    "very long": lambda: "a" * 7000,
}


def assert_refused(answer: Any, services: dict[str, Service]) -> None:
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert services["orders"].reached == 0


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_refuses_bad_tokens(
    client: FlaskClient, services: dict[str, Service], make: Callable[[], str]
) -> None:
    answer = client.get("/orders", headers={"Authorization": f"Bearer {make()}"})
    assert_refused(answer, services)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YW5uOmE=", "Bearer a b", ", ,", ",\t,"]
)
def test_refuses_headers_without_a_token(
    client: FlaskClient, services: dict[str, Service], header: str
) -> None:
    assert_refused(client.get("/orders", headers={"Authorization": header}), services)


def test_does_not_take_tokens_from_elsewhere(
    client: FlaskClient, services: dict[str, Service]
) -> None:
    client.set_cookie("access_token_cookie", make_token())
    assert_refused(client.get(f"/orders?jwt={make_token()}"), services)


def test_passes_a_good_token_on(client: FlaskClient, services: dict[str, Service]) -> None:
    token = make_token()
    assert client.get("/orders", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert services["orders"].seen[-1]["headers"]["authorization"] == f"Bearer {token}"


def test_asks_for_the_keys_once(client: FlaskClient, services: dict[str, Service]) -> None:
    for _ in range(3):
        client.get("/orders", headers={"Authorization": f"Bearer {make_token()}"})
    assert services["users"].reached == 1


def test_learns_a_new_key(
    client: FlaskClient, services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was not there at the first look is found at a later one."""
    monkeypatch.setattr(published_keys, "RETRY_SECONDS", 0)
    empty = services["users"].answers.pop("/.well-known/jwks.json")
    services["users"].answers["/.well-known/jwks.json"] = lambda handler: handler.tell({}, 500)
    headers = {"Authorization": f"Bearer {make_token()}"}
    assert client.get("/orders", headers=headers).status_code == 503
    services["users"].answers["/.well-known/jwks.json"] = empty
    assert client.get("/orders", headers=headers).status_code == 200


def broken(handler: Handler) -> None:
    handler.close_connection = True


UNAVAILABLE = {
    "an error": lambda handler: handler.tell({}, 500),
    "a broken connection": broken,
    "no JSON": lambda handler: handler.tell(None, Content_Length="2"),
    "no keys": lambda handler: handler.tell({"keys": []}),
}


@pytest.mark.parametrize("answer", UNAVAILABLE.values(), ids=UNAVAILABLE)
def test_judges_no_token_while_the_keys_cannot_be_had(
    client: FlaskClient, services: dict[str, Service], answer: Callable[[Handler], None]
) -> None:
    services["users"].answers["/.well-known/jwks.json"] = answer
    response = client.get("/orders", headers={"Authorization": f"Bearer {make_token()}"})
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert services["orders"].reached == 0


def test_judges_no_token_while_users_is_away(
    make_app: Callable[..., Flask], services: dict[str, Service]
) -> None:
    client = make_app(jwks_url=f"{CLOSED}/.well-known/jwks.json").test_client()
    response = client.get("/orders", headers={"Authorization": f"Bearer {make_token()}"})
    assert response.status_code == 503
    assert client.get("/products").status_code == 200
