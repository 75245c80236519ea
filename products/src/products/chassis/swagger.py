"""/docs: Swagger UI over the contracts, with everything served from here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Flask, Response, abort, send_from_directory

from .auth import public

_ASSETS = Path(flask_swagger_ui.__file__).parent / "dist"
_SERVED = {"swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js"}
_SERVED |= {"index.css", "favicon-16x16.png", "favicon-32x32.png"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css"><link rel="stylesheet" href="/docs/index.css">
</head><body><div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/swagger-ui-standalone-preset.js"></script>
<script src="/docs/start.js"></script></body></html>
"""
_START = """window.ui = SwaggerUIBundle({
  urls: %s,
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  showExtensions: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  layout: "StandaloneLayout",
});
"""


def init_app(app: Flask, title: str, contracts: Mapping[str, bytes]) -> None:
    """Serve /docs with a chooser of `contracts` (name → JSON), and the first as /openapi.json."""
    pages = Blueprint("swagger", __name__)
    urls = [{"name": name, "url": f"/docs/{name}.openapi.json"} for name in contracts]
    first = next(iter(contracts.values()))

    @pages.get("/openapi.json")
    @public
    def openapi() -> Response:
        return Response(first, mimetype="application/json")

    @pages.get("/docs")
    @public
    def docs() -> Response:
        policy = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
        return Response(_PAGE.format(title=title), mimetype="text/html", headers=policy)

    @pages.get("/docs/start.js")
    @public
    def start() -> Response:
        return Response(_START % json.dumps(urls), mimetype="text/javascript")

    @pages.get("/docs/<name>.openapi.json")
    @public
    def contract(name: str) -> Response:
        if name not in contracts:
            abort(404)
        return Response(contracts[name], mimetype="application/json")

    @pages.get("/docs/<asset>")
    @public
    def asset(asset: str) -> Response:
        if asset not in _SERVED:
            abort(404)
        return send_from_directory(_ASSETS, asset, max_age=86400)

    app.register_blueprint(pages)
