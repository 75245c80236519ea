"""Orders through the front door."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from datetime import timedelta

import pytest
import requests

from orders.chassis.outbox import now
from orders.models import Order
from orders.use_cases import confirm_order, reject_order


@pytest.fixture
def place(client, products, as_user):
    """Places an order of some products as somebody; returns the response."""

    def place(*wanted, user="ann", key=None, **options):
        items = [{"product_id": pk, "quantity": quantity} for pk, quantity in wanted]
        headers = as_user(user) | {"Idempotency-Key": key or str(uuid.uuid4())}
        return client.post("/orders", json={"items": items}, headers=headers, **options)

    return place


def test_places_an_order_at_the_prices_of_the_catalogue(place, products):
    mug, pen = products.sell(1250, name="Mug"), products.sell(99, name="Pen")
    answer = place((mug, 2), (pen, 3))
    order = answer.json
    assert answer.status_code == 201
    assert order["status"] == "pending"
    assert order["total"] == {"amount": 2797, "currency": "EUR"}
    assert order["items"] == [
        {"product_id": pk, "name": name, "price": {"amount": n, "currency": "EUR"}, "quantity": q}
        for pk, name, n, q in [(mug, "Mug", 1250, 2), (pen, "Pen", 99, 3)]
    ]
    assert answer.headers["Location"] == f"/orders/{order['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert products.asked == 1


def test_keeps_the_event_in_the_same_write_as_the_order(place, products):
    order = place((mug := products.sell(100), 2)).json
    (waiting,) = Order.objects.get(id=order["id"]).outbox
    told = waiting["event"]
    assert (told["type"], told["sequence"]) == ("order.placed", 1)
    assert (told["source"], told["subject"]) == ("/orders", order["id"])
    assert told["data"] == {
        "order_id": order["id"],
        "customer_id": "ann",
        "items": [{"product_id": mug, "quantity": 2}],
        "total": {"amount": 200, "currency": "EUR"},
    }


def test_keeps_the_price_when_the_catalogue_changes(client, place, products, as_user):
    mug = products.sell(1000)
    order = place((mug, 1)).json
    products.on_sale[mug]["price"]["amount"] = 9999
    again = client.get(f"/orders/{order['id']}", headers=as_user()).json
    assert again["total"]["amount"] == 1000


@pytest.mark.parametrize("field", ["customer_id", "total", "status", "price", "user_id"])
def test_reads_nothing_from_the_body_that_is_not_the_customers_to_say(client, as_user, field):
    body = {"items": [{"product_id": "x", "quantity": 1}], field: "1"}
    headers = as_user() | {"Idempotency-Key": "k"}
    answer = client.post("/orders", json=body, headers=headers)
    assert answer.status_code == 422
    assert answer.json["errors"] == [{"pointer": f"/{field}", "message": "Unknown field."}]


@pytest.mark.parametrize(
    ("items", "pointer"),
    [
        ([], "/items"),
        ("x", "/items"),
        ([{"product_id": "a", "quantity": 0}], "/items/0/quantity"),
        ([{"product_id": "a", "quantity": 1001}], "/items/0/quantity"),
        ([{"product_id": "a", "quantity": "3"}], "/items/0/quantity"),
        ([{"product_id": "a", "quantity": 1.5}], "/items/0/quantity"),
        ([{"product_id": "a", "quantity": True}], "/items/0/quantity"),
        ([{"product_id": "a\0", "quantity": 1}], "/items/0/product_id"),
        ([{"product_id": "\ud800", "quantity": 1}], "/items/0/product_id"),
        ([{"product_id": "a" * 65, "quantity": 1}], "/items/0/product_id"),
        ([{"product_id": {"$gt": ""}, "quantity": 1}], "/items/0/product_id"),
        ([{"product_id": "a", "quantity": 1, "price": 1}], "/items/0/price"),
        ([{"product_id": "a", "quantity": 1}] * 2, "/items"),
        ([{"product_id": str(n), "quantity": 1} for n in range(51)], "/items"),
    ],
)
def test_names_the_field_that_is_not_valid_and_stores_nothing(client, as_user, items, pointer):
    headers = as_user() | {"Idempotency-Key": "k"}
    answer = client.post("/orders", json={"items": items}, headers=headers)
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert pointer in [error["pointer"] for error in answer.json["errors"]]
    assert Order.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"items=1", "application/x-www-form-urlencoded", 415),
        (b"{}", None, 415),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b" " * (64 * 1024 + 1), "application/json", 413),
        (b"[" * 30000, "application/json", 400),
    ],
)
def test_answers_bodies_that_cannot_be_read_with_a_problem(client, as_user, body, kind, status):
    headers = as_user() | {"Idempotency-Key": "k"}
    answer = client.post("/orders", data=body, content_type=kind, headers=headers)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_needs_an_idempotency_key(client, as_user):
    body = {"items": [{"product_id": "x", "quantity": 1}]}
    assert client.post("/orders", json=body, headers=as_user()).status_code == 428


def test_points_at_products_that_are_not_in_the_catalogue(place, products):
    answer = place((products.sell(), 1), ("nope", 1))
    assert answer.status_code == 422
    assert answer.json["type"] == "urn:shop:problem:invalid-items"
    error = {"pointer": "/items/1/product_id", "message": "Not in the catalogue."}
    assert answer.json["errors"] == [error]
    assert Order.objects.count() == 0


def test_refuses_two_currencies_in_one_order(place, products):
    answer = place((products.sell(currency="EUR"), 1), (products.sell(currency="CHF"), 1))
    assert answer.status_code == 422
    error = {"pointer": "/items", "message": "One order has one currency."}
    assert answer.json["errors"] == [error]
    assert Order.objects.count() == 0


def test_the_same_key_and_body_is_the_same_order_as_it_now_is(place, products):
    mug = products.sell()
    first = place((mug, 1), key="k").json
    confirm_order(first["id"])
    second = place((mug, 1), key="k")
    assert second.status_code == 201
    assert second.json["id"] == first["id"]
    assert second.json["status"] == "confirmed"
    assert products.asked == 1
    assert Order.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(place, products):
    mug = products.sell()
    place((mug, 1), key="k")
    answer = place((mug, 2), key="k")
    assert answer.status_code == 422
    assert answer.json["type"] == "urn:shop:problem:idempotency-key-reused"
    assert Order.objects.count() == 1


def test_keys_of_two_customers_do_not_meet(place, products):
    mug = products.sell()
    assert (
        place((mug, 1), key="k", user="ann").json["id"]
        != (place((mug, 1), key="k", user="bob").json["id"])
    )


def test_twenty_copies_at_once_are_one_order(app, products, as_user):
    body = {"items": [{"product_id": products.sell(), "quantity": 1}]}
    headers = as_user() | {"Idempotency-Key": "k"}
    answers = []

    def send():
        answers.append(app.test_client().post("/orders", json=body, headers=headers))

    threads = [threading.Thread(target=send) for _ in range(20)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    "how",
    [
        {"status": 500},
        {"status": 404},
        {"body": "not json"},
        {"json": {"nothing": 1}},
        {"body": requests.ConnectionError("refused")},
        {"body": requests.ReadTimeout("slow")},
    ],
)
def test_orders_nothing_while_the_catalogue_is_away(place, products, how):
    mug = products.sell()
    products.fail(**how)
    answer = place((mug, 1))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert Order.objects.count() == 0


def test_hides_orders_of_others(client, place, products, as_user):
    order = place((products.sell(), 1), user="ann").json
    url = f"/orders/{order['id']}"
    assert client.get(url, headers=as_user("bob")).status_code == 404
    assert client.post(f"{url}/cancel", headers=as_user("bob")).status_code == 404
    assert client.get("/orders", headers=as_user("bob")).json["items"] == []
    assert client.get(url, headers=as_user("root", "admin")).status_code == 200


@pytest.mark.parametrize("pk", ["nope", "%00", "a" * 3000, "$where", "5f0000000000000000000000"])
def test_an_order_that_is_not_there_is_404_whatever_its_id(client, as_user, pk):
    assert client.get(f"/orders/{pk}", headers=as_user()).status_code == 404


def pages(client, headers, limit):
    """The ids of the orders on each page, up to the page that says it is the last."""
    found, cursor = [], {}
    for _ in range(9):
        page = client.get("/orders", query_string={"limit": limit, **cursor}, headers=headers).json
        found.append([order["id"] for order in page["items"]])
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}
    raise AssertionError("no page is the last")


def test_pages_through_all_orders_newest_first(client, place, products, as_user):
    mug = products.sell()
    placed = [place((mug, 1)).json["id"] for _ in range(5)]
    place((mug, 1), user="bob")
    assert sum(pages(client, as_user(), limit=2), []) == placed[::-1]


def test_pages_show_each_order_once_also_of_one_moment(client, place, products, as_user):
    mug = products.sell()
    placed = sorted((place((mug, 1)).json["id"] for _ in range(6)), reverse=True)
    Order.objects.update(set__created_at=now())
    assert pages(client, as_user(), limit=3) == [placed[:3], placed[3:]]


def test_lists_the_orders_of_one_status(client, place, products, as_user):
    mug = products.sell()
    open_one, confirmed = (place((mug, 1)).json["id"] for _ in range(2))
    confirm_order(confirmed)
    for status, found in (("pending", [open_one]), ("confirmed", [confirmed]), ("cancelled", [])):
        page = client.get(f"/orders?status={status}", headers=as_user()).json
        assert [order["id"] for order in page["items"]] == found


@pytest.mark.parametrize("query", ["", "status=pending", "status=pending&customer_id=ann"])
def test_an_admin_pages_through_what_was_asked_for(client, place, products, as_user, query):
    mug = products.sell()
    placed = [place((mug, 1)).json["id"] for _ in range(3)]
    seen, cursor = [], ""
    while cursor is not None:
        url = f"/orders?limit=1&{query}" + (f"&cursor={cursor}" if cursor else "")
        page = client.get(url, headers=as_user("root", "admin")).json
        seen += [order["id"] for order in page["items"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(placed)


def test_admins_see_all_orders_or_those_of_one_customer(client, place, products, as_user):
    mug = products.sell()
    place((mug, 1), user="ann")
    place((mug, 1), user="bob")
    admin = as_user("root", "admin")
    assert len(client.get("/orders", headers=admin).json["items"]) == 2
    mine = client.get("/orders?customer_id=bob", headers=admin).json["items"]
    assert [order["customer_id"] for order in mine] == ["bob"]
    assert client.get("/orders?customer_id=bob", headers=as_user("ann")).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=1_0",
        "limit=%2B5",
        "limit=%205",
        "limit=٣",
        "status=lost",
        "cursor=%25",
        "cursor=bm8",
        "x=1",
    ],  # fmt: skip
)
def test_refuses_queries_it_does_not_know(client, as_user, query):
    answer = client.get(f"/orders?{query}", headers=as_user())
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == f"query/{query.split('=')[0]}"


def test_a_cursor_of_another_query_is_refused(client, place, products, as_user):
    mug = products.sell()
    place((mug, 1))
    place((mug, 1))
    cursor = client.get("/orders?limit=1", headers=as_user()).json["next_cursor"]
    answer = client.get(f"/orders?status=pending&cursor={cursor}", headers=as_user())
    assert answer.status_code == 422


@pytest.mark.parametrize("key", [10**18, -(10**18), 2**70, "0001-01-01T00:00:00+23:59", None, True])
def test_a_forged_cursor_is_refused(client, place, products, as_user, key):
    mug = products.sell()
    place((mug, 1))
    place((mug, 1))
    cursor = client.get("/orders?limit=1", headers=as_user()).json["next_cursor"]
    sort, digest, _, pk = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([sort, digest, key, pk]).encode()).decode()
    answer = client.get("/orders", query_string={"cursor": forged}, headers=as_user())
    assert answer.status_code == 422


def test_cancels_a_pending_and_a_confirmed_order(client, place, products, as_user):
    mug = products.sell()
    for confirmed in (False, True):
        order = place((mug, 1)).json
        if confirmed:
            confirm_order(order["id"])
        url = f"/orders/{order['id']}/cancel"
        assert client.post(url, headers=as_user()).json["status"] == "cancelled"
        assert client.post(url, headers=as_user()).json["status"] == "cancelled"
        told = [w["event"]["type"] for w in Order.objects.get(id=order["id"]).outbox]
        assert told.count("order.cancelled") == 1


def test_shows_when_an_order_last_changed(client, place, products, as_user):
    order = place((products.sell(), 1)).json
    Order.objects.update(set__updated_at=now() - timedelta(days=1))
    confirm_order(order["id"])
    changed = client.get(f"/orders/{order['id']}", headers=as_user()).json
    assert changed["updated_at"] >= order["updated_at"]
    assert changed["created_at"] == order["created_at"]


def test_a_rejected_order_cannot_be_cancelled(client, place, products, as_user):
    order = place((mug := products.sell(), 2)).json
    reject_order(order["id"], {mug: (2, 1)})
    answer = client.post(f"/orders/{order['id']}/cancel", headers=as_user())
    assert answer.status_code == 409
    assert answer.json["type"] == "urn:shop:problem:order-already-closed"
    assert answer.json["detail"] == "The order is rejected; it can no longer be cancelled."
    shown = client.get(f"/orders/{order['id']}", headers=as_user()).json
    assert shown["reason"] == "out_of_stock"
    assert shown["short_items"] == [{"product_id": mug, "name": "Mug", "requested": 2, "left": 1}]


@pytest.mark.parametrize("path", ["/orders/1", "/health/live"])
def test_refuses_query_parameters_where_there_are_none(client, as_user, path):
    answer = client.get(f"{path}?x=1", headers=as_user())
    assert answer.status_code == 422
    assert answer.json["errors"] == [{"pointer": "query/x", "message": "Unknown field."}]
