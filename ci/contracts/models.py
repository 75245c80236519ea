"""Writes the types that a service reads of another's answers, from that one's contract."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent

# Which schema of whose contract is read, and where: only what is asked of another service.
READ = {"orders/src/orders/products_api.py": ("products", "ProductPage")}
HEADER = '"""{schema}, as contracts/{service}.openapi.json says it. Made by `make contracts`."""'


def main() -> None:
    for place, (service, schema) in READ.items():
        (ROOT / place).write_text(made(service, schema))
        print(f"{place} written")


def made(service: str, schema: str) -> str:
    """A module of TypedDicts, which ask for nothing where the service runs."""
    contract = json.loads((ROOT / f"contracts/{service}.openapi.json").read_bytes())
    schemas = contract["components"]["schemas"]
    kept = {name: schemas[name] for name in sorted(reached(schema, schemas))}
    part = {**contract, "paths": {}, "webhooks": {}, "components": {"schemas": kept}}
    command = [
        str(TOOLS / "datamodel-codegen"),
        "--input-file-type=openapi",
        "--output-model-type=typing.TypedDict",
        "--target-python-version=3.11",
        "--disable-timestamp",
        f"--custom-file-header={HEADER.format(schema=schema, service=service)}",
        "--formatters",
        "ruff-check",
        "ruff-format",
    ]
    path = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"  # where ruff is
    done = subprocess.run(
        command,
        input=json.dumps(part),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PATH": path},
    )
    return done.stdout


def reached(name: str, schemas: dict[str, Any]) -> set[str]:
    """A schema, and those that it refers to."""
    text = json.dumps(schemas[name])
    below = [other for other in schemas if f'"#/components/schemas/{other}"' in text]
    return {name}.union(*(reached(other, schemas) for other in below if other != name))


if __name__ == "__main__":
    main()
