"""The commands of users."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import marshmallow as ma
from mongoengine import NotUniqueError

from . import app, errors, events, keys, use_cases, worker
from .chassis import commands, database, logs
from .chassis.environment import read_or_exit
from .chassis.outbox import rfc3339
from .schemas import RegistrationSchema
from .settings import Settings


@click.group(cls=commands.Group)
@click.version_option(package_name="users")
def main() -> None:
    """users: who people are."""


def _connect() -> None:
    logs.configure(events.SERVICE, "WARNING")  # a command says what it did in its own words
    database.connect(read_or_exit(Settings).mongo_url)


commands.add_common(
    main,
    connect=_connect,
    work=lambda: worker.work(read_or_exit(Settings)),
    contract=app.make_contract,
    documents=worker.DOCUMENTS,
)


@main.group("admin")
def admin() -> None:
    """Make admins; the first one can only be made here."""


@admin.command("create")
@click.option("--email", required=True)
@click.option("--name", default="Admin", show_default=True)
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Where the password is; otherwise it is asked for, or read from the standard input.",
)
def create_admin(email: str, name: str, password_file: Path | None) -> None:
    """Make an account of an admin, or make the account of this e-mail one.

    An existing account keeps its password. Doing it twice does no harm.
    """
    _connect()
    email = email.lower()
    if use_cases.make_admin(email) is None:
        body = {"email": email, "name": name, "password": _password(password_file)}
        try:
            use_cases.register(**RegistrationSchema().load(body), admin=True)
        except ma.ValidationError as error:
            wrong = error.normalized_messages()
            found = [f"{field}: {' '.join(said)}" for field, said in wrong.items()]
            raise click.ClickException("; ".join(found)) from None
        except errors.WeakPassword as error:
            raise click.ClickException(str(error)) from None
        except errors.EmailTaken:  # at this very moment, by another process
            use_cases.make_admin(email)
    click.echo(f"{email} is an admin")


def _password(file: Path | None) -> str:
    """The first line of the file, or of what is typed; never from the command line, where
    everybody on the machine could read it.
    """
    if file:
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    if sys.stdin.isatty():
        return click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return sys.stdin.readline().rstrip("\r\n")


@main.group("keys")
def key_commands() -> None:
    """The keys that sign tokens."""


@key_commands.command("list")
def list_keys() -> None:
    """Show the keys, oldest first."""
    _connect()
    for key in keys.read():
        _show(key)


@key_commands.command("rotate")
def rotate_keys() -> None:
    """Make a new key; it signs as soon as everybody can know it."""
    _connect()
    try:
        _show(keys.rotate())
    except NotUniqueError:
        raise click.ClickException("another rotation is under way") from None


def _show(key: keys.Key) -> None:
    click.echo(f"{key.kid}  {key.state:9}  signs from {rfc3339(key.signs_from)}")
