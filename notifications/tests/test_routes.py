"""What people may see and do, through the front door."""

from __future__ import annotations

import base64
import json

import pytest

from conftest import order_event
from notifications.chassis import cursors
from notifications.models import Notification

ADMIN = ("root", "admin")


@pytest.fixture
def heard(inbox):
    """Lets an order's event happen."""
    return lambda *what, **data: inbox.handle(order_event(*what, **data))


@pytest.fixture
def mine(client, as_user):
    """Ann's list, as answered to a query."""

    def get(query: str = "", user: str = "ann", **options):
        return client.get(f"/notifications{query}", headers=as_user(user), **options)

    return get


def test_shows_newest_first(heard, mine):
    heard("placed")
    heard("confirmed")
    heard("cancelled")
    kinds = [item["kind"] for item in mine().json["items"]]
    assert kinds == ["order.cancelled", "order.confirmed", "order.placed"]


def test_shows_what_happened_to_which_order(inbox, mine):
    event = order_event("placed")
    inbox.handle(event)
    [item] = mine().json["items"]
    assert item.keys() == {
        "id", "user_id", "channel", "kind", "title", "text", "data", "created_at", "read_at"
    }  # fmt: skip
    assert (item["user_id"], item["channel"]) == ("ann", "inbox")
    assert item["title"] == "Order placed"
    assert "19.99 EUR" in item["text"]
    assert item["data"] == {
        "order_id": event["data"]["order_id"],
        "total": {"amount": 1999, "currency": "EUR"},
    }
    assert item["read_at"] is None


def test_hides_notifications_of_others(heard, mine, client, as_user):
    heard("placed", "bob")
    assert mine().json == {"items": [], "next_cursor": None}
    assert mine("?user_id=bob").status_code == 403
    theirs = Notification.objects.get(user_id="bob")
    for who in (as_user(), as_user(*ADMIN)):
        assert client.post(f"/notifications/{theirs.id}/read", headers=who).status_code == 404
    assert Notification.objects.get(user_id="bob").read_at is None


def test_an_admin_sees_their_own_or_those_of_whom_they_name(heard, client, as_user):
    heard("placed", "bob")
    heard("placed", "root")
    for query, owner in (("", "root"), ("?user_id=bob", "bob")):
        items = client.get(f"/notifications{query}", headers=as_user(*ADMIN)).json["items"]
        assert [item["user_id"] for item in items] == [owner]


def test_pages_through_all_without_a_gap_or_a_repeat(heard, mine):
    for _ in range(7):
        heard("placed")
    Notification.objects.update(set__created_at=Notification.objects.first().created_at)  # a tie
    seen, query = [], "?limit=3"
    while True:
        page = mine(query).json
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        heard("placed")  # what comes meanwhile is newer, and moves nothing
        query = f"?limit=3&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen)) == 7


def test_a_page_that_ends_the_list_has_no_cursor(heard, mine):
    for _ in range(2):
        heard("placed")
    assert mine("?limit=2").json["next_cursor"] is None


def test_reading_one_takes_it_off_the_unread(heard, mine, client, as_user):
    heard("placed")
    heard("confirmed")
    pk = mine().json["items"][0]["id"]
    read = client.post(f"/notifications/{pk}/read", headers=as_user())
    assert read.status_code == 200
    assert read.json["read_at"] is not None
    assert [item["kind"] for item in mine("?unread=true").json["items"]] == ["order.placed"]
    assert len(mine("?unread=false").json["items"]) == 2
    again = client.post(f"/notifications/{pk}/read", headers=as_user())
    assert again.json == read.json
    assert Notification.objects.get(id=pk).version == 2


def test_an_admin_alerts_one_customer(client, mine, as_user):
    alert = {"user_id": "ann", "title": "Late", "text": "Your parcel is late. 🐌"}
    sent = client.post("/notifications", json=alert, headers=as_user(*ADMIN))
    assert sent.status_code == 201
    assert sent.json.items() >= {**alert, "kind": "alert", "data": {}, "read_at": None}.items()
    assert mine().json["items"] == [sent.json]
    assert mine(user="bob").json["items"] == []


def test_customers_send_no_alerts(client, as_user):
    alert = {"user_id": "bob", "title": "Hi", "text": "You won."}
    assert client.post("/notifications", json=alert, headers=as_user()).status_code == 403
    assert Notification.objects.count() == 0


