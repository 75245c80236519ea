"""The story of the shop, told through the gateway alone."""

from __future__ import annotations

import threading
import uuid

import pytest
from conftest import eventually, kinds, place, settled, stock_of


def test_a_customer_registers_logs_in_and_stays_logged_in(visitor):
    login = {"email": f"{uuid.uuid4().hex}@shop.example", "password": uuid.uuid4().hex}
    answer = visitor.post("/auth/register", json={**login, "name": "Ada"})
    assert answer.status_code == 201
    assert "password" not in answer.text
    assert visitor.post("/auth/register", json={**login, "name": "Ada"}).status_code == 409
    assert visitor.post("/auth/login", json={**login, "password": "wrong"}).status_code == 401
    tokens = visitor.log_in(**login)
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] > 0
    me = visitor.patch("/users/me", json={"name": "Ada L."})
    assert (me.status_code, me.json()["name"]) == (200, "Ada L.")
    refreshed = visitor.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code == 200
    reused = visitor.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert reused.status_code == 401
    ended = visitor.post("/auth/refresh", json={"refresh_token": refreshed.json()["refresh_token"]})
    assert ended.status_code == 401, "the reuse of an old token ends its family"


def test_logging_out_ends_the_session(customer):
    ada = customer()
    assert ada.post("/auth/logout").status_code == 204
    assert ada.get("/users/me").status_code == 401


def test_only_admins_see_people_and_give_roles(admin, customer):
    ada = customer("Ada")
    assert ada.get("/users").status_code == 403
    assert admin.get(f"/users/{ada.user_id}").json()["name"] == "Ada"
    answer = admin.put(f"/users/{ada.user_id}/roles", json={"roles": ["customer", "admin"]})
    assert answer.status_code == 200, answer.text
    ada.log_in(ada.email, ada.password)
    assert ada.get("/users").status_code == 200


def test_a_new_product_and_every_change_is_seen_on_the_next_read(admin, visitor, product):
    for _ in range(5):
        mug = product(name=f"Mug {uuid.uuid4().hex[:6]}")
        word = mug["name"].split()[1]
        seen = visitor.get("/products", params={"q": word}).json()["items"]
        assert [p["id"] for p in seen] == [mug["id"]]
        url = f"/products/{mug['id']}"
        first = visitor.get(url)
        etag = first.headers["ETag"]
        assert visitor.get(url, headers={"If-None-Match": etag}).status_code == 304
        price = {"price": {"amount": 999, "currency": "EUR"}}
        assert admin.patch(url, json=price).status_code == 428
        changed = admin.patch(url, json=price, headers={"If-Match": etag})
        assert changed.status_code == 200, changed.text
        assert visitor.get(url).json()["price"]["amount"] == 999
        assert admin.patch(url, json=price, headers={"If-Match": etag}).status_code == 412
        current = visitor.get(url).headers["ETag"]
        assert admin.delete(url, headers={"If-Match": current}).status_code == 204
        assert visitor.get(url).status_code == 404
        assert visitor.get("/products", params={"q": word}).json()["items"] == []


def test_an_order_is_confirmed_its_stock_taken_and_its_customer_told(customer, product, visitor):
    ada, mug, pen = customer(), product(stock=10, amount=1250), product(stock=5, amount=99)
    answer = place(ada, (mug, 2), (pen, 3))
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/orders/{answer.json()['id']}"
    assert answer.json()["total"] == {"amount": 2797, "currency": "EUR"}
    order = settled(ada, answer.json())
    assert order["status"] == "confirmed"
    assert (stock_of(visitor, mug), stock_of(visitor, pen)) == (8, 2)
    eventually(lambda: kinds(ada, order) == {"order.placed", "order.confirmed"})


def test_an_order_of_more_than_there_is_is_rejected_with_what_was_left(customer, product, visitor):
    ada, mug, pen = customer(), product(stock=3), product(stock=10)
    order = settled(ada, place(ada, (pen, 1), (mug, 4)).json())
    assert (order["status"], order["reason"]) == ("rejected", "out_of_stock")
    assert order["short_items"] == [
        {"product_id": mug["id"], "name": "Blue mug", "requested": 4, "left": 3}
    ]
    eventually(lambda: (stock_of(visitor, mug), stock_of(visitor, pen)) == (3, 10))
    eventually(lambda: kinds(ada, order) == {"order.placed", "order.rejected"})


def test_cancelling_gives_the_stock_back(customer, product, visitor):
    ada, mug = customer(), product(stock=5)
    order = settled(ada, place(ada, (mug, 2)).json())
    assert ada.post(f"/orders/{order['id']}/cancel").json()["status"] == "cancelled"
    eventually(lambda: stock_of(visitor, mug) == 5)
    eventually(lambda: "order.cancelled" in kinds(ada, order))


