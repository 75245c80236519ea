"""create_app(): the one place where the web side of users is put together."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask

from . import events, login_limits, routes, tokens
from .chassis import (
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
from .models import Session, User
from .settings import Settings

MAX_BODY = 16 * 1024


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI app; the settings come from the environment unless given."""
    settings = settings or read(Settings)
    logs.configure(events.SERVICE, settings.log_level)
    tracing.export(events.SERVICE, settings.otel_exporter_otlp_endpoint)
    database.connect(settings.mongo_url)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    logs.init_app(app)
    http_metrics.init_app(app)
    tokens.init_app(app, issuer=settings.jwt_issuer, audience=settings.jwt_audience)
    count_check = login_limits.init_app(app, settings)
    wake.init_app(app, settings.cache_url, events.SERVICE)
    api = _api(app, {"cache": count_check})
    swagger.init_app(app, "users", {events.SERVICE: contract.export(api)})
    return app


def make_contract() -> bytes:
    """The OpenAPI contract; needs no settings and no database."""
    return contract.export(_api(Flask(__name__)))


def _api(app: Flask, checks: Mapping[str, health.Check] | None = None) -> contract.Api:
    problems.init_app(app, routes.STATUSES)
    api = contract.make_api(
        app,
        service=events.SERVICE,
        title="users",
        version="0.2.0",
        description="Who people are.",
        tells=events.TELLS,
        hears=events.HEARS,
        heard_by=events.HEARD_BY,
    )
    for blueprint in (routes.auth, routes.users, routes.well_known):
        api.register_blueprint(blueprint)
    health.register(app, api, (User, Session), checks)
    return api
