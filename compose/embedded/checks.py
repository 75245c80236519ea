"""What this machine must have; imported first, and written so that an old Python can read it."""

import importlib.util
import sys

NEEDED = (3, 11)

if sys.version_info < NEEDED:
    version = ".".join(map(str, sys.version_info[:2]))
    sys.exit(
        f"Python 3.11 or newer is needed, and {sys.executable} is {version}; "
        "name another one, for example: make PYTHON=python3.13 up"
    )


def check_venv() -> None:
    """Debian keeps the module that makes environments in a package of its own."""
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        sys.exit("this Python cannot make environments (ensurepip): apt install python3-venv")
