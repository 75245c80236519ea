"""The service's own database, and what every document in it has in common."""

from __future__ import annotations

import threading
from typing import Any, ClassVar, Self

import mongoengine as me
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, ServerSelectionTimeoutError

WAIT_MS = 2000  # how long a request waits for a database that is away, before it is a 503

_MAKING = threading.RLock()


def connect(mongo_url: str) -> None:
    """Use the database that the URL names for all documents of this process."""
    me.connect(
        host=mongo_url,
        tz_aware=True,
        uuidRepresentation="standard",
        serverSelectionTimeoutMS=WAIT_MS,
        connectTimeoutMS=WAIT_MS,
        appname=__package__.split(".")[0],
    )


class Document(me.Document):
    """A document that nobody reads or writes before its indexes are made.

    mongoengine makes them at the first use, but lets a second thread write meanwhile, and never
    tries again should the database be away. The embedded database even stands still for ever
    when a collection comes to be by a write and by an index at the same moment.
    """

    # not strict: what a later version has added is read past, so both may run side by side
    meta = {"abstract": True, "auto_create_index": False, "strict": False}

    _indexed: ClassVar[Collection | None] = None  # the collection that has them
    _making: ClassVar[bool] = False

    def insert(self) -> Self:
        """Save it as a new one. Raises NotUniqueError.

        What mongoengine's save() does besides is for those that were read and changed, which is
        never done here, and costs twice what the driver does.
        """
        self.validate()
        try:
            self._get_collection().insert_one(self.to_mongo())
        except DuplicateKeyError as error:
            raise me.NotUniqueError(str(error)) from error
        return self

    @classmethod
    def _get_collection(cls) -> Collection[dict[str, Any]]:
        collection = super()._get_collection()
        if cls._indexed is not collection:
            if not _MAKING.acquire(timeout=WAIT_MS / 1000):
                raise ServerSelectionTimeoutError("somebody still waits for the database")
            try:
                if cls._indexed is not collection and not cls._making:
                    cls._make_indexes(collection)
            finally:
                _MAKING.release()
        return collection

    @classmethod
    def _make_indexes(cls, collection: Collection) -> None:
        cls._making = True  # for it asks for the collection too
        try:
            cls.ensure_indexes()
            cls._indexed = collection
        finally:
            cls._making = False


class Part(me.EmbeddedDocument):
    """A part of a document, read as tolerantly."""

    meta = {"abstract": True, "strict": False}
