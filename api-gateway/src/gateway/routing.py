"""The routing table: all that can be reached through the gateway. What is not here is a 404."""

from __future__ import annotations

import re
from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table. Paths are the same on both sides: nothing is stripped."""

    methods: tuple[str, ...]  # GET answers HEAD too
    path: str
    service: str
    public: bool  # to everybody; to all else only a valid access token is admitted
    body: int  # bytes that a request may carry
    costly: bool  # counted by LOGIN_RATE_LIMIT too, because it makes users hash a password
    seconds: float | None  # of silence that are waited for; None is UPSTREAM_TIMEOUT
    shared: bool  # public, and its answers are kept for others for as long as the service says

    @property
    def name(self) -> str:
        """Names the row among all others, for example in counters."""
        return f"{' '.join(self.methods)} {self.path}"


def _row(
    methods: str, path: str, service: str, who: str, kib: int = 0,
    costly: str = "", seconds: float | None = None,
) -> Row:  # fmt: skip
    return Row(
        tuple(methods.split()), path, service, who != "token", kib * 1024, bool(costly), seconds,
        shared=who == "shared",
    )  # fmt: skip


# fmt: off
TABLE = (
    #    methods             path                        service          who     KiB
    _row("POST",             "/auth/register",           "users",         "public", 4, "costly"),
    _row("POST",             "/auth/login",              "users",         "public", 4, "costly"),
    _row("POST",             "/auth/refresh",            "users",         "public", 8),
    _row("POST",             "/auth/logout",             "users",         "token",   8),
    _row("POST",             "/auth/logout-everywhere",  "users",         "token",   8),
    _row("GET",              "/.well-known/jwks.json",   "users",         "public", seconds=2),
    _row("GET",              "/users",                   "users",         "token"),
    _row("GET PATCH",        "/users/me",                "users",         "token",   4),
    _row("GET",              "/users/<id>",              "users",         "token"),
    _row("PUT",              "/users/<id>/roles",        "users",         "token",   4),

    _row("GET",              "/products",                "products",      "shared"),
    _row("POST",             "/products",                "products",      "token",  64),
    _row("GET",              "/products/<id>",           "products",      "shared"),
    _row("PUT PATCH DELETE", "/products/<id>",           "products",      "token",  64),

    _row("GET",              "/orders",                  "orders",        "token"),
    _row("POST",             "/orders",                  "orders",        "token",  64),
    _row("GET",              "/orders/<id>",             "orders",        "token"),
    _row("POST",             "/orders/<id>/cancel",      "orders",        "token",   4),

    _row("GET",              "/notifications",           "notifications", "token"),
    _row("POST",             "/notifications",           "notifications", "token",  16),
    _row("POST",             "/notifications/<id>/read", "notifications", "token",   4),
)
# fmt: on

_PARAMETER = re.compile(r"<[^>]+>|\{[^}]+\}")


def shape(path: str) -> str:
    """A path without the names of its parameters: /orders/<id> and /orders/{order_id} are one."""
    return _PARAMETER.sub("{}", path)
