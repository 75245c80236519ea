"""The keys that sign tokens: stored, so that tokens outlive a restart and processes agree.

Key n signs from its `signs_from` until that of key n + 1. It is published a good minute before,
so that everybody knows it by then, and as long after as an access token may live. Refresh tokens
only users itself reads, with keys that are no longer published.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from mongoengine import NotUniqueError

from .chassis.logs import log
from .chassis.outbox import now
from .models import ACCESS_LIFETIME, REFRESH_LIFETIME, SigningKey

PUBLISHED_FOR = 60  # seconds that everybody may keep the published keys
REMEMBERED_FOR = 10  # seconds that a process of ours does
PUBLISHED_BEFORE = timedelta(seconds=PUBLISHED_FOR + 2 * REMEMBERED_FOR)


@dataclass(frozen=True)
class Key:
    """A stored key, ready for use; `signs_until` is None for the newest."""

    kid: str
    private: RSAPrivateKey
    jwk: dict[str, str]
    created_at: datetime
    signs_from: datetime
    signs_until: datetime | None

    @property
    def public(self) -> RSAPublicKey:
        return self.private.public_key()

    @property
    def state(self) -> str:
        """waiting, signing, published (no longer signing) or retired"""
        moment = now()
        if moment < self.signs_from:
            return "waiting"
        if self.signs_until is None or moment < self.signs_until:
            return "signing"
        last_token = self.signs_until + ACCESS_LIFETIME + timedelta(seconds=PUBLISHED_FOR)
        return "published" if moment < last_token else "retired"


class KeyRing:
    """The stored keys, remembered for a few seconds."""

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._read_at = float("-inf")

    def signing(self) -> Key:
        """The key to sign with now."""
        known = self._known(REMEMBERED_FOR)
        begun = [key for key in known if key.state != "waiting"]
        return begun[-1] if begun else known[0]  # made where the clock is ahead of ours

    def published(self) -> list[dict[str, str]]:
        """The public keys that tokens in use are, were or will be signed with."""
        return [key.jwk for key in self._known(REMEMBERED_FOR) if key.state != "retired"]

    def find(self, kid: str) -> RSAPublicKey | None:
        """The public key of that id, or None; an unknown one is looked for once a second."""
        for seconds in (REMEMBERED_FOR, 1):
            for key in self._known(seconds):
                if key.kid == kid:
                    return key.public
        return None

    def _known(self, seconds: float) -> list[Key]:
        if time.monotonic() - self._read_at > seconds:
            self._keys = read() or [make_first()]
            self._read_at = time.monotonic()
        return self._keys


def read() -> list[Key]:
    """All stored keys, oldest first."""
    stored = list(SigningKey.objects.order_by("number"))
    ends = [*(key.signs_from for key in stored[1:]), None]
    return [_loaded(*pair) for pair in zip(stored, ends, strict=False)]


def make_first() -> Key:
    """The first key, made here or at the same moment by another process."""
    try:
        _make(1, now())  # nobody can hold older keys, so nobody need be given time
    except NotUniqueError:
        log.info("key.made_elsewhere")
    return read()[0]


def rotate() -> Key:
    """A new key that will soon sign; keys that no token in use was signed with are deleted.

    Raises NotUniqueError if another rotation happens at the same moment.
    """
    stored = read() or [make_first()]
    newest = SigningKey.objects.order_by("-number").first()
    _make(newest.number + 1, max(now(), newest.signs_from) + PUBLISHED_BEFORE)
    unused = now() - REFRESH_LIFETIME
    for key in stored:
        if key.signs_until and key.signs_until < unused:
            SigningKey.objects(id=key.kid).delete()
    return read()[-1]


def _make(number: int, signs_from: datetime) -> None:
    private = generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    jwk = _jwk(private.public_key())
    SigningKey(
        id=jwk["kid"],
        number=number,
        private_pem=pem.decode(),
        public_jwk=jwk,
        signs_from=signs_from,
    ).insert()
    log.info("key.made", kid=jwk["kid"])


def _jwk(public: RSAPublicKey) -> dict[str, str]:
    """The key as RFC 7517 writes it; its id is its thumbprint (RFC 7638)."""
    numbers = public.public_numbers()
    core = {"e": _base64_of(numbers.e), "kty": "RSA", "n": _base64_of(numbers.n)}
    text = json.dumps(core, sort_keys=True, separators=(",", ":"))
    kid = _base64(hashlib.sha256(text.encode()).digest())
    return {**core, "alg": "RS256", "use": "sig", "kid": kid}


def _base64_of(number: int) -> str:
    return _base64(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _loaded(stored: SigningKey, signs_until: datetime | None) -> Key:
    private = serialization.load_pem_private_key(stored.private_pem.encode(), password=None)
    assert isinstance(private, RSAPrivateKey)  # noqa: S101 — for the type checker
    return Key(
        kid=stored.id,
        private=private,
        jwk=dict(stored.public_jwk),
        created_at=stored.created_at,
        signs_from=stored.signs_from,
        signs_until=signs_until,
    )
