"""Makes tokens that must be refused, of good claims and the real key: {"pem": …, "claims": …}.

Run by the Python of users, which has what signing needs. Reads JSON, and prints it: by name.
"""

import base64
import hmac
import json
import sys
import time

import jwt
from cryptography.hazmat.primitives import serialization

HOUR = 3600


def by_hand(header: dict, claims: dict, secret: bytes) -> str:
    """As an attacker would: the library refuses to sign with a public key."""
    parts = [json.dumps(part).encode() for part in (header, claims)]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, text, "sha256")).rstrip(b"=")
    return f"{text.decode()}.{signature.decode()}"


def forged(pem: str, kid: str, claims: dict) -> dict[str, str]:
    key = serialization.load_pem_private_key(pem.encode(), None)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    now = int(time.time())

    def signed(kid: str = kid, **changes: object) -> str:
        return jwt.encode({**claims, **changes}, key, "RS256", headers={"kid": kid})

    return {
        "as it should be": signed(),
        "expired": signed(iat=now - 2 * HOUR, nbf=now - 2 * HOUR, exp=now - HOUR),
        "not yet valid": signed(nbf=now + HOUR, exp=now + 2 * HOUR),
        "alg none": jwt.encode(claims, None, "none", headers={"kid": kid}),
        "HS256 with the public key": by_hand({"alg": "HS256", "kid": kid}, claims, public),
        "unknown kid": signed(kid="unknown"),
        "wrong issuer": signed(iss="somebody"),
        "wrong audience": signed(aud="elsewhere"),
    }


if __name__ == "__main__":
    json.dump(forged(**json.load(sys.stdin)), sys.stdout)
