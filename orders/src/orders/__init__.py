"""orders: what was bought, and what became of it."""
