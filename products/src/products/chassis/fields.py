"""Fields whose bounds are known: of values from outside they refuse what a database refuses."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validate

MAX_INTEGER = 2**53 - 1  # what every reader of JSON keeps exactly


class In(Schema):
    """What comes in: nothing undeclared."""

    class Meta:
        unknown = RAISE


class Out(Schema):
    """What goes out: readers must take more than what is declared, so that it may grow."""

    class Meta:
        unknown = EXCLUDE


class Integer(fields.Integer):
    """A JSON integer: no "3", no 3.0, no true."""

    def __init__(self, *, low: int, high: int, **options: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(low, high), **options)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, *args, **options)


class Number(fields.Integer):
    """An integer in a query string: plain digits."""

    def _deserialize(self, value: str, *args: Any, **options: Any) -> int:
        if not (value.isascii() and value.isdigit()):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, *args, **options)


class Text(fields.String):
    """A string of bounded length that every database and every UTF-8 reader can keep."""

    def __init__(self, *, low: int = 1, high: int, **options: Any) -> None:
        checks = [validate.Length(low, high), *options.pop("also", ())]
        super().__init__(validate=checks, **options)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> str:
        text = super()._deserialize(value, *args, **options)
        if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
            raise ValidationError("Has characters that cannot be stored.")
        return text


class Pattern(validate.Regexp):
    """As JSON Schema reads a pattern: `$` is the end, not before a last newline."""

    def __call__(self, value: str) -> str:
        if self.regex.fullmatch(value) is None:
            raise ValidationError(self.error)
        return value


class Id(Text):
    """An id as the services make them: fifty fit in a query string, whatever was asked for."""

    def __init__(self, **options: Any) -> None:
        check = Pattern("^[A-Za-z0-9-]*$", error="Letters, digits and -")
        super().__init__(high=64, also=[check], **options)


class Cursor(Text):
    """The `next_cursor` of the page before, as base64url."""

    def __init__(self, **options: Any) -> None:
        check = Pattern("^[A-Za-z0-9_-]*$", error="Not a next_cursor.")
        meta = {"description": "next_cursor of the page before"}
        super().__init__(high=512, also=[check], metadata=meta, **options)
