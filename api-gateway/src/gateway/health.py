"""Health: of the gateway itself, and of the whole shop."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import urllib3
from flask import Blueprint, Flask
from flask_limiter import Limiter

ASK_SECONDS = 2.0
WORST_FIRST = ("down", "degraded", "ok")

Health = dict[str, Any]


def init_app(app: Flask, services: Mapping[str, str], limiter: Limiter) -> None:
    """Serve /health of all `services` (name → URL), /health/live and /health/ready."""
    pages = Blueprint("health", __name__)
    pool = urllib3.PoolManager(maxsize=2, timeout=urllib3.Timeout(ASK_SECONDS), retries=False)

    @pages.get("/health")
    def shop() -> tuple[Health, int]:
        """Tell how every service and its worker is."""
        with ThreadPoolExecutor(len(services)) as threads:
            answers = threads.map(lambda url: _ask(pool, url), services.values())
            found = dict(zip(services, answers, strict=True))
        status = _worst(health["status"] for health in found.values())
        return {"status": status, "services": found}, 503 if status == "down" else 200

    @pages.get("/health/live")
    @limiter.exempt
    def live() -> Health:
        """Tell whether this process runs."""
        return {"status": "ok", "checks": {}}

    @pages.get("/health/ready")
    @limiter.exempt
    def ready() -> Health:
        """Tell whether the gateway can serve, and what it lacks; services have their own."""
        if limiter.storage.check():
            cache = {"status": "ok", "detail": "answers"}
        else:
            cache = {"status": "degraded", "detail": "away: each process counts by itself"}
        return {"status": cache["status"], "checks": {"cache": cache}}

    app.register_blueprint(pages)


def _ask(pool: urllib3.PoolManager, url: str) -> Health:
    """What the service says of itself, or that it says nothing."""
    try:
        answer = pool.request("GET", f"{url}/health/ready", redirect=False)
        health = json.loads(answer.data)
        if health["status"] in WORST_FIRST and answer.status in (200, 503):
            return {"status": health["status"], "checks": health["checks"]}
        detail = "answers strangely"
    except urllib3.exceptions.HTTPError as error:
        detail = type(error).__name__
    except (ValueError, TypeError, KeyError):
        detail = "answers strangely"
    return {"status": "down", "checks": {"answer": {"status": "down", "detail": detail}}}


def _worst(found: Any) -> str:
    found = set(found)
    return next(status for status in WORST_FIRST if status in found)