def test_the_last_ones_are_sold_once(customer, product, visitor):
    people = [customer() for _ in range(4)]
    mug = product(stock=6)
    answers: list = []
    threads = [
        threading.Thread(target=lambda who=who: answers.append((who, place(who, (mug, 1)))))
        for who in people * 3
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    outcomes = [settled(who, answer.json())["status"] for who, answer in answers]
    assert outcomes.count("confirmed") == 6
    assert outcomes.count("rejected") == 6
    assert stock_of(visitor, mug) == 0


def test_a_repeated_request_is_one_order(customer, product):
    ada, mug = customer(), product()
    key = str(uuid.uuid4())
    first, second = place(ada, (mug, 1), key=key), place(ada, (mug, 1), key=key)
    assert first.json()["id"] == second.json()["id"]
    assert place(ada, (mug, 2), key=key).status_code == 422
    assert len(ada.get("/orders").json()["items"]) == 1


def test_customers_see_only_what_is_theirs(customer, product, admin):
    ada, bob, mug = customer(), customer(), product()
    order = place(ada, (mug, 1)).json()
    assert bob.get(f"/orders/{order['id']}").status_code == 404
    assert bob.post(f"/orders/{order['id']}/cancel").status_code == 404
    assert bob.get("/orders").json()["items"] == []
    assert admin.get(f"/orders/{order['id']}").status_code == 200
    eventually(lambda: kinds(ada, order))
    note = ada.get("/notifications").json()["items"][0]
    assert bob.post(f"/notifications/{note['id']}/read").status_code == 404
    assert ada.post(f"/notifications/{note['id']}/read").json()["read_at"]
    assert bob.post("/products", json={}).status_code == 403


def test_an_admin_alerts_one_customer(customer, admin):
    ada, bob = customer(), customer()
    alert = {"user_id": ada.user_id, "title": "Hello", "text": "Your parcel waits."}
    assert ada.post("/notifications", json=alert).status_code == 403
    answer = admin.post("/notifications", json=alert)
    assert answer.status_code == 201, answer.text
    assert [n["title"] for n in ada.get("/notifications").json()["items"]] == ["Hello"]
    assert bob.get("/notifications").json()["items"] == []


def test_whoever_has_no_token_sees_the_shop_window_and_nothing_else(visitor):
    assert visitor.get("/products").status_code == 200
    keys = visitor.get("/.well-known/jwks.json").json()["keys"]
    assert all("d" not in key for key in keys)
    for path in ("/orders", "/notifications", "/users", "/users/me"):
        answer = visitor.get(path)
        assert answer.status_code == 401
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


def test_the_gateway_sums_up_all_services_and_their_workers(visitor):
    # at most 15 s after the start everybody knows from users which sessions go on
    eventually(lambda: visitor.get("/health").json()["status"] == "ok")
    report = visitor.get("/health").json()
    assert set(report["services"]) == {"users", "products", "orders", "notifications"}
    for service in report["services"].values():
        assert service["checks"]["worker"]["status"] == "ok"


def test_the_docs_offer_every_contract(visitor):
    assert visitor.get("/docs").status_code == 200
    for name in ("users", "products", "orders", "notifications"):
        assert visitor.get(f"/docs/{name}.openapi.json").json()["openapi"].startswith("3.1")


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        (
            "POST",
            "/auth/login",
            {"data": b"{", "headers": {"Content-Type": "application/json"}},
            400,
        ),
        ("POST", "/auth/login", {"data": b"x=1"}, 415),
        ("POST", "/auth/login", {"json": {"email": "x", "password": 7}}, 422),
        ("POST", "/auth/login", {"json": {"email": "x" * 70_000, "password": "x"}}, 413),
        ("POST", "/auth/refresh", {"json": {"refresh_token": "a.b.c"}}, 401),
        ("GET", "/products?limit=0", {}, 422),
        ("GET", "/products?sort=weight", {}, 422),
        ("GET", "/products?cursor=%00", {}, 422),
        ("GET", "/products?nothing=1", {}, 422),
        ("GET", "/products/nope", {}, 404),
        ("GET", "/products/%00", {}, 404),
        ("GET", "/nowhere", {}, 404),
        ("PATCH", "/auth/login", {}, 405),
        ("GET", "/metrics", {}, 404),
        ("GET", "/orders", {"headers": {"Authorization": "Bearer a.b.c"}}, 401),
    ],
)
def test_bad_input_is_a_problem_and_never_a_500(visitor, method, path, options, status):
    answer = visitor.request(method, path, **options)
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        status,
        "application/problem+json",
    )
    assert answer.json()["status"] == status
