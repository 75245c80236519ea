"""docs/reference/settings.md: every variable that a process reads, from the code that reads it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from tables import code, page, table

from e2e.repository import ROOT, SERVICES, folder

HEADS = ["variable", "what it says", "default", "used by"]
OF_GUNICORN = {
    "BIND": "Where the web process listens",
    "WEB_CONCURRENCY": "How many web processes gunicorn keeps",
    "THREADS": "How many requests each of them answers at once",
}
INTRO = """\
Each process reads its variables once, as it starts. One that is missing, cannot be read, or looks
like a misspelt setting ends the start with a sentence:

```
$ MONGO_URI=mongodb://localhost orders worker
settings: MONGO_URI is not a setting; known are BROKER_URL, CACHE_URL, …
```

Any of them may come from a file instead: `MONGO_URL_FILE=/run/secrets/mongo_url`. What is *secret*
is left out when settings are printed, and comes from a file in `compose.yaml` and on the cluster.
What has no default must be set, for the web process and the worker alike: each reads all variables
of its service. *Used by* says which of the two then uses it; what gunicorn uses, it also checks, in
words of its own.
"""


def made() -> str:
    parts = [INTRO]
    for service in SERVICES:
        parts += [f"## {service}\n", table(HEADS, [*_of_service(service), *_of_gunicorn(service)])]
    parts += [COMPOSE, table(HEADS[:3], _of_compose()), RUNNER]
    return page("Settings", "`settings.py` of the service, or `compose/.env.example`", *parts)


def _of_service(service: str) -> Iterator[list[str]]:
    """The fields of the settings dataclass."""
    source = folder(service) / f"src/{service}/settings.py"
    readers = _readers(service)
    for field in ast.walk(ast.parse(source.read_text())):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.value, ast.Call)):
            continue
        name = field.target.id
        words = {word.arg: ast.literal_eval(word.value) for word in field.value.keywords}
        about = ast.literal_eval(field.value.args[0])
        about += " *(secret)*" if words.get("secret") else ""
        yield [code(name.upper()), about, _default(words), ", ".join(readers(name))]


def _default(words: dict[str, object]) -> str:
    """As one would write it in the environment."""
    if "default" not in words:
        return ""
    found = words["default"]
    parts = found if isinstance(found, tuple) else () if found in (None, "") else (found,)
    return code(",".join(f"{part:g}" if isinstance(part, float) else str(part) for part in parts)
                ) if parts else "none"  # fmt: skip


def _readers(service: str) -> Callable[[str], list[str]]:
    """Which of a service's two processes uses a setting: worker.py is one, all else the other."""
    uses: dict[str, set[str]] = {}
    sources = [*(folder(service) / f"src/{service}").rglob("*.py")]
    for source in [*sources, folder(service) / "gunicorn.conf.py"]:
        process = "worker" if source.name == "worker.py" else "web"
        for name in re.findall(r"\bsettings\.(\w+)", source.read_text()):
            uses.setdefault(name, set()).add(process)
    return lambda name: sorted(uses.get(name, {"web"}))


def _of_gunicorn(service: str) -> Iterator[list[str]]:
    text = (folder(service) / "gunicorn.conf.py").read_text()
    for name, default in re.findall(r'os\.environ\.get\("(\w+)", "([^"]*)"\)', text):
        yield [code(name), OF_GUNICORN[name], code(default), "gunicorn"]


COMPOSE = """\
## compose

The compose files say the rest themselves; these may differ by machine, in `compose/.env`. Passwords
are no variables there: `make secrets` writes them into files.
"""
RUNNER = """
## make up

`make up` tells each process what it needs. For itself it reads `GATEWAY_PORT` (8080; another one
means a second copy, whose other ports are free ones), `RUN_DIR` (`.run`: data, logs, ports,
credentials), and `MONGO_URL`, `BROKER_URL` and `CACHE_URL` for real servers in place of the
embedded ones.
"""


def _of_compose() -> Iterator[list[str]]:
    text = (ROOT / "compose/.env.example").read_text()
    for about, name, default in re.findall(r"^# (.+)\n(\w+)=(.*)$", text, re.MULTILINE):
        yield [code(name), about, code(default) if default else "none"]
