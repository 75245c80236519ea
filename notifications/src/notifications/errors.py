"""What can go wrong with a notification, in words of the domain."""

from __future__ import annotations


class NotificationNotFound(Exception):
    """No such notification, or none of the caller's."""

    def __init__(self) -> None:
        super().__init__("There is no such notification.")
