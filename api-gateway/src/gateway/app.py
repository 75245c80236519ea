"""create_app(): the one place where the gateway is put together."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from flask import Flask, Response, abort, request
from werkzeug.middleware.proxy_fix import ProxyFix

from . import contract, cors, forwarding, health, limits, messages, window
from .cache import Cache
from .chassis import auth, http_metrics, logs, problems, swagger, tracing
from .chassis.environment import read
from .chassis.published_keys import PublishedKeys
from .door import Door
from .forwarding import Upstream
from .routing import TABLE, Row
from .settings import Settings
from .store import Store

_ID = re.compile(r"[\w-]{1,64}", re.ASCII)  # in no URL can it mean anything but an id
SAFE = {"GET", "HEAD"}
SHARED = {row.service for row in TABLE if row.shared}  # services with answers for all
_SECURE = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI app; the settings come from the environment unless given."""
    settings = settings or read(Settings)
    logs.configure("gateway", settings.log_level)
    tracing.export("gateway", settings.otel_exporter_otlp_endpoint)
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # /docs//start.js is not a path here; nobody is redirected
    logs.init_app(app)
    http_metrics.init_app(app)
    app.before_request(_refuse_slashes)
    app.after_request(_secure)
    problems.init_app(app, forwarding.STATUSES)
    auth.check_tokens(
        app,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        find_key=PublishedKeys(settings.jwks_url),
    )
    cors.init_app(app, settings.cors_origins)
    store = Store(settings.cache_url)
    limits.init_app(app, settings, store)
    upstreams = {name: Upstream(name, url, settings) for name, url in settings.services.items()}
    app.extensions["upstreams"] = upstreams
    cache = app.extensions["cache"] = Cache(store)
    for row in TABLE:
        view = _view(row, upstreams[row.service], cache)
        app.add_url_rule(row.path, row.name, view, methods=row.methods)
    health.init_app(app, settings.services, store)
    window.init_app(app, settings.services)
    swagger.init_app(app, "shop", contract.published(Path(settings.contracts_dir)))
    Door(app, settings.upstream_connections)
    if proxies := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies
        )
    return app


def _view(row: Row, upstream: Upstream, cache: Cache) -> Callable[..., Response]:
    def forward() -> Response:
        return upstream.forward(row)

    def view(**ids: str) -> Response:
        if not row.public:
            auth.verify()
        if not all(map(_ID.fullmatch, ids.values())):
            abort(404)
        if row.shared:
            messages.body(row.body, 0)  # refuses one
            return cache.answer(row.service, messages.target(), forward)
        if row.service not in SHARED or request.method in SAFE:
            return forward()
        try:
            return forward()
        finally:  # also when it failed: a change whose answer was lost may have happened
            cache.forget(row.service)

    return view


def _refuse_slashes() -> None:
    if request.environ["PATH_INFO"].startswith("//"):
        abort(404)  # werkzeug drops all slashes but one, so that //orders would be /orders


def _secure(response: Response) -> Response:
    for name, value in _SECURE.items():
        response.headers.setdefault(name, value)
    return response
