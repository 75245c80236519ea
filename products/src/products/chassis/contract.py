"""The contract: what the routes, schemas and events of a service promise, as OpenAPI 3.1."""

from __future__ import annotations

import functools
import json
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

from . import problems
from .auth import access_of

EXCHANGE = "shop"


class ProblemErrorSchema(ma.Schema):
    """One value that is not valid."""

    pointer = ma.fields.String(
        required=True,
        metadata={"description": "JSON Pointer into the body, or query/…, path/…, headers/…"},
    )
    message = ma.fields.String(required=True)


class ProblemSchema(ma.Schema):
    """What every error answer looks like (RFC 9457)."""

    type = ma.fields.String(required=True, metadata={"description": "A URN, or about:blank"})
    title = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    detail = ma.fields.String(required=True)
    instance = ma.fields.String(required=True)
    request_id = ma.fields.String(required=True, metadata={"description": "Finds it in the logs"})
    errors = ma.fields.List(ma.fields.Nested(ProblemErrorSchema))


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

    def route(self, rule: str, *, errors: Iterable[int] = (), **options: Any) -> Callable:
        """As flask-smorest's; `errors` lists the statuses of problems that the view can answer."""
        register = super().route(rule, **options)

        def decorator(view: Callable) -> Callable:
            arguments = getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", ())
            places = {argument["in"] for argument in arguments}
            documented = view if "query" in places else _without_query(view)
            documented = self.doc(operationId=view.__name__)(documented)
            access = access_of(view)
            statuses = {*errors, 422}
            if access == "public":
                documented = self.doc(security=[])(documented)
            else:
                statuses |= {401, 503} if access is None else {401, 403, 503}
            if "json" in places:
                statuses |= {400, 413, 415}
            for status in sorted(statuses):
                documented = self.alt_response(status, response=_name(status))(documented)
            return register(documented)

        return decorator


class Api(flask_smorest.Api):
    """flask-smorest's Api, with problems as errors and events as webhooks."""

    ERROR_SCHEMA = ProblemSchema

    def handle_http_exception(self, error: HTTPException) -> Response:
        return problems.from_http_exception(error)

    def _register_responses(self) -> None:
        phrases = {_name(s): problems.phrase(s) for s in map(int, HTTPStatus) if s >= 400}
        for name, phrase in {**phrases, "DEFAULT_ERROR": "Any other problem"}.items():
            response = {"description": phrase, "schema": self.ERROR_SCHEMA}
            prepare_response(response, self.spec, problems.MEDIA_TYPE)
            self.spec.components.response(name, response, lazy=True)


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
) -> Api:
    """The Api of an app. `tells` and `hears` are {event type: JSON Schema of its data}."""
    app.config.update(API_TITLE=title, API_VERSION=version, OPENAPI_VERSION="3.1.0")
    api = Api(
        app,
        spec_kwargs={
            "info": {"description": description, "license": {"name": "MIT", "identifier": "MIT"}},
            "servers": [{"url": "/", "description": "Where this page came from"}],
            "security": [{"bearer": []}],
            "webhooks": {name: _webhook(service, name, data) for name, data in tells.items()},
            "x-hears": {
                "queue": f"{service}.events",
                "exchange": EXCHANGE,
                "events": {name: {"data": data} for name, data in hears.items()},
            },
        },
    )
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    api.spec.components.security_scheme("bearer", bearer)
    if tells:
        api.spec.components.schema("Event", _ENVELOPE)
    return api


def export(api: Api) -> bytes:
    """The contract as it is committed: sorted, indented, the same bytes every time."""
    text = json.dumps(api.spec.to_dict(), indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode()


_ENVELOPE = {
    "type": "object",
    "description": "A CloudEvents 1.0 envelope, in its structured JSON form.",
    "required": ["specversion", "id", "source", "type", "subject", "time", "sequence", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "description": "Of the fact: a repeat has the same id"},
        "source": {"type": "string", "examples": ["/orders"]},
        "type": {"type": "string", "examples": ["order.placed"]},
        "subject": {"type": "string", "description": "Id of what it happened to"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "sequence": {"type": "integer", "description": "The subject's version after the fact"},
        "traceparent": {"type": "string"},
        "data": {"type": "object"},
    },
}


def _name(status: int) -> str:
    """What the answer is called in the contract, on every Python: CONTENT_TOO_LARGE."""
    return problems.phrase(status).upper().replace(" ", "_").replace("-", "_").replace("'", "")


def _webhook(service: str, name: str, data: Mapping) -> dict:
    event = {
        "allOf": [
            {"$ref": "#/components/schemas/Event"},
            {"type": "object", "properties": {"type": {"const": name}, "data": data}},
        ]
    }
    summary = data.get("description", name)
    return {
        "post": {
            "operationId": "tell_" + name.replace(".", "_"),
            "summary": summary,
            "tags": ["events"],
            "security": [],
            "x-amqp": {"exchange": EXCHANGE, "exchangeType": "topic", "routingKey": name},
            "requestBody": {
                "required": True,
                "content": {"application/cloudevents+json": {"schema": event}},
            },
            "responses": {"202": {"description": f"Taken; {service} hears no answer"}},
        }
    }
