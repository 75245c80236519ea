"""Metrics: the registry of all that is counted here for Prometheus, and how a worker shows it.

A web process is shown by gunicorn's master, since it may have several workers: exposition.py.
Labels are few and bounded: a route is its template, and nothing says who somebody is.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, disable_created_metrics, start_http_server

from .environment import Address

REGISTRY = CollectorRegistry()
disable_created_metrics()  # a second series for each, that nobody asks for


def serve(bind: Address) -> None:
    """Answer /metrics of this process at `bind`, in a thread."""
    start_http_server(bind.port, bind.host, REGISTRY)
