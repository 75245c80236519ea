"""The catalogue over HTTP: adding, changing, finding, and refusing what is wrong."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest

from conftest import a_product
from products.chassis.auth import access_of
from products.chassis.outbox import now
from products.models import Product


def if_match(product, admin):
    return {**admin, "If-Match": f'"{product["version"]}"'}


def test_adds_a_product_and_says_where_it_is(client, admin):
    answer = client.post("/products", json=a_product(sku="MUG-1"), headers=admin)
    assert answer.status_code == 201
    assert answer.headers["ETag"] == '"1"'
    shown = client.get(answer.headers["Location"])
    assert shown.json == answer.json
    assert shown.json.keys() == {
        "id", "sku", "name", "description", "price", "category", "stock", "version",
        "created_at", "updated_at",
    }  # fmt: skip


def test_tells_what_was_done_to_a_product_in_the_same_write(client, add, admin):
    mug = add()
    mug = client.patch(
        f"/products/{mug['id']}", json={"name": "Cup"}, headers=if_match(mug, admin)
    ).json
    client.delete(f"/products/{mug['id']}", headers=if_match(mug, admin))
    events = [waiting["event"] for waiting in Product.objects.get(id=mug["id"]).outbox]
    assert [(e["type"], e["sequence"], e["data"]["name"]) for e in events] == [
        ("product.created", 1, "Stoneware Mug"),
        ("product.updated", 2, "Cup"),
        ("product.deleted", 3, "Cup"),
    ]
    assert {(e["source"], e["subject"]) for e in events} == {("/products", mug["id"])}
    assert events[1]["data"] == {
        "product_id": mug["id"], "sku": mug["sku"], "name": "Cup", "price": mug["price"],
        "category": mug["category"],
    }  # fmt: skip


def test_a_known_version_is_answered_without_its_body(client, add):
    path = f"/products/{add()['id']}"
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get(path, headers={"If-None-Match": '"99"'}).status_code == 200
    page = client.get("/products")
    tag = {"If-None-Match": page.headers["ETag"]}
    assert client.get("/products", headers=tag).status_code == 304


def test_head_answers_like_get_without_a_body(client, add):
    for path in ("/products", f"/products/{add()['id']}"):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.data) == (200, b"")
        assert head.headers["ETag"] == get.headers["ETag"]
        assert get.headers["Cache-Control"] == "public, max-age=0, s-maxage=1"
        assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_a_product_is_written_anew_or_in_part(client, add, admin):
    mug = add()
    path = f"/products/{mug['id']}"
    written = client.put(path, json=a_product(name="Cup", stock=3), headers=if_match(mug, admin))
    assert written.status_code == 200
    assert (written.json["name"], written.json["stock"]) == ("Cup", 3)
    price = {"amount": 5, "currency": "USD"}
    changed = client.patch(path, json={"price": price}, headers=if_match(written.json, admin))
    assert changed.json == client.get(path).json
    assert changed.json["price"] == price
    assert changed.json["name"] == "Cup"
    assert changed.headers["ETag"] == '"3"'


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 428),
        ('"7"', 412),
        ('W/"1"', 412),  # a weak tag never matches strongly
        ('""', 412),
        ('"one"', 412),
        ('"²"', 412),
        ('"99999999999999999999999999"', 412),
        ("nonsense", 412),
    ],
)
def test_a_change_needs_the_version_it_is_made_to(client, add, admin, method, header, status):
    mug = add()
    headers = {**admin, **({"If-Match": header} if header else {})}
    body = {} if method == "delete" else {"json": a_product()}
    answer = getattr(client, method)(f"/products/{mug['id']}", headers=headers, **body)
    assert answer.status_code == status
    assert client.get(f"/products/{mug['id']}").json == mug


@pytest.mark.parametrize("header", ["*", '"1"', '"7", "1"'])
def test_any_version_or_one_of_several_may_be_meant(client, add, admin, header):
    mug = add()
    headers = {**admin, "If-Match": header}
    answer = client.patch(f"/products/{mug['id']}", json={"name": "Cup"}, headers=headers)
    assert answer.status_code == 200


def test_shows_when_a_product_last_changed(client, add, admin):
    mug = add()
    Product.objects.update(set__updated_at=now() - timedelta(days=1))
    path = f"/products/{mug['id']}"
    client.patch(path, json={"name": "Cup"}, headers=if_match(mug, admin))
    changed = client.get(path).json
    assert changed["updated_at"] >= mug["updated_at"]
    assert changed["created_at"] == mug["created_at"]


def test_every_move_of_stock_is_a_new_version(client, add, shop, admin):
    mug = add()
    path, key = f"/products/{mug['id']}", mug["id"].replace("-", "_")
    for version, step in ((2, lambda: shop.place("o", **{key: 1})), (3, lambda: shop.confirm("o"))):
        step()
        assert client.get(path).headers["ETag"] == f'"{version}"'
    answer = client.patch(path, json={"stock": 99}, headers=if_match(mug, admin))
    assert answer.status_code == 412


def test_of_two_who_write_what_they_read_at_the_same_time_one_loses(add):
    pk, other = add()["id"], add()["id"]
    one, two, three = (Product.objects.get(id=pk) for _ in range(3))
    assert one.change({"stock": 5}).stock == 5
    assert two.change({"stock": 7}) is None
    assert three.delete_softly() is None
    left = Product.objects.get(id=pk)
    assert (left.stock, left.deleted_at) == (5, None)
    assert Product.objects.get(id=other).version == 1


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_a_change_to_any_version_is_made_to_the_one_it_meets(
    client, add, admin, monkeypatch, method
):
    """Between the look and the write of one admin another one writes."""
    mug = add()
    path, real = f"/products/{mug['id']}", Product._write

    def late(self, *args, **changes):
        monkeypatch.undo()
        Product.objects.get(id=self.id).change({"stock": 5})
        return real(self, *args, **changes)

    monkeypatch.setattr(Product, "_write", late)
    body = {"json": {"name": "Cup"}} if method == "patch" else {}
    answer = getattr(client, method)(path, headers={**admin, "If-Match": "*"}, **body)
    assert answer.status_code == (200 if method == "patch" else 204)
    now_is = Product.objects.get(id=mug["id"])
    assert (now_is.stock, now_is.version) == (5, 3)
    assert (now_is.name == "Cup", now_is.deleted_at is None) == ((method == "patch"),) * 2


def test_a_deleted_product_is_gone_and_its_sku_free_again(client, add, admin):
    for _ in range(2):
        mug = add(sku="MUG-1")
        path = f"/products/{mug['id']}"
        assert client.delete(path, headers=if_match(mug, admin)).status_code == 204
        assert client.get(path).status_code == 404
        assert client.get(f"/products?id={mug['id']}").json["items"] == []
        assert client.delete(path, headers=if_match(mug, admin)).status_code == 404
    assert add(sku="MUG-1")["version"] == 1


def test_a_sku_is_unique_among_what_is_for_sale(client, add, admin):
    add(sku="MUG-1")
    other = add(sku="MUG-2")
    twice = client.post("/products", json=a_product(sku="MUG-1"), headers=admin)
    assert (twice.status_code, twice.json["errors"][0]["pointer"]) == (409, "/sku")
    taken = client.patch(
        f"/products/{other['id']}", json={"sku": "MUG-1"}, headers=if_match(other, admin)
    )
    assert taken.status_code == 409
    assert client.get(f"/products/{other['id']}").json == other


def test_only_admins_write_and_everybody_reads(client, add, customer, app):
    mug = add()
    path = f"/products/{mug['id']}"
    for headers, status in (({}, 401), (customer, 403)):
        assert client.post("/products", json=a_product(), headers=headers).status_code == status
        for method in ("put", "patch", "delete"):
            assert getattr(client, method)(path, headers=headers).status_code == status
    assert client.get(path).json == mug
    assert client.get("/products").json["items"] == [mug]
    closed = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        if access_of(app.view_functions[rule.endpoint]) != "public"
        for method in rule.methods - {"OPTIONS"}
    }
    assert closed == {
        ("/products", "POST"),
        ("/products/<product_id>", "PUT"),
        ("/products/<product_id>", "PATCH"),
        ("/products/<product_id>", "DELETE"),
        ("/static/<path:filename>", "GET"),
        ("/static/<path:filename>", "HEAD"),
    }


BAD = [
    ("/sku", {"sku": ""}),
    ("/sku", {"sku": "no spaces"}),
    ("/sku", {"sku": "A\n"}),
    ("/sku", {"sku": "x" * 65}),
    ("/sku", {"sku": 7}),
    ("/sku", {"sku": None}),
    ("/name", {"name": ""}),
    ("/name", {"name": "   "}),
    ("/name", {"name": "x" * 201}),
    ("/name", {"name": "a\0b"}),
    ("/name", {"name": "a\ud800b"}),
    ("/description", {"description": "x" * 5001}),
    ("/description", {"description": "\udfff"}),
    ("/category", {"category": ["cups"]}),
    ("/category", {"category": {"$gt": ""}}),
    ("/price", {"price": 5}),
    ("/price/amount", {"price": {"amount": "3", "currency": "EUR"}}),
    ("/price/amount", {"price": {"amount": 3.5, "currency": "EUR"}}),
    ("/price/amount", {"price": {"amount": True, "currency": "EUR"}}),
    ("/price/amount", {"price": {"amount": -1, "currency": "EUR"}}),
    ("/price/amount", {"price": {"amount": 10**12 + 1, "currency": "EUR"}}),
    ("/price/amount", {"price": {"amount": 10**400, "currency": "EUR"}}),
    ("/price/amount", {"price": {"amount": float("nan"), "currency": "EUR"}}),
    ("/price/amount", {"price": {"currency": "EUR"}}),
    ("/price/currency", {"price": {"amount": 1, "currency": "eur"}}),
    ("/price/currency", {"price": {"amount": 1, "currency": "EURO"}}),
    ("/price/currency", {"price": {"amount": 1, "currency": "EUR\n"}}),
    ("/price/currency", {"price": {"amount": 1}}),
    ("/price/tax", {"price": {"amount": 1, "currency": "EUR", "tax": 1}}),
    ("/stock", {"stock": -1}),
    ("/stock", {"stock": 10**9 + 1}),
    ("/stock", {"stock": "10"}),
    ("/sold", {"sold": 3}),
    ("/id", {"id": "mine"}),
    ("/a\ud800", {"a\ud800": 1}),
]


@pytest.mark.parametrize(("pointer", "wrong"), BAD)
def test_bad_values_are_refused_with_the_field_named(client, add, admin, pointer, wrong):
    mug = add()
    path = f"/products/{mug['id']}"
    for answer in (
        client.post("/products", json=a_product(**wrong), headers=admin),
        client.put(path, json=a_product(**wrong), headers=if_match(mug, admin)),
        client.patch(path, json=wrong, headers=if_match(mug, admin)),
    ):
        assert answer.status_code == 422, answer.text
        assert answer.mimetype == "application/problem+json"
        assert pointer in [error["pointer"] for error in answer.json["errors"]]
    assert client.get("/products").json["items"] == [mug]


@pytest.mark.parametrize("missing", ["sku", "name", "price", "category", "stock"])
def test_a_whole_product_needs_its_fields(client, admin, missing):
    body = a_product()
    del body[missing]
    answer = client.post("/products", json=body, headers=admin)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == f"/{missing}"


def test_a_change_of_nothing_is_refused(client, add, admin):
    mug = add()
    answer = client.patch(f"/products/{mug['id']}", json={}, headers=if_match(mug, admin))
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 422),
        (b"\xff\xfe", "application/json", 400),
        (b'{"stock": 1' + b"0" * 5000 + b"}", "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"{}", None, 415),
        (b" " * (64 * 1024 + 1), "application/json", 413),
    ],
)
def test_what_is_no_json_is_refused(client, admin, body, media_type, status):
    answer = client.post("/products", data=body, content_type=media_type, headers=admin)
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize(
    "pk", ["nope", "%00", "%FF", "x" * 3000, "$ne", "..%2f", "0c1a7e5e-4b6c-4d53-9d0f-2f6d2a3c9b11"]
)
def test_an_unknown_id_is_404(client, pk):
    assert client.get(f"/products/{pk}").status_code == 404


def test_a_new_product_is_in_the_list_at_once(client, add):
    assert client.get("/products").json["items"] == []
    mug = add()
    assert client.get("/products").json["items"] == [mug]


@pytest.fixture
def shelf(add):
    """Names of products by what they are like."""
    add(name="Green Tea", category="tea", price={"amount": 500, "currency": "EUR"}, stock=1)
    add(name="Black Tea", category="tea", price={"amount": 300, "currency": "EUR"}, stock=0)
    add(
        name="Tea Pot",
        category="pots",
        price={"amount": 900, "currency": "EUR"},
        sku="A-42",
        description="Good for oolong.",
    )
    add(name="Mug Straße", category="cups", price={"amount": 300, "currency": "EUR"})


def test_a_product_is_found_by_its_new_name_and_no_longer_by_its_old_one(client, add, admin):
    mug = add(name="Mug")
    change = {"name": "Cup"}
    client.patch(f"/products/{mug['id']}", json=change, headers=if_match(mug, admin))
    assert names(client, "q=cup") == ["Cup"]
    assert names(client, "q=mug") == []


def names(client, query):
    answer = client.get(f"/products?{query}")
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json["items"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Mug Straße", "Tea Pot", "Black Tea", "Green Tea"]),
        ("q=tea", ["Tea Pot", "Black Tea", "Green Tea"]),
        ("q=TEA+green", ["Green Tea"]),
        ("q=strasse", ["Mug Straße"]),
        ("q=te", []),
        ("q=!", []),
        ("q=tea&category=tea&in_stock=true", ["Green Tea"]),
        ("category=tea", ["Black Tea", "Green Tea"]),
        ("category=Tea", []),
        ("q=pots", ["Tea Pot"]),
        ("q=a-42", ["Tea Pot"]),
        ("q=oolong", ["Tea Pot"]),
        ("in_stock=true", ["Mug Straße", "Tea Pot", "Green Tea"]),
        ("in_stock=false", ["Black Tea"]),
        ("sort=-price", ["Tea Pot", "Green Tea", ...]),
        ("sort=price&min_price=301", ["Green Tea", "Tea Pot"]),
        ("sort=-price&min_price=500&max_price=500", ["Green Tea"]),
        ("sort=price&max_price=0", []),
        ("sort=price&max_price=299", []),
        ("sort=price&category=tea", ["Black Tea", "Green Tea"]),
        ("sort=-price&q=tea&max_price=500", ["Green Tea", "Black Tea"]),
    ],
)
def test_finds_what_is_asked_for(client, shelf, query, found):
    there = names(client, query)
    if found[-1:] == [...]:
        there = there[: len(found) - 1]
        found = found[:-1]
    assert there == found


def test_prices_a_whole_order_in_one_call(client, add):
    ids = [add()["id"] for _ in range(25)]
    add()
    query = "&".join(f"id={pk}" for pk in [*ids, "unknown"])
    answer = client.get(f"/products?{query}").json
    assert {item["id"] for item in answer["items"]} == set(ids)
    assert answer["next_cursor"] is None


@pytest.mark.parametrize("query", ["", "sort=price", "sort=-price&min_price=1&max_price=3&q=mug"])
def test_pages_show_everything_once_also_among_equals(client, product, query):
    for n in range(12):
        product(price={"amount": n % 3 + 1, "currency": "EUR"}, words=["mug"])
    whole = client.get(f"/products?limit=100&{query}").json["items"]
    paged, more = [], ""
    for _ in range(6):  # each second page ends where another price begins
        page = client.get(f"/products?limit=2&{query}{more}").json
        assert len(page["items"]) == 2
        paged += page["items"]
        more = f"&cursor={page['next_cursor']}"
    assert page["next_cursor"] is None
    assert paged == whole
    assert len({item["id"] for item in paged}) == 12


def forged(*parts):
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def test_a_cursor_of_another_query_or_of_nobody_is_refused(client, product):
    for _ in range(3):
        product()
    cursor = client.get("/products?sort=price&limit=1").json["next_cursor"]
    sort, digest, key, pk = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    assert client.get(f"/products?sort=price&cursor={cursor}").status_code == 200
    for query in (
        f"sort=-price&cursor={cursor}",
        f"sort=price&q=mug&cursor={cursor}",
        f"cursor={cursor}",
        "cursor=%00",
        "cursor=nonsense",
        "cursor=",
        f"cursor={'A' * 513}",
        f"sort=price&cursor={forged(sort, digest, '5', pk)}",
        f"sort=price&cursor={forged(sort, digest, 10**30, pk)}",
        f"sort=price&cursor={forged(sort, digest, -(2**63), pk)}",
        f"sort=price&cursor={forged(sort, digest, True, pk)}",
        f"sort=price&cursor={forged(sort, digest, key, 7)}",
        f"sort=price&cursor={forged(sort, digest, key, {'$gt': ''})}",
        f"sort=price&cursor={forged(sort, digest, key, chr(0xD800))}",
        f"cursor={forged('newest', digest, 'yesterday', pk)}",
        f"sort=price&cursor={forged()}",
        f"sort=price&cursor={forged(*[1] * 9)}",
    ):
        answer = client.get(f"/products?{query}")
        assert answer.status_code == 422, query
        assert answer.json["errors"][0]["pointer"].startswith("query/cursor")


@pytest.mark.parametrize(
    "query",
    [
        "colour=red",
        "limit=0",
        "limit=101",
        "limit=many",
        "limit=1e1",
        "limit=-1",
        "limit=" + "9" * 5000,
        "limit=٣",
        "sort=name",
        "sort=",
        "in_stock=maybe",
        "in_stock=1",
        "min_price=1",
        "max_price=1&sort=newest",
        "min_price=-1&sort=price",
        "min_price=1000000000001&sort=price",
        "q=",
        "q=" + "x" * 101,
        "q=a%00b",
        "category=%00",
        "id=",
        "&".join(["id=a"] * 51),
        "id[$ne]=a",
    ],
)
def test_a_query_that_is_not_one_is_refused(client, query):
    answer = client.get(f"/products?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.json["errors"]


def test_a_database_that_is_away_is_503(client, monkeypatch):
    from pymongo.errors import ServerSelectionTimeoutError

    def away(*_, **__):
        raise ServerSelectionTimeoutError("db.internal:27017 refused")

    monkeypatch.setattr("products.use_cases.list_products", away)
    answer = client.get("/products")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "internal" not in answer.text
