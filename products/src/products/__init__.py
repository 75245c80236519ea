"""products: what is for sale, and how many are left."""

from . import chassis as chassis  # first of all: it keeps out what is not asked for
