"""What gunicorn logs: its own lines, as JSON; requests are logged by the app."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger

from .logs import handler


class Quiet(Logger):
    """gunicorn's, which else makes a line of each request though nobody wants to read it."""

    def access(self, *_: object) -> None:
        pass


def for_gunicorn(service: str) -> dict[str, Any]:
    """gunicorn's `logconfig_dict`: its own lines are JSON too, from the first to the last."""
    return {
        "handlers": {"json": {"()": lambda: handler(service)}},
        "formatters": {},
        "root": {"level": "INFO", "handlers": ["json"]},
        "loggers": {"gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True}},
    }
