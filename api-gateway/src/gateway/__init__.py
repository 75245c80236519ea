"""gateway: the one public door of the shop."""

from . import chassis as chassis  # first of all: it keeps out what is not asked for
