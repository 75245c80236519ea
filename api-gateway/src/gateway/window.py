"""/: the shop window, one page on the public API alone; and the files that it is made of."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, Flask, Response, render_template, request

# Strict: no script and no style but these files, no text that becomes HTML, and no form that the
# browser sends by itself, so that without JavaScript no password ends up in an address.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def init_app(app: Flask, services: Iterable[str]) -> None:
    """Serve / and /window/<file>; a browser asks anew each time, and gets only what has changed."""
    folders = {"template_folder": "templates", "static_folder": "static"}
    pages = Blueprint("window", __name__, static_url_path="/window", **folders)

    @pages.get("/")
    def page() -> Response:
        response = Response(render_template("window.html", services=services), mimetype="text/html")
        response.headers["Content-Security-Policy"] = _POLICY
        response.cache_control.no_cache = True
        response.add_etag()
        return response.make_conditional(request)

    app.register_blueprint(pages)
