"""The episodes of the course, as docs/tutorial tells them: what each one claims, and its tests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TUTORIAL = ROOT / "docs/tutorial"
CLAIMS = re.compile(r"^## What must hold\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
CLAIM = re.compile(r"^- (.+?)((?:\s+`[\w/.-]+::\w+`,?)+)$", re.MULTILINE | re.DOTALL)
TEST = re.compile(r"`([\w/.-]+::\w+)`")


@dataclass(frozen=True)
class Claim:
    """A sentence about the shop, and the tests (path::name, from the root) that show it."""

    sentence: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Episode:
    """One page of docs/tutorial."""

    path: Path
    text: str

    @property
    def number(self) -> str:
        return self.path.name[:2]

    @property
    def title(self) -> str:
        return self.text.splitlines()[0].lstrip("# ")

    @property
    def claims(self) -> list[Claim]:
        """The list under "What must hold": each line is a sentence, then its tests as code."""
        found = CLAIMS.search(self.text)
        return [
            Claim(" ".join(sentence.split()).rstrip(":"), tuple(TEST.findall(tests)))
            for sentence, tests in CLAIM.findall(found[1] if found else "")
        ]


def episodes() -> list[Episode]:
    return [Episode(path, path.read_text()) for path in sorted(TUTORIAL.glob("[0-9]*.md"))]
