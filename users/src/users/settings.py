"""Every environment variable of users, read and checked once."""

from dataclasses import dataclass

import limits

from .chassis.environment import Address, SettingsError, setting


@dataclass(frozen=True)
class Settings:
    """What differs between one place where users runs and another."""

    mongo_url: str = setting("The database, as mongodb://host:port/users", secret=True)
    broker_url: str = setting("RabbitMQ (amqp://…), or on a laptop redis://…", secret=True)
    cache_url: str = setting("Redis: counts logins, and wakes the worker", secret=True)
    jwt_issuer: str = setting("Who says so, in every token", default="shop")
    jwt_audience: str = setting("For whom tokens are made", default="shop")
    log_level: str = setting("DEBUG, INFO, WARNING or ERROR", default="INFO")
    metrics_bind: Address | None = setting(
        "Where /metrics is served, as host:port; nowhere unless set", default=None
    )
    otel_exporter_otlp_endpoint: str = setting(
        "Where spans are sent, as http://collector:4318; nowhere unless set", default=""
    )
    login_limit: str = setting("Logins from one address to one e-mail", default="10 per minute")
    login_address_limit: str = setting("Logins from one address", default="300 per minute")
    trusted_proxies: int = setting(
        "How many proxies in front are believed about the caller's address: the gateway", default=1
    )

    def __post_init__(self) -> None:
        for name in ("login_limit", "login_address_limit"):
            try:
                limits.parse_many(getattr(self, name))
            except ValueError:
                raise SettingsError(f"{name.upper()} is not like '10 per minute'.") from None
