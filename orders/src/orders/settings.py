"""Every environment variable of orders, read and checked once."""

from dataclasses import dataclass

from .chassis.environment import Address, setting


@dataclass(frozen=True)
class Settings:
    """What differs between one place where orders runs and another."""

    mongo_url: str = setting("The database, as mongodb://host:port/orders", secret=True)
    broker_url: str = setting("RabbitMQ (amqp://…), or on a laptop redis://…", secret=True)
    cache_url: str = setting("Redis, by which a write wakes the worker", secret=True)
    jwks_url: str = setting("Where users publishes the keys that tokens are checked with")
    products_url: str = setting("Where products is asked for prices, as http://host:port")
    jwt_issuer: str = setting("Whose tokens count", default="shop")
    jwt_audience: str = setting("For whom tokens must be made", default="shop")
    log_level: str = setting("DEBUG, INFO, WARNING or ERROR", default="INFO")
    metrics_bind: Address | None = setting(
        "Where /metrics is served, as host:port; nowhere unless set", default=None
    )
    otel_exporter_otlp_endpoint: str = setting(
        "Where spans are sent, as http://collector:4318; nowhere unless set", default=""
    )
    saga_timeout: float = setting("Seconds until a silent reservation is asked again", default=60.0)
    retry_delays: tuple[float, ...] = setting(
        "Seconds between the tries of an event that failed", default=(1.0, 5.0, 30.0, 120.0, 600.0)
    )
