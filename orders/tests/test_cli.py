"""The commands, as a person in a terminal has them; what they share, notifications tests."""

from __future__ import annotations

import json

from click.testing import CliRunner

from orders import use_cases
from orders.catalogue import CatalogueItem
from orders.cli import main
from orders.models import Order


class Shelf:
    """A catalogue that has everything."""

    def find(self, ids):
        return {pk: CatalogueItem("Mug", 500, "EUR") for pk in ids}


def test_shows_the_events_that_wait_to_leave(settings, app, monkeypatch):
    for name in ("mongo_url", "broker_url", "cache_url", "jwks_url", "products_url"):
        monkeypatch.setenv(name.upper(), getattr(settings, name))
    wanted = [{"product_id": "mug", "quantity": 1}]
    order = use_cases.place_order("ann", "key", wanted, Shelf(), saga_timeout=60)
    shown = CliRunner().invoke(main, ["events", "outbox", "--json"])
    [row] = json.loads(shown.stdout)
    assert (row["type"], row["subject"]) == ("order.placed", order.id)
    assert row["since"] <= row["due"]
    table = CliRunner().invoke(main, ["events", "outbox"]).stdout.splitlines()
    assert table[0].split() == ["id", "type", "subject", "since", "due"]
    assert table[1].split() == list(row.values())
    Order.objects(id=order.id).update(set__outbox__0__sent=True)  # as on redis://
    use_cases.cancel_order(order.id, "ann")
    shown = CliRunner().invoke(main, ["events", "outbox", "--json"])
    assert [row["type"] for row in json.loads(shown.stdout)] == ["order.cancelled"]
    Order.objects(id=order.id).update(set__outbox__1__sent=True)
    assert CliRunner().invoke(main, ["events", "outbox"]).stdout == "none\n"


def test_a_products_that_cannot_be_asked_ends_the_start_with_a_sentence(settings, monkeypatch):
    for name in ("mongo_url", "broker_url", "cache_url", "jwks_url"):
        monkeypatch.setenv(name.upper(), getattr(settings, name))
    monkeypatch.setenv("PRODUCTS_URL", "products:8002")
    ended = CliRunner().invoke(main, ["events", "dead"])
    assert ended.exit_code == 2
    assert ended.stderr == "settings: PRODUCTS_URL is not of the form http://host:port.\n"
