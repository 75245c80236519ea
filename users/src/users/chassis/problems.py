"""Problems: every error answer has one shape, RFC 9457's application/problem+json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, json, request
from werkzeug.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"

_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}
DETAILS = {
    400: "The request could not be read: its JSON or its HTTP is malformed.",
    404: "Nothing is here.",
    405: "This method is not offered here; see the Allow header.",
    413: "The body is larger than this route takes.",
    415: "Send the body as application/json.",
    422: "Some values are not valid; see errors.",
    500: "Something went wrong here; the request id finds it in the logs.",
    503: "Something that this needs is away; try again shortly.",
}


def problem(
    status: int,
    detail: str | None = None,
    *,
    type: str = "about:blank",
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error answer. `errors` lists {pointer, message}; `type` is a URN for domain errors."""
    body: dict[str, Any] = {
        "type": type,
        "title": phrase(status),
        "status": status,
        "detail": detail or DETAILS.get(status) or HTTPStatus(status).description,
        "instance": request.path,
        "request_id": g.get("request_id", ""),
    }
    if errors:
        body["errors"] = errors
    response = Response(json.dumps(body), status, mimetype=MEDIA_TYPE)
    response.headers.update(headers or {})
    return response


def phrase(status: int) -> str:
    """The status in words, as RFC 9110 has them; Python before 3.13 has older ones for some."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def init_app(app: Flask, statuses: Mapping[type[Exception], int] | None = None) -> None:
    """Answer HTTP errors, and the domain errors in `statuses`, as problems.

    A domain error's text is the detail and its class name the type; it may carry `errors`
    and `retry_after` (seconds).
    """
    app.register_error_handler(HTTPException, from_http_exception)
    for error, status in (statuses or {}).items():
        app.register_error_handler(error, lambda e, status=status: _from_domain(e, status))


def from_http_exception(error: HTTPException) -> Response:
    """The problem for what Flask, werkzeug or webargs raised."""
    if error.response is not None and error.code is None:
        return error.response  # a redirect, or an answer somebody made on purpose
    messages = getattr(error, "data", {}).get("messages", {})
    headers = {k: v for k, v in error.get_headers() if k in ("Allow", "Retry-After")}
    return problem(error.code or 500, errors=list(_flatten(messages)), headers=headers)


def _from_domain(error: Exception, status: int) -> Response:
    retry_after = getattr(error, "retry_after", 1 if status == 503 else None)
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    ours = type(error).__module__.startswith(f"{__name__.partition('.')[0]}.")
    if not ours:  # a library's words may name hosts
        return problem(status, headers=headers)
    name = type(error).__name__
    kebab = "".join(f"-{c.lower()}" if c.isupper() else c for c in name).strip("-")
    return problem(
        status,
        str(error) or None,
        type=f"urn:shop:problem:{kebab}",
        errors=getattr(error, "errors", None),
        headers=headers,
    )


def _flatten(messages: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """webargs' {place: {field: [...]}} as pointers: /items/0 in a body, query/limit elsewhere."""
    for place, tree in messages.items():
        root = "" if place == "json" else place
        yield from _walk(tree, root)


def _walk(tree: Any, pointer: str) -> Iterator[dict[str, str]]:
    if isinstance(tree, Mapping):
        for key, below in tree.items():
            yield from _walk(below, pointer if key == "_schema" else f"{pointer}/{key}")
    elif isinstance(tree, list):
        for below in tree:
            yield from _walk(below, pointer)
    else:
        yield {"pointer": pointer, "message": str(tree)}
