"""The committed contracts, by the name of who promises."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from e2e.repository import ROOT

Contract = dict[str, Any]


@cache
def contracts() -> dict[str, Contract]:
    paths = sorted((ROOT / "contracts").glob("*.openapi.json"))
    return {path.name.split(".")[0]: json.loads(path.read_bytes()) for path in paths}
