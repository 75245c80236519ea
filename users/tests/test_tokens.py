"""What a token holds, and which are refused."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from conftest import Person
from users.models import Session, SigningKey, User


def header_and_claims(token: str) -> tuple[dict, dict]:
    return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})


def test_tokens_hold_what_the_other_services_ask_for(person: Callable[..., Person]) -> None:
    ann = person()
    header, claims = header_and_claims(ann.access_token)
    kid = SigningKey.objects.get().id
    assert header == {"alg": "RS256", "typ": "JWT", "kid": kid}
    assert claims.pop("exp") - claims["iat"] == 900
    assert claims.pop("nbf") == claims.pop("iat")
    assert claims.pop("jti") != Session.objects.get().refresh_jti
    assert claims == {
        "iss": "shop",
        "aud": "shop",
        "sub": ann.id,
        "sid": Session.objects.get().id,
        "ver": 1,
        "roles": ["customer"],
        "type": "access",
        "fresh": False,
    }
    _, claims = header_and_claims(ann.refresh_token)
    assert (claims["type"], claims["exp"] - claims["iat"]) == ("refresh", 30 * 24 * 3600)
    assert claims["jti"] == Session.objects.get().refresh_jti


def test_tokens_verify_with_the_published_keys_alone(person: Callable[..., Person]) -> None:
    ann = person()
    published = jwt.PyJWKSet.from_dict(ann.client.get("/.well-known/jwks.json").json)
    key = published[jwt.get_unverified_header(ann.access_token)["kid"]]
    claims = jwt.decode(ann.access_token, key, ["RS256"], audience="shop", issuer="shop")
    assert claims["sub"] == ann.id


FOREIGN = rsa.generate_private_key(65537, 2048)


def our_key() -> tuple[rsa.RSAPrivateKey, str]:
    stored = SigningKey.objects.get()
    return serialization.load_pem_private_key(stored.private_pem.encode(), None), stored.id


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "another"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"exp": 1},
        {"nbf": 4_000_000_000},
        {"sub": None},
        {"sub": 7},
        {"sid": None},
        {"sid": "unknown"},
        {"ver": None},
        {"roles": None},
        {"roles": ["admin", "customer"]},
        {"type": "refresh"},
    ],
    ids=str,
)
def test_refuses_a_token_with_other_claims(person: Callable[..., Person], changes: dict) -> None:
    ann = person()
    _, claims = header_and_claims(ann.access_token)
    key, kid = our_key()
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    # not jwt.encode, which refuses to sign what is no proper token
    token = jwt.PyJWS().encode(json.dumps(claims).encode(), key, "RS256", {"kid": kid})
    answer = ann.client.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_refuses_alg_none(person: Callable[..., Person]) -> None:
    assert_forged(person(), lambda claims, kid: jwt.encode(claims, None, "none", {"kid": kid}))


def test_refuses_the_key_of_somebody_else_under_our_id(person: Callable[..., Person]) -> None:
    assert_forged(person(), lambda claims, kid: jwt.encode(claims, FOREIGN, "RS256", {"kid": kid}))


@pytest.mark.parametrize("kid", ["unknown", "", None, 7, ["a"], {"$ne": ""}, "../../dev/null"])
def test_refuses_an_unknown_key(person: Callable[..., Person], kid: object) -> None:
    def forge(claims: dict, _: str) -> str:
        header = {"alg": "RS256", "typ": "JWT", "kid": kid}
        return signed(header, claims, lambda _: b"x" * 256)

    assert_forged(person(), forge)


@pytest.mark.parametrize("encoding", [serialization.Encoding.PEM, serialization.Encoding.DER])
def test_refuses_hs256_with_the_public_key_as_secret(
    person: Callable[..., Person], encoding: serialization.Encoding
) -> None:
    def forge(claims: dict, kid: str) -> str:
        public = our_key()[0].public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        secret = public.public_bytes(encoding, form)
        header = {"alg": "HS256", "typ": "JWT", "kid": kid}
        return signed(header, claims, lambda text: hmac.digest(secret, text, "sha256"))

    assert_forged(person(), forge)


def assert_forged(ann: Person, forge: Callable[[dict, str], str]) -> None:
    header, claims = header_and_claims(ann.access_token)
    token = forge(claims, header["kid"])
    answer = ann.client.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    _, claims = header_and_claims(ann.refresh_token)
    body = {"refresh_token": forge(claims, header["kid"])}
    assert ann.client.post("/auth/refresh", json=body).status_code == 401
    assert ann.try_refresh().status_code == 200


def signed(header: dict, claims: dict, sign: Callable[[bytes], bytes]) -> str:
    """A token put together by hand, as an attacker would."""
    parts = [json.dumps(part).encode() for part in (header, claims)]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return f"{text.decode()}.{base64.urlsafe_b64encode(sign(text)).decode().rstrip('=')}"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Basic YTpi", "Bearer W10.W10.W10",
     "Bearer bnVsbA.bnVsbA.bnVsbA", "Bearer ..", "Bearer a b", "Bearer é.é.é", ", ,", ",\t,"],
)  # fmt: skip
def test_refuses_what_is_no_token(person: Callable[..., Person], header: str) -> None:
    answer = person().client.get("/users/me", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json["status"] == 401


def test_a_refresh_token_opens_nothing(person: Callable[..., Person]) -> None:
    ann = person()
    headers = {"Authorization": f"Bearer {ann.refresh_token}"}
    assert ann.client.get("/users/me", headers=headers).status_code == 401


def test_an_expired_refresh_token_is_refused(person: Callable[..., Person]) -> None:
    ann = person()
    _, claims = header_and_claims(ann.refresh_token)
    key, kid = our_key()
    old = {**claims, "exp": int(time.time()) - 60}
    body = {"refresh_token": jwt.encode(old, key, "RS256", headers={"kid": kid})}
    assert ann.client.post("/auth/refresh", json=body).status_code == 401
    assert ann.try_refresh().status_code == 200


def test_the_tokens_of_somebody_who_is_gone_are_refused(person: Callable[..., Person]) -> None:
    ann = person()
    User.objects(id=ann.id).delete()
    assert ann.get().status_code == 401
    assert ann.try_refresh().status_code == 401
