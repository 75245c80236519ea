"""Passwords: kept as argon2id hashes; bcrypt hashes of older systems still count."""

from __future__ import annotations

from functools import cache

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from .chassis.logs import log
from .errors import WeakPassword


class _Bcrypt(BcryptHasher):
    """bcrypt as it always was: it reads 72 bytes, where today's library refuses more."""

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:
        text = password.encode() if isinstance(password, str) else password
        return super().verify(text[:72], hash)


hasher = PasswordHash((Argon2Hasher(), _Bcrypt()))


def check(password: str, email: str) -> None:
    """Raises WeakPassword for one that the e-mail gives away. (Its length the schema checks.)"""
    if password.lower() in (email, email.partition("@")[0]):
        raise WeakPassword


def hash_of(password: str) -> str:
    """What is stored in place of the password."""
    return hasher.hash(password)


def verify(password: str, hash: str) -> tuple[bool, str | None]:
    """(whether it is the password, a better hash to store or None)"""
    try:
        return hasher.verify_and_update(password, hash)
    except UnknownHashError:  # it came from elsewhere: no password is right
        log.error("password.unknown_hash")
        return False, None


def verify_nobodys(password: str) -> None:
    """Take as long as `verify` does, so that an unknown e-mail cannot be told by the clock."""
    hasher.verify(password, _nobodys_hash())


@cache
def _nobodys_hash() -> str:
    return hasher.hash("nobody has this password")
