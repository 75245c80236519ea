"""Every query of users goes by an index: a table says by which, and the server is asked.

All queries that the tests of a run cause are looked at, so a new one without a row here turns this
red. What each server can tell is said in queries.py.
"""

from __future__ import annotations

import pytest

from queries import NOTED, check, is_whole, shape

BY_INDEX = {
    "users: _id =": "_id",
    "users: _id =, counted_on =, version =": "_id",
    "users: _id =, password_hash =": "_id",
    "users: _id ne, roles =": "roles",
    "users: email =": "email",
    "users: any by -created_at -_id": "-created_at -_id",
    "users: outbox elemMatch, outbox.due exists": "outbox.due",
    "sessions: _id =, ended_at =": "_id",
    "sessions: _id =, ended_at =, expires_at <>": "_id",
    "sessions: _id =, ended_at =, expires_at <>, refresh_jti =": "_id",
    "sessions: _id =, ended_at =, expires_at <>, refresh_jti =, ver =": "_id",
    "sessions: _id =, ended_at =, expires_at <>, ver =": "_id",
    "sessions: expires_at <>, outbox.0 exists": "expires_at",
    "sessions: outbox elemMatch, outbox.due exists": "outbox.due",
    "signing_keys: _id =": "_id",
    "signing_keys: any by -number": "number",
    "signing_keys: any by number": "number",
    "telling: _id =": "_id",
    "telling: outbox elemMatch, outbox.due exists": "outbox.due",
    "parked_events: dead =": "dead next_at",
}
# Of an e-mail there is one user; of what is late health tells the oldest hundred.
THEN_SORTED = {
    "users: email = by -created_at -_id": "email",
    "users: outbox elemMatch, outbox.due exists by outbox.since": "outbox.due",
    "sessions: outbox elemMatch, outbox.due exists by outbox.since": "outbox.due",
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
