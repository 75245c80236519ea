"""Begins a service as a copy of notifications under a new name: `make new-service NAME=reviews`.

The copy is whole: its tests pass, the gateway routes to it, and every way to run the shop runs it.
What names notifications in the tables of the others gets a second entry, found by these rules:
in a list of services, it is the next item; in a table, each line (or paragraph) that is about
notifications alone is copied.
"""

import argparse
import keyword
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

from split import ROOT, copy, services

MODEL = "notifications"
LOGGED = '"notification_id"'  # how the model's logs name what it stores
NOT_NEEDED = ["tests/test_broker.py"]  # about the chassis, whose copy it is
UNCHANGED = {".lock", ".json"}
LISTS = ["compose/**/*.*", "api-gateway/**/*.py"]
LISTS += [f"ci/{folder}/*.py" for folder in ("chaos", "e2e", "fuzz", "replicas")]
TABLES = [
    "README.md",
    "nix/default.nix",
    "nix/processes.toml",
    "api-gateway/src/gateway/routing.py",
    "api-gateway/src/gateway/settings.py",
    "ci/chaos/faults.py",
    "ci/e2e/authorization.py",
    "ci/e2e/test_authorization.py",
    "ci/node/spectral.yaml",
    "ci/replicas/test.yaml",
    "compose/compose.cluster.yaml",
    "compose/compose.dev.yaml",
    "compose/compose.yaml",
    "compose/embedded/place.py",
    "compose/embedded/supervisord.conf",
    "compose/kubernetes/gateway.yaml",
    "compose/kubernetes/kustomization.yaml",
    "compose/kubernetes/network.yaml",
    "compose/observability/alerts.yml",
    "compose/observability/alerts_test.yml",
    "docs/reference/logs.schema.json",
]
# How the paragraphs begin that are about the model.
HEADS = (
    f"  {MODEL}:",
    f"  {MODEL}-worker:",
    f"[{MODEL}]",
    f"[program:{MODEL}-",
    f"; ---- {MODEL} ",
    f'    Row("{MODEL}",',
)
RESERVED = {"gateway", "health", "order", "orders"}


def port_of(folder: Path) -> int:
    return int(re.search(r':(\d+)"', (folder / "gunicorn.conf.py").read_text())[1])


class Names:
    """Turns the model's names into those of the new service."""

    def __init__(self, name: str, port: int) -> None:
        one = f"{name[:-3]}y" if name.endswith("ies") else name.removesuffix("s")
        pairs = {MODEL: name, MODEL.removesuffix("s"): one}
        self.changes = [
            # The names of operations and schemas are unique in the contract of the gateway.
            ("send_alert", f"send_{one}_alert"),
            ("AlertSchema", f"{one.title()}AlertSchema"),
            *((old.title(), new.title()) for old, new in pairs.items()),
            *((old.upper(), new.upper()) for old, new in pairs.items()),
            *pairs.items(),
            (str(port_of(ROOT / MODEL)), str(port)),
        ]

    def rename(self, text: str) -> str:
        for old, new in self.changes:
            text = text.replace(old, new)
        return text

    def rename_row(self, line: str) -> str:
        """As `rename`; in a table of rows, columns stay where they are."""
        if "row(" not in line.lower():
            return self.rename(line)
        column = r'"[^"]*", *'
        renamed = re.sub(column, lambda at: self.rename(at[0].rstrip()).ljust(len(at[0])), line)
        return re.sub(" +$", "", renamed, flags=re.MULTILINE)


def faults(name: str) -> str:
    """Why this cannot be the name of a service, or nothing."""
    if not re.fullmatch(r"[a-z]{2,30}[a-rt-z]s", name):
        return "is no plural in small letters, such as reviews"
    lock = (ROOT / MODEL / "requirements-test.lock").read_text()
    locked = re.findall(r"^([\w-]+)==", lock, re.MULTILINE)
    if keyword.iskeyword(name) or name in {*sys.stdlib_module_names, *locked, *RESERVED}:
        return "is the name of something else in Python or in the shop"
    routing = (ROOT / "api-gateway/src/gateway/routing.py").read_text()
    if (ROOT / name).exists() or f'"/{name}' in routing:
        return "is taken"
    return ""


