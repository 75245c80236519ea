"""Every environment variable of products, read and checked once."""

from dataclasses import dataclass

from .chassis.environment import Address, setting


@dataclass(frozen=True)
class Settings:
    """What differs between one place where products runs and another."""

    mongo_url: str = setting("The database, as mongodb://host:port/products", secret=True)
    broker_url: str = setting("RabbitMQ (amqp://…), or on a laptop redis://…", secret=True)
    cache_url: str = setting("Redis, which keeps answers and wakes the worker", secret=True)
    jwks_url: str = setting("Where users publishes the keys that tokens are checked with")
    jwt_issuer: str = setting("Whose tokens count", default="shop")
    jwt_audience: str = setting("For whom tokens must be made", default="shop")
    log_level: str = setting("DEBUG, INFO, WARNING or ERROR", default="INFO")
    metrics_bind: Address | None = setting(
        "Where /metrics is served, as host:port; nowhere unless set", default=None
    )
    otel_exporter_otlp_endpoint: str = setting(
        "Where spans are sent, as http://collector:4318; nowhere unless set", default=""
    )
    retry_delays: tuple[float, ...] = setting(
        "Seconds between the tries of an event that failed", default=(1.0, 5.0, 30.0, 120.0, 600.0)
    )
