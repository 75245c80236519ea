"""users: who people are."""

from . import chassis as chassis  # first of all: it keeps out what is not asked for
