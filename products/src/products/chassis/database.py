"""The service's own database."""

from __future__ import annotations

import mongoengine as me

WAIT_MS = 2000  # how long a request waits for a database that is away, before it is a 503


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
