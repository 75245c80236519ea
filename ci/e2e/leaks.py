"""What may stand in no log, and what a line of a log must be."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from jsonschema import Draft202012Validator
from repository import ROOT

SCHEMA = Draft202012Validator(json.loads((ROOT / "docs/reference/logs.schema.json").read_text()))
NEVER = {
    "a token": r"\beyJ[\w-]{10,}\.[\w-]{10,}",
    "a password's hash": r"\$(argon2|2[aby]\$)",
    "an e-mail address": r"[\w.+-]+@[\w-]+\.[a-z]{2,}",
    "a private key": r"PRIVATE KEY|\\?\"d\\?\": ?\\?\"",
    "a password in an address": r"://[^\s/:@\"]*:[^\s/@\"]+@",
}


def in_line(line: str, secrets: Collection[str]) -> Iterator[str]:
    """What a line tells that nobody may read; the secrets are those of this run."""
    for what, pattern in NEVER.items():
        if re.search(pattern, line):
            yield f"{what}: {line}"
    # as they are, and as JSON writes them
    told = line + line.encode().decode("unicode_escape", errors="replace")
    for secret in secrets:
        if secret in told:
            yield f"{secret!r}: {line}"


def out_of_shape(line: str) -> Iterator[str]:
    """Why a line is not what docs/reference/logs.md says."""
    try:
        said = json.loads(line)
    except ValueError:
        yield f"no JSON: {line}"
    else:
        for error in SCHEMA.iter_errors(said):
            yield f"{error.message}: {line}"


def in_logs(folder: Path, secrets: Collection[str]) -> list[str]:
    """All that is wrong in the logs of a run; those of the stores are in a shape of their own."""
    found = []
    for log in sorted(folder.glob("*.log*")):
        ours = re.search(r"-(web|worker)\b", log.name)
        for line in log.read_text(errors="replace").splitlines():
            faults = [*in_line(line, secrets), *(out_of_shape(line) if ours else ())]
            found += [f"{log.name}: {fault}" for fault in faults]
    return found
