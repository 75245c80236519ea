"""The commands of the gateway."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from . import contract


@click.group()
@click.version_option(package_name="gateway")
def main() -> None:
    """gateway: the one public door of the shop."""


@main.command("contract")
@click.option(
    "--contracts-dir",
    envvar="CONTRACTS_DIR",
    default="../contracts",
    show_default=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of <service>.openapi.json.",
)
def print_contract(contracts_dir: Path) -> None:
    """Print the OpenAPI contract: what of the services' contracts is public."""
    try:
        sys.stdout.buffer.write(contract.export(contract.union(contract.read(contracts_dir))))
    except contract.ContractError as error:
        raise click.ClickException(str(error)) from None
