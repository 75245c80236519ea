"""orders: what was bought, and what became of it."""

from . import chassis as chassis  # first of all: it keeps out what is not asked for
