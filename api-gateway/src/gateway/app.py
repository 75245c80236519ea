"""create_app(): the one place where the gateway is put together."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from . import contract, forwarding, health, window
from .cache import Cache
from .chassis import auth, logs, problems, swagger, tracing
from .chassis.environment import read
from .chassis.published_keys import PublishedKeys
from .cors import Cors
from .door import Door
from .entrance import CALL, Entrance
from .forwarding import Upstream
from .limits import Limits
from .settings import Settings
from .store import Store


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI app; the settings come from the environment unless given."""
    settings = settings or read(Settings)
    logs.configure("gateway", settings.log_level)
    tracing.export("gateway", settings.otel_exporter_otlp_endpoint)
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # /docs//start.js is not a path here; nobody is redirected
    app.before_request(_know_call)
    problems.init_app(app, forwarding.STATUSES)
    auth.check_tokens(
        app,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        find_key=PublishedKeys(settings.jwks_url),
    )
    store = Store(settings.cache_url)
    health.init_app(app, settings.services, store)
    window.init_app(app, settings.services)
    swagger.init_app(app, "shop", contract.published(Path(settings.contracts_dir)))
    upstreams = {name: Upstream(name, url, settings) for name, url in settings.services.items()}
    cache, door = Cache(store), Door(upstreams, settings.upstream_connections)
    app.extensions.update(upstreams=upstreams, cache=cache, door=door)
    limits, cors = Limits(settings, store), Cors(app, settings.cors_origins)
    Entrance(app, upstreams, cache, door, limits, cors, settings.client_timeout)
    if proxies := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies
        )
    return app


def _know_call() -> None:
    g.request_id = request.environ[CALL].id
