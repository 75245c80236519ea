"""Every query of notifications goes by an index: a table says by which, and the server is asked.

All queries that the tests of a run cause are looked at, so a new one without a row here turns this
red. What each server can tell is said in queries.py.
"""

from __future__ import annotations

import pytest

from queries import NOTED, check, is_whole, shape

BY_INDEX = {
    "notifications: _id =, user_id =": "_id",
    "notifications: _id =, read_at =, user_id =": "_id",
    "notifications: user_id = by -created_at -_id": "user_id -created_at -_id",
    "notifications: read_at =, user_id = by -created_at -_id": "user_id -created_at -_id",
    "parcels: _id =": "_id",
    "parcels: _id =, outbox.id =": "_id",
    "parcels: outbox.due <>": "outbox.due",
    "parked_events: dead = by next_at": "dead next_at",
    "parked_events: _id =": "_id",
    "parked_events: dead =": "dead next_at",
    "parked_events: dead =, next_at <>": "dead next_at",
    "parked_events: dead =, type in": "dead next_at",
    "session_news: _id =, number <>": "_id",
    "session_news: changed_at <>": "changed_at",
}
THEN_SORTED: dict[str, str] = {}


# Of these there are few, one for each worker process of an hour.
FEW = {
    "parked_events: any",  # all of them are to be tried again
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