def test_nobody_comes_in_without_a_valid_token(client, as_user):
    for headers in (
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer a.b.c"},
        as_user(exp=1),
        as_user(aud="elsewhere"),
        as_user(iss="elsewhere"),
        as_user(roles="admin") | {"Authorization": as_user()["Authorization"][:-4] + "AAAA"},
    ):
        for method, path in (("GET", ""), ("POST", ""), ("POST", "/x/read")):
            answer = client.open(f"/notifications{path}", method=method, headers=headers)
            assert answer.status_code == 401, headers
            assert answer.mimetype == "application/problem+json"
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def _forged(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


_FILTERS = cursors._hash({"user_id": "ann", "unread": False})

QUERIES = {
    "limit=0": "query/limit",
    "limit=101": "query/limit",
    "limit=ten": "query/limit",
    "limit=1_0": "query/limit",
    "limit=%2B5": "query/limit",
    "limit=%205": "query/limit",
    "limit=٣": "query/limit",
    "limit=" + "9" * 5000: "query/limit",
    "unread=perhaps": "query/unread",
    "colour=red": "query/colour",
    "user_id=": "query/user_id",
    "user_id=a%00b": "query/user_id",
    "user_id=" + "a" * 65: "query/user_id",
    "cursor=": "query/cursor",
    "cursor=nonsense": "query/cursor",
    "cursor=%F0%9F%90%8C": "query/cursor",
    "cursor=" + "a" * 513: "query/cursor",
    f"cursor={_forged('newest', 'other', 1, 'x')}": "query/cursor",
    f"cursor={_forged('newest', _FILTERS, '1', 'x')}": "query/cursor",
    f"cursor={_forged('newest', _FILTERS, True, 'x')}": "query/cursor",
    f"cursor={_forged('newest', _FILTERS, 10**30, 'x')}": "query/cursor",
    f"cursor={_forged('newest', _FILTERS, -(10**15), 'x')}": "query/cursor",
    f"cursor={_forged('newest', _FILTERS, 1, 'x' + chr(0xD800))}": "query/cursor",
    f"cursor={_forged('newest', _FILTERS, 1, {'$gt': ''})}": "query/cursor",
}


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:40])
def test_refuses_a_malformed_query_and_names_the_parameter(mine, query):
    answer = mine(f"?{query}")
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert [error["pointer"] for error in answer.json["errors"]] == [QUERIES[query]]


def test_refuses_the_cursor_of_another_query(heard, mine):
    for _ in range(2):
        heard("placed")
    cursor = mine("?limit=1").json["next_cursor"]
    assert mine(f"?limit=2&cursor={cursor}").status_code == 200
    assert mine(f"?unread=true&cursor={cursor}").status_code == 422
    assert mine(f"?cursor={cursor}", user="bob").status_code == 422


ALERT = {"user_id": "ann", "title": "Late", "text": "It is late."}

BODIES = {
    "not JSON": (b"{", 400, None),
    "not UTF-8": (b'{"title": "\xff"}', 400, None),
    "nested without end": (b"[" * 15_000, 400, None),
    "a number without end": (b'{"title": ' + b"1" * 5_000 + b"}", 400, None),
    "not an object": (b"[]", 422, ""),
    "null": (b"null", 422, ""),
    "an unknown field": ({**ALERT, "kind": "order.placed"}, 422, "/kind"),
    "an unknown field of half a character": (
        json.dumps({**ALERT, "\ud800": 1}).encode(), 422, "/\ud800",
    ),
    "no title": ({"user_id": "ann", "text": "x"}, 422, "/title"),
    "an empty title": ({**ALERT, "title": ""}, 422, "/title"),
    "a number for a title": ({**ALERT, "title": 7}, 422, "/title"),
    "null for a title": ({**ALERT, "title": None}, 422, "/title"),
    "a long title": ({**ALERT, "title": "x" * 201}, 422, "/title"),
    "a long text": ({**ALERT, "text": "x" * 2001}, 422, "/text"),
    "a long user": ({**ALERT, "user_id": "x" * 65}, 422, "/user_id"),
    "a query for a user": ({**ALERT, "user_id": {"$ne": ""}}, 422, "/user_id"),
    "NUL": ({**ALERT, "text": "a\0b"}, 422, "/text"),
    "half a character": (json.dumps({**ALERT, "text": "\ud800"}).encode(), 422, "/text"),
}  # fmt: skip


@pytest.mark.parametrize("case", BODIES)
def test_refuses_a_malformed_alert_and_names_the_field(client, as_user, case):
    body, status, pointer = BODIES[case]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post(
        "/notifications", data=raw, content_type="application/json", headers=as_user(*ADMIN)
    )
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    if pointer is not None:
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert Notification.objects.count() == 0


def test_refuses_other_media_types_and_large_bodies(client, as_user):
    admin = as_user(*ADMIN)
    assert client.post("/notifications", data=ALERT, headers=admin).status_code == 415
    large = {**ALERT, "text": "x" * 17_000}
    assert client.post("/notifications", json=large, headers=admin).status_code == 413
    assert Notification.objects.count() == 0


@pytest.mark.parametrize("pk", ["nope", "a%00b", "%FF", "%ED%A0%80", "x" * 5000, "$where", "..."])
def test_an_id_that_cannot_be_is_not_found(client, as_user, pk):
    answer = client.post(f"/notifications/{pk}/read", headers=as_user())
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"


def test_other_paths_and_methods_are_problems_too(client, as_user):
    assert client.get("/elsewhere").status_code == 404
    refused = client.delete("/notifications", headers=as_user())
    assert refused.status_code == 405
    assert set(refused.headers["Allow"].split(", ")) >= {"GET", "POST"}
    assert refused.mimetype == "application/problem+json"


def test_gives_each_answer_the_id_of_its_request(client, as_user):
    assert client.get("/notifications").headers["X-Request-Id"]
    given = client.get("/notifications", headers={"X-Request-Id": "abc-1"})
    assert given.headers["X-Request-Id"] == given.json["request_id"] == "abc-1"
