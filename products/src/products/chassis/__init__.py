"""What every service stands on: settings, logs, problems, tokens, events in and out, health.

The same files stand in every service (the microservice-chassis pattern), because services share
nothing but contracts. The origin is orders/src/orders/chassis; `make chassis` copies it, and a
check compares the bytes. Nothing here knows which service it is in.
"""

import sys

# Not to be imported, until `tracing.export` is told of a collector: redis-py does so wherever it is
# installed, to count what nobody here asks it to count, for 5 MB in each process.
sys.modules.setdefault("opentelemetry", None)  # type: ignore[arg-type]
