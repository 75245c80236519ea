"""create_app(): the one place where the web side of products is put together."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask

from . import events, routes
from .cache import Cache
from .chassis import (
    auth,
    contract,
    database,
    health,
    http_metrics,
    logs,
    problems,
    swagger,
    tracing,
    wake,
)
from .chassis.environment import read
from .chassis.published_keys import PublishedKeys
from .chassis.sessions import Sessions
from .models import Product
from .reservations import Reservation
from .settings import Settings

MAX_BODY = 64 * 1024


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI app; the settings come from the environment unless given."""
    settings = settings or read(Settings)
    logs.configure(events.SERVICE, settings.log_level)
    tracing.export(events.SERVICE, settings.otel_exporter_otlp_endpoint)
    database.connect(settings.mongo_url)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    cache = app.extensions["cache"] = Cache(settings.cache_url, f"{events.SERVICE}:")
    logs.init_app(app)
    http_metrics.init_app(app)
    sessions = Sessions()
    auth.init_app(
        app,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        find_key=PublishedKeys(settings.jwks_url),
        has_ended=sessions.has_ended,
    )
    wake.init_app(app, settings.cache_url, events.SERVICE)
    api = _api(app, {"cache": cache.ping, "sessions": sessions.check})
    swagger.init_app(app, "products", {events.SERVICE: contract.export(api)})
    return app


def make_contract() -> bytes:
    """The OpenAPI contract; needs no settings and no database."""
    return contract.export(_api(Flask(__name__)))


def _api(app: Flask, checks: Mapping[str, health.Check] | None = None) -> contract.Api:
    problems.init_app(app, routes.STATUSES)
    api = contract.make_api(
        app,
        service=events.SERVICE,
        title="products",
        version="0.2.0",
        description="What is for sale, and how many are left.",
        tells=events.TELLS,
        hears=events.HEARS,
        heard_by=events.HEARD_BY,
    )
    api.register_blueprint(routes.products)
    health.register(app, api, (Reservation, Product), checks)
    return api
