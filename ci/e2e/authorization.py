"""Who may do what: every operation of every contract, and how each kind of caller is answered."""

from __future__ import annotations

from typing import Any, NamedTuple

# Nobody is let in with these: they are answered alike, by `no_token` of the row.
BAD_TOKENS = (
    "no token",
    "expired",
    "not yet valid",
    "alg none",
    "HS256 with the public key",
    "unknown kid",
    "wrong issuer",
    "wrong audience",
    "refresh token",
    "ended session",
)
PEOPLE = ("owner", "another customer", "admin")
CALLERS = BAD_TOKENS + PEOPLE


class Row(NamedTuple):
    """An operation, as its contract writes it; {order_id} and the like are the owner's."""

    service: str
    operation: str
    no_token: int  # and every bad one; anything but 401 says that it is open to everybody
    owner: int
    another: int  # customer
    admin: int
    at_gateway: bool = True
    json: Any = None
    headers: dict[str, str] = {}
    ends_the_session: bool = False

    def expected(self, caller: str) -> int:
        people = dict(zip(PEOPLE, (self.owner, self.another, self.admin), strict=True))
        return people.get(caller, self.no_token)


KEY = {"Idempotency-Key": "matrix"}
STALE = {"If-Match": '"999"'}
ITEMS = {"items": [{"product_id": "{product_id}", "quantity": 1}]}
PRODUCT = {"sku": "MATRIX", "name": "M", "description": "", "category": "m", "stock": 1,
           "price": {"amount": 1, "currency": "EUR"}}  # fmt: skip
ENDS = {"ends_the_session": True}
OWN = {"at_gateway": False}  # the gateway has another of the same name

# fmt: off
TABLE = (
    #                                                          no   owner another admin
    Row("users", "GET /.well-known/jwks.json",                 200, 200, 200, 200),
    Row("users", "POST /auth/register",                        422, 422, 422, 422, json={}),
    Row("users", "POST /auth/login",                           422, 422, 422, 422, json={}),
    Row("users", "POST /auth/refresh",                         422, 422, 422, 422, json={}),
    Row("users", "POST /auth/logout",                          401, 204, 204, 204, **ENDS),
    Row("users", "POST /auth/logout-everywhere",               401, 204, 204, 204, **ENDS),
    Row("users", "GET /users",                                 401, 403, 403, 200),
    Row("users", "GET /users/me",                              401, 200, 200, 200),
    Row("users", "PATCH /users/me",                            401, 200, 200, 200, json={}),
    Row("users", "GET /users/{user_id}",                       401, 403, 403, 200),
    Row("users", "PUT /users/{user_id}/roles",                 401, 403, 403, 200,
        json={"roles": ["customer"]}),
    Row("users", "GET /health/live",                           200, 200, 200, 200, **OWN),
    Row("users", "GET /health/ready",                          200, 200, 200, 200, **OWN),

    Row("products", "GET /products",                           200, 200, 200, 200),
    Row("products", "POST /products",                          401, 403, 403, 422, json={}),
    Row("products", "GET /products/{product_id}",              200, 200, 200, 200),
    Row("products", "PUT /products/{product_id}",              401, 403, 403, 412,
        json=PRODUCT, headers=STALE),
    Row("products", "PATCH /products/{product_id}",            401, 403, 403, 412,
        json={"stock": 1}, headers=STALE),
    Row("products", "DELETE /products/{product_id}",           401, 403, 403, 412, headers=STALE),
    Row("products", "GET /health/live",                        200, 200, 200, 200, **OWN),
    Row("products", "GET /health/ready",                       200, 200, 200, 200, **OWN),

    Row("orders", "GET /orders",                               401, 200, 200, 200),
    Row("orders", "POST /orders",                              401, 201, 201, 201,
        json=ITEMS, headers=KEY),
    Row("orders", "GET /orders/{order_id}",                    401, 200, 404, 200),
    Row("orders", "POST /orders/{order_id}/cancel",            401, 200, 404, 200),
    Row("orders", "GET /health/live",                          200, 200, 200, 200, **OWN),
    Row("orders", "GET /health/ready",                         200, 200, 200, 200, **OWN),

    Row("notifications", "GET /notifications",                 401, 200, 200, 200),
    Row("notifications", "POST /notifications",                401, 403, 403, 422, json={}),
    Row("notifications", "POST /notifications/{notification_id}/read",
                                                               401, 200, 404, 404),
    Row("notifications", "GET /health/live",                   200, 200, 200, 200, **OWN),
    Row("notifications", "GET /health/ready",                  200, 200, 200, 200, **OWN),

    Row("api-gateway", "GET /health",                          200, 200, 200, 200),
    Row("api-gateway", "GET /health/live",                     200, 200, 200, 200),
    Row("api-gateway", "GET /health/ready",                    200, 200, 200, 200),
)
# fmt: on
