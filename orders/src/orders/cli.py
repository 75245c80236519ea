"""The commands of orders."""

from __future__ import annotations

import click

from . import app, worker
from .chassis import commands, database
from .chassis.environment import read_or_exit
from .models import Order
from .settings import Settings


@click.group(cls=commands.Group)
@click.version_option(package_name="orders")
def main() -> None:
    """orders: what was bought, and what became of it."""


commands.add_common(
    main,
    connect=lambda: database.connect(read_or_exit(Settings).mongo_url),
    work=lambda: worker.work(read_or_exit(Settings)),
    contract=app.make_contract,
    documents=(Order,),
)
