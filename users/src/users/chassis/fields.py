"""Fields whose bounds are known: of values from outside they refuse what a database refuses."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

MAX_INTEGER = 2**53 - 1  # what every reader of JSON keeps exactly


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
