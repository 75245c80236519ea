"""The shop of the end-to-end tests, with a customer, for the clients to call."""

pytest_plugins = ["e2e.conftest"]
