"""Reads a service's settings from the environment, once, and says in a sentence what is wrong."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, field, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints

T = TypeVar("T")


class SettingsError(ValueError):
    """A setting is missing, unknown or unreadable; the text says which and what to do."""


class Address(NamedTuple):
    """Where something listens, as host:port."""

    host: str
    port: int


_AT = r"([^/@\s]*@)?([^/?#@:\s]+|\[[\da-fA-F:]+\])(:\d+)?"  # user:password@host:port
_HTTP = rf"https?://{_AT}(/\S*)?"

# A setting of one of these names is of the same form in every service: as told, and as checked.
FORMS = {
    "LOG_LEVEL": ("one of DEBUG, INFO, WARNING and ERROR", r"(?i:DEBUG|INFO|WARNING|ERROR)"),
    "MONGO_URL": (
        "of the form mongodb://…/database",
        r"mongodb(\+srv)?://[^/?\s]+/[^/?\s]+(\?\S*)?",  # without a name all would be in `test`
    ),
    "BROKER_URL": ("of the form amqp://… or redis://…", r"(amqp|redis)s?://\S+"),
    "CACHE_URL": (
        "of the form redis://…",
        rf"rediss?://{_AT}([/?]\S*)?|unix://\S+|memory://",  # the last for the gateway alone
    ),
    "JWKS_URL": ("of the form http://host:port/path", _HTTP),
    "PRODUCTS_URL": ("of the form http://host:port", _HTTP),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("of the form http://host:port", _HTTP),
}
WANTED = {
    Address | None: "host:port",
    int: "a number",
    float: "a number of seconds",
    tuple[float, ...]: "numbers of seconds, as 1,5,30",
}
YEAR = 366 * 86_400  # no number that is set here is larger, be it of seconds


def setting(about: str, *, default: Any = MISSING, secret: bool = False) -> Any:
    """A field of a settings dataclass. Without a default it must be set; secrets are not shown."""
    return field(default=default, repr=not secret, metadata={"about": about})


def read(settings: type[T], environ: Mapping[str, str] = os.environ) -> T:
    """The settings in `environ`: each from NAME, or from the file that NAME_FILE names.

    Raises SettingsError for one that is missing, cannot be read, or is not known (a variable
    whose first word is that of a setting, such as MONGO_URI beside MONGO_URL, is a mistake).
    """
    known = {f.name.upper(): f for f in fields(settings)}  # type: ignore[arg-type]
    families = {name.split("_")[0] for name in known} - {"OTEL"}  # its library reads more of them
    for name in environ:
        if name.split("_")[0] in families and name.removesuffix("_FILE") not in known:
            raise SettingsError(f"{name} is not a setting; known are {', '.join(sorted(known))}.")
    types = get_type_hints(settings)
    values = {}
    for name, known_field in known.items():
        text = _text(name, environ)
        if text is not None:
            values[known_field.name] = _parse(name, text, types[known_field.name])
        elif known_field.default is MISSING:
            raise SettingsError(f"{name} is not set: {known_field.metadata['about']}.")
    return settings(**values)


def read_or_exit(settings: type[T]) -> T:
    """As `read`, but a mistake ends the process with its sentence and exit status 2."""
    try:
        return read(settings)
    except SettingsError as error:
        print(f"settings: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _text(name: str, environ: Mapping[str, str]) -> str | None:
    if (path := environ.get(f"{name}_FILE")) is None:
        return environ.get(name) or None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{name}_FILE cannot be read: {error}.") from None


def _parse(name: str, text: str, kind: Any) -> Any:
    form, pattern = FORMS.get(name, ("", r"(?s:.*)"))
    if not re.fullmatch(pattern, text):
        raise SettingsError(f"{name} is not {form}.")  # without the text: it may hold a password
    try:
        if kind == tuple[float, ...]:
            return tuple(_number(float, part) for part in text.split(","))
        if kind == tuple[str, ...]:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        if kind == Address | None:
            host, port = text.rsplit(":", 1)
            return Address(host.strip("[]"), _number(int, port, most=65_535))
        return _number(kind, text) if kind in (int, float) else kind(text)
    except ValueError:
        wanted = WANTED.get(kind, kind)
        raise SettingsError(f"{name} cannot be read as {wanted}: {text!r}.") from None


def _number(kind: type[T], text: str, most: int = YEAR) -> T:
    """Neither negative, nor too large, nor "nan"."""
    number: Any = kind(text)  # type: ignore[call-arg]
    if not 0 <= number <= most:
        raise ValueError(text)
    return number
