"""A few questions to a shop that has just been started; they leave nothing behind."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

PATIENCE = 60.0  # until the workers have told that they work
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
QUESTIONS: list[tuple[str, int, Callable[[Any], bool]]] = [
    ("/health/ready", 200, lambda body: body["status"] == "ok"),
    ("/health", 200, lambda body: not sick(body)),
    ("/.well-known/jwks.json", 200, lambda body: body["keys"]),
    ("/products?limit=1", 200, lambda body: "items" in body),
    ("/orders", 401, lambda body: body["status"] == 401),
]


def smoke(base_url: str) -> list[str]:
    """What is still wrong when patience ends."""
    deadline = time.monotonic() + PATIENCE
    while True:
        wrong = [told for question in QUESTIONS if (told := ask(base_url, *question))]
        if not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(1)


def ask(base_url: str, path: str, status: int, right: Callable[[Any], bool]) -> str:
    """What is wrong with the answer, or nothing."""
    found, text = 0, ""
    try:
        with DIRECT.open(base_url + path, timeout=10) as answer:
            found, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        found, text = error.code, error.read().decode(errors="replace")
    except OSError as error:
        return f"{path}: {error}"
    try:
        if found == status and right(json.loads(text)):
            return ""
    except (ValueError, KeyError, TypeError):
        pass
    return f"{path}: {found} {text[:300]}"


def sick(health: dict[str, Any]) -> list[str]:
    """The checks that are not ok. Events that failed on another day are no fault of a release, and
    the news of ended sessions comes within seconds by itself."""
    return [
        f"{service} {name}"
        for service, found in health["services"].items()
        for name, check in found["checks"].items()
        if check["status"] != "ok" and name not in ("events", "sessions")
    ]