def copy_runs(units: Iterable[str], is_model: Callable[[str], bool], names: Names) -> list[str]:
    """Units, with a renamed copy behind each run of those that are about the model."""
    copied: list[str] = []
    for mine, run in groupby(units, is_model):
        found = list(run)
        copied += found + ([names.rename_row(unit) for unit in found] if mine else [])
    return copied


def add_to_lists(text: str, names: Names) -> str:
    """`"orders", "notifications"` gets a next item."""
    others = "|".join({*services()} - {MODEL})
    item = rf"\b(?:{others})([\w-]*)([\"']?),\s+\2{MODEL}\1\2(?![\w-])"
    return re.sub(item, lambda m: f"{m[0]}, {names.rename(m[2] + MODEL + m[1] + m[2])}", text)


def add_to_table(text: str, names: Names) -> str:
    """Lines about the model alone, or paragraphs whose first line is, are there twice."""
    others = [name for name in services() if name not in (MODEL, "api-gateway")]

    def is_line(line: str) -> bool:
        known = re.findall(r"[a-z]+", line.lower())
        of_model = MODEL in known or LOGGED in line
        return of_model and not set(known) & set(others) and not line.startswith("#")

    def is_paragraph(paragraph: str) -> bool:
        return paragraph.lstrip("\n").startswith(HEADS)

    paragraphs = [
        block if is_paragraph(block) else "\n".join(copy_runs(block.split("\n"), is_line, names))
        for block in text.split("\n\n")
    ]
    return "\n\n".join(copy_runs(paragraphs, is_paragraph, names))


def add_to_drawing(text: str, names: Names) -> str:
    """The drawing of compose.yaml has one more line below its last service."""

    def with_one_more(last: re.Match[str]) -> str:
        margin, service, end, store = last.groups()
        new = f"{names.rename(MODEL)} ─".ljust(len(service), "─")
        joined = {"┴": "┼", "┘": "┤"}[end]
        return f"{margin}├─ {service}{joined}{store}\n{margin}└─ {new}┘"

    return re.sub(r"^(# +)└─ (\w+ ─+)([┴┘])(.*)$", with_one_more, text, flags=re.MULTILINE)


def make(names: Names, name: str) -> list[Path]:
    """The new folder and the changed tables; gives what was written."""
    folder = ROOT / name
    copy(ROOT / MODEL, folder)
    for unneeded in NOT_NEEDED:
        (folder / unneeded).unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and path.suffix not in UNCHANGED:
            path.write_text(names.rename(path.read_text()))
        path.rename(path.with_name(names.rename(path.name)))
    readme = folder / "README.md"
    readme.write_text(re.sub(r"; `tests/test_broker[^.]*\.[^.]*\.", ".", readme.read_text()))
    queries = folder / "tests/test_indexes.py"  # those of test_broker's own collection go with it
    queries.write_text(re.sub(r'^ +"parcels: .*\n', "", queries.read_text(), flags=re.MULTILINE))
    manifest = ROOT / f"compose/kubernetes/{MODEL}.yaml"
    copied = manifest.with_name(f"{name}.yaml")
    copied.write_text(names.rename(manifest.read_text()))
    written = [folder, copied]
    files = {path for pattern in LISTS for path in ROOT.glob(pattern) if path.is_file()}
    files = {path for path in files if not {".venv", "secrets", "__pycache__"} & {*path.parts}}
    for path in sorted(files | {ROOT / table for table in TABLES}):
        text = add_to_lists(before := path.read_text(), names)
        if str(path.relative_to(ROOT)) in TABLES:
            text = add_to_drawing(add_to_table(text, names), names)
        if text != before:
            path.write_text(text)
            written.append(path)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="a plural, such as reviews")
    name = parser.parse_args().name
    if fault := faults(name):
        parser.error(f"{name} {fault}")
    folders = [path.parent for path in ROOT.glob("*/gunicorn.conf.py")]
    port = 1 + max(port_of(folder) for folder in folders if folder.name != "api-gateway")
    written = make(Names(name, port), name)
    ruff = Path(sys.executable).with_name("ruff")
    python = [path for path in written if path.is_dir() or path.suffix == ".py"]
    for words in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
        subprocess.run([ruff, *words, *python], check=True)
    print(f"{name} begins as a copy of {MODEL}, on port {port}. Also changed:")
    print(*(f"  {path.relative_to(ROOT)}" for path in written[1:]), sep="\n")


if __name__ == "__main__":
    main()
