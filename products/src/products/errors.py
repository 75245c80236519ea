"""What can go wrong with products and their stock, in words of the domain."""

from __future__ import annotations


class ProductNotFound(Exception):
    """No such product, or one that is no longer for sale."""

    def __init__(self) -> None:
        super().__init__("There is no such product.")


class SkuTaken(Exception):
    """Another product that is for sale has the sku."""

    errors = [{"pointer": "/sku", "message": "Another product has it."}]

    def __init__(self) -> None:
        super().__init__("Another product has this sku.")


class StaleVersion(Exception):
    """The product has changed since its version was read."""

    def __init__(self) -> None:
        super().__init__("The product has changed since you read it; read it again.")


class VersionMissing(Exception):
    """A change must say which version it is made to."""

    def __init__(self) -> None:
        super().__init__("Send If-Match with the ETag that you read, so that no change is lost.")


class PriceRangeUnsorted(Exception):
    """A range of prices is found by the index that sorts by price, and by no other."""

    errors = [{"pointer": "query/sort", "message": "Sort by price or -price with a price range."}]

    def __init__(self) -> None:
        super().__init__("A price range needs sort=price or sort=-price.")


class Busy(Exception):
    """Another worker is at the same order; to be tried again in a moment."""


class NotReserved(Exception):
    """An event speaks of units that this order does not have: somebody must look."""
