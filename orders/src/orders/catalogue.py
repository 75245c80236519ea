"""Products, as orders sees it: one question, what do these cost?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from structlog.contextvars import get_contextvars

from .chassis import tracing
from .chassis.breaker import Breaker, Refused
from .chassis.logs import log
from .errors import CatalogueUnavailable
from .products_api import ProductPage

AT_ONCE = 4  # more would only wait there: for each other, or for a products that hangs
TIMEOUT = (1, 2)  # seconds to connect, and of silence


@dataclass(frozen=True)
class CatalogueItem:
    """A product on sale; the amount is in minor units (cents)."""

    name: str
    amount: int
    currency: str


class Catalogue:
    """Asks products over HTTP: seconds at most, few at once, and not while it does not answer."""

    def __init__(self, products_url: str) -> None:
        self.url = f"{products_url.rstrip('/')}/products"
        self.breaker = Breaker("products", AT_ONCE)
        self.session = requests.Session()
        self.session.trust_env = False  # no look-up of proxies at every call: a quarter faster
        self.session.mount("http", HTTPAdapter(pool_maxsize=AT_ONCE))

    def find(self, ids: list[str]) -> dict[str, CatalogueItem]:
        """The products on sale among `ids`, by id. Raises CatalogueUnavailable."""
        known = get_contextvars()
        headers = {tracing.HEADER: tracing.current()}
        if "request_id" in known:
            headers["X-Request-Id"] = known["request_id"]
        query: dict[str, list[str] | int] = {"id": ids, "limit": len(ids)}
        try:
            with self.breaker.call(requests.RequestException):
                answer = self._ask(params=query, headers=headers, timeout=TIMEOUT)
                if answer.status_code >= 500:
                    answer.raise_for_status()
            answer.raise_for_status()
            page: ProductPage = answer.json()
            return {
                found["id"]: CatalogueItem(
                    found["name"], found["price"]["amount"], found["price"]["currency"]
                )
                for found in page["items"]
            }
        except Refused as refused:
            raise CatalogueUnavailable(refused.retry_after) from refused
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            log.warning("catalogue.unavailable", error=repr(error))
            raise CatalogueUnavailable from error

    def _ask(self, **question: Any) -> requests.Response:
        try:
            return self.session.get(self.url, **question)
        except requests.Timeout:
            raise  # whoever was silent once is not waited for again
        except requests.ConnectionError:
            # a kept connection that products has just closed: once more, on a fresh one
            return self.session.get(self.url, **question)
