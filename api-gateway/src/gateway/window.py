"""/: the shop window, one page on the public API alone; and the files that it is made of."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterable
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, render_template, request

_FILES = Path(__file__).with_name("static")
# Strict: no script and no style but these files, no text that becomes HTML, and no form that the
# browser sends by itself, so that without JavaScript no password ends up in an address.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def init_app(app: Flask, services: Iterable[str]) -> None:
    """Serve / and /window/<file>."""
    pages = Blueprint("window", __name__, template_folder="templates")
    files = {path.name: path.read_bytes() for path in _FILES.iterdir()}

    @pages.get("/")
    def page() -> Response:
        response = _answer(render_template("window.html", services=services).encode(), "text/html")
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    @pages.get("/window/<name>")
    def file(name: str) -> Response:
        if name not in files:
            abort(404)
        return _answer(files[name], mimetypes.guess_type(name)[0] or "text/plain")

    app.register_blueprint(pages)


def _answer(body: bytes, mimetype: str) -> Response:
    """What a browser asks for anew each time, and gets only when it has changed."""
    response = Response(body, mimetype=mimetype)
    response.set_etag(hashlib.sha256(body).hexdigest()[:20])
    response.cache_control.no_cache = True
    return response.make_conditional(request)
