"""The contract: what the routes, schemas and events of a service promise, as OpenAPI 3.1."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

import flask_smorest
import marshmallow as ma
from flask import Flask, Response, abort, request
from flask import Request as FlaskRequest
from flask_smorest.utils import prepare_response
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import HTTPException

from . import answers, problems, webhooks
from .auth import access_of

_PARAMETER = re.compile(r"<(\w+)>")
_ID = {"type": "string", "minLength": 1, "maxLength": 64}
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The access token of POST /auth/login, checked as RFC8725 asks: only RS256, "
    "only keys that users publishes, and issuer, audience and lifetime each time.",
}
_SERVER = {
    "url": "/",
    "description": "Where this page came from: the same in local, staging and production use",
    "x-internal": True,  # the world comes through the gateway
}


class _Parser(FlaskParser):
    """Refuses what is not declared: unknown fields and parameters, other media types."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": ma.RAISE, "query": ma.RAISE, "headers": ma.EXCLUDE}

    def load_json(self, req: FlaskRequest, schema: ma.Schema) -> Any:
        if not req.is_json:
            abort(415)
        try:
            return super().load_json(req, schema)
        except (RecursionError, ValueError):  # brackets or digits by the thousand
            abort(400)


class Blueprint(flask_smorest.Blueprint):
    """flask-smorest's Blueprint, whose routes document who may call and what can go wrong."""

    ARGUMENTS_PARSER = _Parser()

    def arguments(self, schema: Any, *, location: str = "json", **options: Any) -> Callable:
        """As flask-smorest's, with the example of the schema."""
        if isinstance(schema, type):
            schema = schema()  # else webargs makes one for each request
        if location == "json":
            options["example"] = schema.example
        return super().arguments(schema, location=location, **options)

    def response(self, status: int, schema: Any = None, **options: Any) -> Callable:
        """As flask-smorest's, with the example of the schema."""
        example = getattr(schema, "example", None)
        return super().response(status, schema, example=example, **options)

    def route(self, rule: str, *, errors: Iterable[int] = (), **options: Any) -> Callable:
        """As flask-smorest's; `errors` lists the statuses of problems that the view can answer."""
        ids = [{"in": "path", "name": name, "schema": _ID} for name in _PARAMETER.findall(rule)]
        register = super().route(rule, parameters=ids, **options)

        def decorator(view: Callable) -> Callable:
            arguments = getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", ())
            places = {argument["in"] for argument in arguments}
            documented = view if "query" in places else _without_query(view)
            documented = self.doc(operationId=view.__name__)(documented)
            access = access_of(view)
            statuses = {*errors, 422, 500}
            documented = self.doc(security=[] if access == "public" else [{"bearer": []}])(
                documented
            )
            if access != "public":
                statuses |= {401, 503} if access is None else {401, 403, 503}
            if "json" in places:
                statuses |= {400, 413, 415}
            for status in sorted(statuses):
                documented = self.alt_response(status, response=answers.name(status))(documented)
            return register(documented)

        return decorator


class Api(flask_smorest.Api):
    """flask-smorest's Api, with problems as errors and events as webhooks."""

    ERROR_SCHEMA = answers.ProblemSchema
    DEFAULT_ERROR_RESPONSE_NAME = None  # each operation lists its own

    def handle_http_exception(self, error: HTTPException) -> Response:
        return problems.from_http_exception(error)

    def _register_responses(self) -> None:
        for status in (int(status) for status in HTTPStatus if status >= 400):
            response = answers.response(status)
            prepare_response(response, self.spec, problems.MEDIA_TYPE)
            self.spec.components.response(answers.name(status), response, lazy=True)

    def _register_pagination_header(self) -> None:
        """Lists here have no such header: they end with a cursor."""


def _without_query(view: Callable) -> Callable:
    """A view that refuses query parameters, since it declares none."""

    @functools.wraps(view)
    def strict(*args: Any, **options: Any) -> Any:
        if request.args:
            flask_smorest.abort(
                422, messages={"query": {name: ["Unknown field."] for name in request.args}}
            )
        return view(*args, **options)

    return strict


def make_api(
    app: Flask,
    *,
    service: str,
    title: str,
    version: str,
    description: str,
    tells: Mapping[str, Mapping],
    hears: Mapping[str, Mapping],
    heard_by: Mapping[str, Iterable[str]],
) -> Api:
    """The Api of an app. `tells` and `hears` are {event type: JSON Schema of its data}.

    `heard_by` names the services that each event is told for; others may listen too.
    """
    app.config.update(API_TITLE=title, API_VERSION=version, OPENAPI_VERSION="3.1.0")
    api = Api(
        app,
        spec_kwargs={
            "info": {"description": description, "license": {"name": "MIT", "identifier": "MIT"}},
            "servers": [_SERVER],
            "security": [{"bearer": []}],
            "webhooks": {
                name: webhooks.webhook(service, name, data, heard_by.get(name, ()))
                for name, data in tells.items()
            },
            "x-hears": webhooks.hears(service, hears),
        },
    )
    api.register_field(ma.fields.Integer, "integer", "int64")
    api.ma_plugin.converter.add_attribute_function(_length_of_times)
    api.spec.components.security_scheme("bearer", _BEARER)
    if tells:
        api.spec.components.schema("Event", webhooks.ENVELOPE)
        api.spec.tag({"name": "events", "description": "What the service tells the others"})
    return api


def export(api: Api) -> bytes:
    """The contract as it is committed: sorted, indented, the same bytes every time."""
    text = json.dumps(api.spec.to_dict(), indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode()


def _length_of_times(_: Any, field: ma.fields.Field, **__: Any) -> dict[str, int]:
    return {"maxLength": 40} if isinstance(field, ma.fields.DateTime) else {}
