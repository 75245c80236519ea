"""Which tokens count."""

from __future__ import annotations

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from conftest import KEY
from orders.app import create_app


def unsigned(claims: dict) -> str:
    def part(value: dict) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none', 'kid': 'k1'})}.{part(claims)}."


def hs256_with_the_public_key(claims: dict) -> str:
    import hashlib
    import hmac

    pem = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header, payload = (
        base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=")
        for p in ({"alg": "HS256", "kid": "k1", "typ": "JWT"}, claims)
    )
    digest = hmac.new(pem, header + b"." + payload, hashlib.sha256).digest()
    return b".".join([header, payload, base64.urlsafe_b64encode(digest).rstrip(b"=")]).decode()


def claims_of(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def test_a_valid_token_is_let_in(client, token):
    headers = {"Authorization": f"Bearer {token()}"}
    assert client.get("/orders", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "bad",
    [
        lambda make: make(exp=int(time.time()) - 10),
        lambda make: make(nbf=int(time.time()) + 100),
        lambda make: make(iss="somebody"),
        lambda make: make(aud="elsewhere"),
        lambda make: make(kid="unknown"),
        lambda make: make(key=rsa.generate_private_key(65537, 2048)),
        lambda make: make(type="refresh"),
        lambda make: make(sub=7),
        lambda make: make()[:-8],
        lambda make: "a.b.c",
        lambda make: "nonsense",
        lambda make: "bnVsbA.bnVsbA.bnVsbA",
        lambda make: unsigned(claims_of(make())),
        lambda make: hs256_with_the_public_key(claims_of(make())),
    ],
)
def test_every_bad_token_is_401_in_the_one_shape(client, token, bad):
    answer = client.get("/orders", headers={"Authorization": f"Bearer {bad(token)}"})
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "missing", ["exp", "iat", "iss", "aud", "sub", "jti", "sid", "ver", "roles"]
)
def test_a_token_without_one_of_the_claims_is_401(client, token, missing):
    claims = claims_of(token())
    del claims[missing]
    short = jwt.encode(claims, KEY, "RS256", headers={"kid": "k1"})
    answer = client.get("/orders", headers={"Authorization": f"Bearer {short}"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "header",
    [{}, *({"Authorization": sent} for sent in ("Basic eDp5", "Bearer", ", ,", ",\t,"))],
)
def test_no_token_is_401(client, header):
    assert client.get("/orders", headers=header).status_code == 401


def test_keys_that_cannot_be_had_are_503_and_not_401(settings, token, monkeypatch):
    def unreachable(_):
        raise jwt.exceptions.PyJWKClientConnectionError("away")

    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", unreachable)
    client = create_app(settings).test_client()
    answer = client.get("/orders", headers={"Authorization": f"Bearer {token()}"})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"


def test_every_route_is_closed_unless_it_is_meant_to_be_open(app):
    from orders.chassis.auth import access_of

    open_rules = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if access_of(app.view_functions[rule.endpoint]) == "public"
    }
    assert all(rule.startswith(("/docs", "/health", "/openapi.json")) for rule in open_rules)


@pytest.mark.parametrize("path", ["/orders", "/orders/1", "/orders/1/cancel"])
def test_tells_everybody_which_methods_there_are(client, path):
    answer = client.options(path)
    assert answer.status_code == 200
    assert "OPTIONS" in answer.headers["Allow"]
