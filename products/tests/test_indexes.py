"""Every query of products goes by an index: a table says by which, and the server is asked.

All queries that the tests of a run cause are looked at, so a new one without a row here turns this
red. What each server can tell is said in queries.py.
"""

from __future__ import annotations

import pytest

from queries import NOTED, check, is_whole, shape

BY_INDEX = {
    "products: deleted_at = by -created_at -_id": "deleted_at created_at _id",
    "products: category =, deleted_at = by -created_at -_id": "deleted_at category created_at _id",
    "products: deleted_at =, words = by -created_at -_id": "deleted_at words created_at _id",
    "products: deleted_at = by price.amount _id": "deleted_at price.amount _id",
    "products: category =, deleted_at = by price.amount _id": (
        "deleted_at category price.amount _id"
    ),
    "products: deleted_at =, words = by price.amount _id": "deleted_at words price.amount _id",
    "products: deleted_at = by -price.amount -_id": "deleted_at price.amount _id",
    "products: category =, deleted_at = by -price.amount -_id": (
        "deleted_at category price.amount _id"
    ),
    "products: deleted_at =, words = by -price.amount -_id": "deleted_at words price.amount _id",
    # what else is asked for is looked at in the products of the index
    "products: deleted_at =, stock <> by -created_at -_id": "deleted_at created_at _id",
    "products: category =, deleted_at =, stock <>, words = by -created_at -_id": (
        "deleted_at category created_at _id"
    ),
    "products: deleted_at =, words all by -created_at -_id": "deleted_at words created_at _id",
    "products: deleted_at =, stock = by -created_at -_id": "deleted_at created_at _id",
    "products: _id =": "_id",
    "products: _id in": "_id",
    "products: _id =, deleted_at =": "_id",
    "products: _id =, deleted_at =, version =": "_id",
    "products: _id =, deleted_at =, moves.order_id ne, stock <>": "_id",
    "products: _id =, moves.order_id ne, sold <>": "_id",
    "products: _id =, moves elemMatch": "_id",
    "products: moves.at <>": "moves.at",
    "products: outbox.due <>": "outbox.due",
    "reservations: _id =": "_id",
    "reservations: _id in": "_id",
    "reservations: _id =, attempt =": "_id",
    "reservations: _id =, attempt =, state =": "_id",
    "reservations: _id =, outbox.id =": "_id",
    "reservations: _id =, outbox.id ne": "_id",
    "reservations: state in, updated_at <>": "state updated_at",
    "reservations: outbox.due <>": "outbox.due",
    "parked_events: _id =": "_id",
    "parked_events: dead =": "dead next_at",
    "parked_events: dead =, next_at <>": "dead next_at",
    "parked_events: dead =, type in": "dead next_at",
    "session_news: _id =, number <>": "_id",
    "session_news: changed_at <>": "changed_at",
}
# Of some ids there are fifty at most; of what is late health tells the oldest hundred.
THEN_SORTED = {
    "products: deleted_at = by -created_at -_id": "_id",
    "products: outbox elemMatch, outbox.due exists by outbox.since": "outbox.due",
    "reservations: outbox elemMatch, outbox.due exists by outbox.since": "outbox.due",
}

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
