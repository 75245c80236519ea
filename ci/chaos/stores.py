"""The databases of the services, looked at from outside."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import pymongo
from given import GivenMongo, LeftOut
from pymongo.errors import OperationFailure, PyMongoError

SERVICES = ["users", "products", "orders", "notifications"]
OUTBOXES = [
    ("users", "users"),
    ("products", "products"),
    ("products", "reservations"),
    ("orders", "orders"),
]


WRITES = ["insert", "update", "delete", "findAndModify"]
Answer = TypeVar("Answer")


class Stores:
    """All four databases, each of which may be away for a while."""

    def __init__(self, urls: dict[str, str], given: GivenMongo | None) -> None:
        self.given = given
        self._clients = {
            name: pymongo.MongoClient(
                urls[name],
                directConnection=True,
                serverSelectionTimeoutMS=2000,
                socketTimeoutMS=5000,
                tz_aware=True,
            )
            for name in SERVICES
        }

    def look(self, service: str, collection: str, query: dict, *fields: str) -> list[dict]:
        """What is there now. Raises PyMongoError."""
        database = self._clients[service].get_default_database()
        return list(database[collection].find(query, list(fields) or None))

    def find(self, service: str, collection: str, query: dict, *fields: str) -> list[dict]:
        """As look, but waits for a database that is away."""
        return _insist(lambda: self.look(service, collection, query, *fields))

    def refuse_writes(self, service: str, code: int) -> None:
        """Answer writes with this error, until take_writes or a restart of the database.

        Raises LeftOut where the server is none to be harmed.
        """
        self._fail(service, mode="alwaysOn", data={"failCommands": WRITES, "errorCode": code})

    def take_writes(self, service: str) -> None:
        """Do what is written again."""
        self._fail(service, mode="off")

    def grant(self, service: str, role: str) -> None:
        """Let the service's own user do this with its database, from now on."""
        roles = [{"role": role, "db": service}]
        database = self._clients[service].get_default_database()
        _insist(lambda: database.command("updateUser", service, roles=roles))

    def _fail(self, service: str, **how: Any) -> None:
        admin = self._clients[service]["admin"]

        def tell() -> OperationFailure | None:
            try:
                admin.command("configureFailPoint", "failCommand", **how)
            except OperationFailure as error:
                return error
            return None

        if error := _insist(tell):
            raise LeftOut(f"the database is no server under test ({error})")

    def unsent(self) -> list[tuple[str, Any, str]]:
        """(collection, id, event type) of each event that waits in an outbox."""
        waiting = {"outbox.due": {"$exists": True}}
        return [
            (collection, document["_id"], entry["event"]["type"])
            for service, collection in OUTBOXES
            for document in self.find(service, collection, waiting, "outbox")
            for entry in document["outbox"]
        ]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


def _insist(do: Callable[[], Answer]) -> Answer:
    """What it answers; done again while the database is away."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return do()
        except PyMongoError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
