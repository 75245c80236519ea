"""No document is read or written before its indexes are made."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import mongoengine as me
import pymongo
import pytest
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from orders.chassis import database


@pytest.fixture
def before() -> list[Callable[[], None]]:
    """What is done once, just before an index is made."""
    return []


@pytest.fixture
def Jar(
    mongo_url: str, before: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> type[database.Document]:
    """A new kind of document, with an index."""
    really = Collection.create_index

    def create(self: Collection, *args: Any, **options: Any) -> str:
        if before:
            before.pop()()
        return really(self, *args, **options)

    class Jar(database.Document):
        id = me.StringField(primary_key=True)
        label = me.StringField()
        meta = {"collection": f"jars_{uuid.uuid4().hex[:8]}", "indexes": ["label"]}

    database.connect(mongo_url)
    monkeypatch.setattr(Collection, "create_index", create)
    return Jar


def test_what_a_later_version_has_added_is_read_past(mongo_url: str) -> None:
    database.connect(mongo_url)

    class Lid(database.Part):
        colour = me.StringField()

    class Closed(database.Document):
        id = me.StringField(primary_key=True)
        lid = me.EmbeddedDocumentField(Lid)
        meta = {"collection": f"jars_{uuid.uuid4().hex[:8]}"}

    added = {"_id": "1", "since": 2031, "lid": {"colour": "red", "size": 7}}
    Closed._get_collection().insert_one(added)
    assert Closed.objects.get(id="1").lid.colour == "red"


def test_nobody_writes_while_another_makes_the_indexes(Jar: Any, before: list) -> None:
    done = []
    writer = threading.Thread(target=lambda: done.append(Jar(id="1").save()))

    def write_meanwhile() -> None:
        writer.start()
        writer.join(0.3)
        assert not done

    before.append(write_meanwhile)
    assert not Jar.objects(id="2")
    writer.join(10)
    assert done


def test_indexes_that_could_not_be_made_are_made_at_the_next_use(Jar: Any, before: list) -> None:
    def away() -> None:
        raise AutoReconnect("the database is away")

    before.append(away)
    with pytest.raises(AutoReconnect):
        Jar(id="1").save()
    Jar(id="1").save()
    assert "label_1" in Jar._get_collection().index_information()


def test_they_are_made_once(Jar: Any, before: list) -> None:
    Jar(id="1").save()

    def again() -> None:
        pytest.fail("made again")

    before.append(again)
    Jar(id="2").save()


def test_who_waits_for_another_in_vain_is_told_that_the_database_is_away(
    Jar: Any, before: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT_MS", 50)
    found: list[Exception] = []

    def use() -> None:
        try:
            Jar.objects(id="1").first()
        except pymongo.errors.ConnectionFailure as error:
            found.append(error)

    def wait_meanwhile() -> None:
        waiting = threading.Thread(target=use)
        waiting.start()
        waiting.join(10)

    before.append(wait_meanwhile)
    Jar(id="1").save()
    assert found
