"""Every query of orders goes by an index: a table says by which, and the server is asked.

All queries that the tests of a run cause are looked at, so a new one without a row here turns this
red. What each server can tell is said in queries.py.
"""

from __future__ import annotations

import pytest

from queries import NOTED, check, is_whole, shape

BY_INDEX = {
    "orders: _id =": "_id",
    "orders: _id =, status =, version =": "_id",
    "orders: _id =, asked_again =, outbox.id =, status =": "_id",
    "orders: _id =, asked_again =, outbox.id ne, status =": "_id",
    "orders: _id =, outbox.id =": "_id",
    "orders: _id =, outbox.id ne": "_id",
    "orders: customer_id =, idempotency_key =": "customer_id idempotency_key",
    "orders: customer_id = by -created_at -_id": "customer_id -created_at -_id",
    "orders: customer_id =, status = by -created_at -_id": "customer_id -created_at -_id",
    "orders: any by -created_at -_id": "-created_at -_id",
    # read in its order until the page is full: every change of an order would pay for one more
    "orders: status = by -created_at -_id": "-created_at -_id",
    "orders: check_at <>, status =": "status check_at",
    "orders: outbox.due <>": "outbox.due",
    "orders: outbox.due exists": "outbox.due",
    "orders: outbox elemMatch, outbox.due exists": "outbox.due",
    "parked_events: _id =": "_id",
    "parked_events: dead =": "dead next_at",
    "parked_events: dead =, next_at <>": "dead next_at",
    "parked_events: dead =, type in": "dead next_at",
    "session_news: _id =, number <>": "_id",
    "session_news: changed_at <>": "changed_at",
}
# Health tells since when the oldest hundred of what is late wait.
THEN_SORTED = {"orders: outbox elemMatch, outbox.due exists by outbox.since": "outbox.due"}

# Of these there are few, one for each worker process of an hour.
FEW = {
    "worker_beats: _id =",
    "worker_beats: any by -at",
    "worker_beats: at <>",
    "worker_beats: at <>, broker =",
    "worker_beats: at <>, problem exists",
}


def test_every_query_goes_by_the_index_of_its_row() -> None:
    unknown = set()
    for query in NOTED.queries():
        text = shape(query)
        if text in BY_INDEX:
            check(query, BY_INDEX[text])
        elif text in THEN_SORTED:
            check(query, THEN_SORTED[text], in_order=False)
        elif text not in FEW:
            unknown.add(text)
    assert not unknown, "these have no row in a table above"


def test_every_row_is_asked_for(request: pytest.FixtureRequest) -> None:
    if not is_whole(request.session):
        pytest.skip("only a run of all tests has all queries")
    asked = {shape(query) for query in NOTED.queries()}
    assert {*BY_INDEX, *THEN_SORTED} - asked == set()
