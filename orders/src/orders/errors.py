"""What can go wrong with an order, in words of the domain."""

from __future__ import annotations


class OrderNotFound(Exception):
    """No such order, or none that the caller may see."""

    def __init__(self) -> None:
        super().__init__("There is no such order.")


class OrderAlreadyClosed(Exception):
    """A rejected order cannot be cancelled."""

    def __init__(self, status: str) -> None:
        super().__init__(f"The order is {status}; it can no longer be cancelled.")


class IdempotencyKeyReused(Exception):
    """The key was used before, for another order."""

    errors = [{"pointer": "headers/Idempotency-Key", "message": "Used before with another body."}]

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used before with another body; make a new one.")


class InvalidItems(Exception):
    """Some products cannot be ordered; `errors` points at each."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("Some items cannot be ordered; see errors.")
        self.errors = errors


class CatalogueUnavailable(Exception):
    """Products cannot be asked for prices just now, so nothing was ordered."""

    def __init__(self, retry_after: int = 2) -> None:
        self.retry_after = retry_after  # seconds
        super().__init__("The catalogue is away; nothing was ordered. Try again shortly.")
