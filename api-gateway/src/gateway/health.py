"""Health: of the gateway itself, and of the whole shop."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Blueprint, Flask

from .connections import Broken, Connections, Silent, Unreachable
from .store import Store

ASK_SECONDS = 2.0
WORST_FIRST = ("down", "degraded", "ok")

Health = dict[str, Any]


def init_app(app: Flask, services: Mapping[str, str], store: Store) -> None:
    """Serve /health of all `services` (name → URL), /health/live and /health/ready."""
    pages = Blueprint("health", __name__)
    asked = {name: Connections(url, most=0) for name, url in services.items()}

    @pages.get("/health")
    def shop() -> tuple[Health, int]:
        """Tell how every service and its worker is."""
        with ThreadPoolExecutor(len(services)) as threads:
            found = dict(zip(asked, threads.map(_ask, asked.values()), strict=True))
        status = _worst(health["status"] for health in found.values())
        return {"status": status, "services": found}, 503 if status == "down" else 200

    @pages.get("/health/live")
    def live() -> Health:
        """Tell whether this process runs."""
        return {"status": "ok", "checks": {}}

    @pages.get("/health/ready")
    def ready() -> Health:
        """Tell whether the gateway can serve, and what it lacks; services have their own."""
        if not store.is_there or store.insist("PING"):
            cache = {"status": "ok", "detail": "answers"}
        else:
            cache = {"status": "degraded", "detail": "away: each process counts by itself"}
        return {"status": cache["status"], "checks": {"cache": cache}}

    app.register_blueprint(pages)


def _ask(service: Connections) -> Health:
    """What the service says of itself, or that it says nothing."""
    try:
        answer = service.ask("GET", "/health/ready", {}, b"", ASK_SECONDS)
        health = json.loads(answer.body)
        if health["status"] in WORST_FIRST and answer.status in (200, 503):
            return {"status": health["status"], "checks": health["checks"]}
        detail = "answers strangely"
    except (Broken, Silent, Unreachable) as error:
        detail = type(error).__name__
    except (ValueError, TypeError, KeyError):
        detail = "answers strangely"
    return {"status": "down", "checks": {"answer": {"status": "down", "detail": detail}}}


def _worst(found: Any) -> str:
    found = set(found)
    return next(status for status in WORST_FIRST if status in found)
