"""Every environment variable of the gateway, read and checked once."""

from __future__ import annotations

import re
from dataclasses import dataclass

from limits import parse_many

from .chassis.environment import Address, SettingsError, setting

_SERVICE_URL = re.compile(r"https?://[\w.-]+(:\d+)?|https?://\[[\da-f:]+\](:\d+)?", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://[\w.-]+(:\d+)?")


@dataclass(frozen=True)
class Settings:
    """What differs between one place where the gateway runs and another."""

    users_url: str = setting("Where users is, as http://host:port")
    products_url: str = setting("Where products is, as http://host:port")
    orders_url: str = setting("Where orders is, as http://host:port")
    notifications_url: str = setting("Where notifications is, as http://host:port")
    cache_url: str = setting("Redis, in which requests are counted", secret=True)
    jwks_url: str = setting("Where users publishes the keys that tokens are checked with")
    jwt_issuer: str = setting("Whose tokens count", default="shop")
    jwt_audience: str = setting("For whom tokens must be made", default="shop")
    cors_origins: tuple[str, ...] = setting(
        "Pages of which origins may call, as https://shop.example,…; none unless listed", default=()
    )
    contracts_dir: str = setting("The folder of <service>.openapi.json", default="../contracts")
    log_level: str = setting("DEBUG, INFO, WARNING or ERROR", default="INFO")
    metrics_bind: Address | None = setting(
        "Where /metrics is served, as host:port; nowhere unless set", default=None
    )
    otel_exporter_otlp_endpoint: str = setting(
        "Where spans are sent, as http://collector:4318; nowhere unless set", default=""
    )
    rate_limit: str = setting("Requests of one address, all told", default="600/minute")
    login_rate_limit: str = setting(
        "Requests of one address that cost a password hash", default="300/minute"
    )
    trusted_proxies: int = setting(
        "How many proxies stand before the gateway and say whom they speak for", default=0
    )
    client_timeout: float = setting("Seconds that a client may take to send a body", default=15.0)
    upstream_timeout: float = setting("Seconds that a service may stay silent", default=10.0)
    upstream_connections: int = setting("Requests at once to one service", default=16)

    def __post_init__(self) -> None:
        for service, url in self.services.items():
            if not _SERVICE_URL.fullmatch(url):
                raise SettingsError(f"{service.upper()}_URL is not of the form http://host:port.")
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                # a "*" too: whoever may call must have been named
                raise SettingsError(f"CORS_ORIGINS: {origin!r} is not of the form https://host.")
        for name in ("rate_limit", "login_rate_limit"):
            try:
                parse_many(getattr(self, name))
            except ValueError:
                raise SettingsError(f"{name.upper()} is not of the form 600/minute.") from None

    @property
    def services(self) -> dict[str, str]:
        """Where each service is."""
        return {
            "users": self.users_url,
            "products": self.products_url,
            "orders": self.orders_url,
            "notifications": self.notifications_url,
        }
