"""notifications: tells people, and the log, what happened."""

from . import chassis as chassis  # first of all: it keeps out what is not asked for
