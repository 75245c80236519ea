"""Each question to the catalogue is answered from an index."""

from __future__ import annotations

from typing import Any

import mongoengine
import pytest
from pymongo import monitoring

from products.models import words_in

ANYWHERE = [
    "",
    "sort=price",
    "sort=-price",
    "sort=price&min_price=1&max_price=9",
    "category=cups",
    "category=cups&sort=-price",
    "category=cups&sort=price&min_price=1",
    "q=mug",
    "q=mug&sort=price&max_price=9",
]
# MongoDB finds these by an index too and looks through what it found for the rest; SecantusDB
# says of such queries that it reads everything.
ON_MONGODB = ["q=mug+blue", "q=mug&category=cups", "in_stock=true", "id=a&id=b", "id=a&sort=price"]


class Finds(monitoring.CommandListener):
    """Remembers the searches for products."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command.get("find") == "products":
            self.seen.append({k: event.command[k] for k in ("find", "filter", "sort", "limit")})

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


@pytest.fixture
def finds(settings):
    """Connects anew, listening."""
    listener = Finds()
    mongoengine.disconnect()
    options = {"tz_aware": True, "uuidRepresentation": "standard"}
    mongoengine.connect(host=settings.mongo_url, event_listeners=[listener], **options)
    return listener.seen


def stages(plan: dict[str, Any]) -> set[str]:
    """The names of all steps of a plan."""
    below = [plan[key] for key in ("inputStage", "queryPlan") if key in plan]
    below += plan.get("inputStages", [])
    return {plan.get("stage", "")}.union(*map(stages, below))


def on_mongodb() -> bool:
    """Whether the server is MongoDB itself."""
    return "secantusVersion" not in mongoengine.get_db().client.server_info()


@pytest.mark.parametrize("query", [*ANYWHERE, *ON_MONGODB])
def test_no_search_reads_the_whole_catalogue(client, product, finds, query):
    if query in ON_MONGODB and not on_mongodb():
        pytest.skip("needs MongoDB itself (TEST_MONGO_URL)")
    for _ in range(3):
        product(words=["mug"], price={"amount": 5, "currency": "EUR"})
    finds.clear()
    page = client.get(f"/products?limit=1&{query}").json
    client.get(f"/products?limit=1&{query}&cursor={page['next_cursor']}")
    assert len(finds) >= 2
    for find in finds:
        plan = mongoengine.get_db().command({"explain": find, "verbosity": "queryPlanner"})
        assert "COLLSCAN" not in stages(plan["queryPlanner"]["winningPlan"]), find


def test_words_are_found_however_they_are_written():
    assert words_in("Crème BRÛLÉE, 250 ml (250 ml)") == ["crème", "brûlée", "250", "ml"]
    assert words_in("Cre\u0300me") == words_in("CRÈME")
    assert words_in("COF-001") == ["cof", "001"]
    assert len(words_in(" ".join(map(str, range(500))))) == 100
