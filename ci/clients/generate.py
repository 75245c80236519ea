"""Makes clients of the public contract in out/: a Python and a TypeScript package, and a Postman
collection. Needs no network once its tools are there, and writes the same bytes every time."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import postman

import node_tools

HERE = Path(__file__).resolve().parent
CONTRACT = HERE.parents[1] / "contracts/api-gateway.openapi.json"
OUT = HERE / "out"  # below package.json, so that the TypeScript package finds openapi-fetch


def python_package(folder: Path) -> None:
    """By openapi-python-client; a part of the contract that it cannot say is an error."""
    tools = Path(sys.executable).parent  # with the ruff that it formats its code with
    command = [str(tools / "openapi-python-client"), "generate", "--fail-on-warning"]
    command += ["--meta", "pdm", "--config", str(HERE / "python.yaml")]
    command += ["--path", str(CONTRACT), "--output-path", str(folder)]
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        command, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    _expect("openapi-python-client", ended)
    shutil.rmtree(folder / ".ruff_cache", ignore_errors=True)


def typescript_package(folder: Path) -> None:
    """Types by openapi-typescript, requests by openapi-fetch, compiled for those without tsc."""
    shutil.copytree(HERE / "typescript", folder)
    schema = folder / "src/schema.ts"
    _expect(
        "openapi-typescript",
        node_tools.run(HERE, "openapi-typescript/bin/cli.js", CONTRACT, "--output", schema),
    )
    description = json.loads((folder / "package.json").read_text())
    tools = json.loads((HERE / "package.json").read_text())["dependencies"]
    description["version"] = json.loads(CONTRACT.read_text())["info"]["version"]
    description["dependencies"] = {"openapi-fetch": tools["openapi-fetch"]}
    (folder / "package.json").write_text(json.dumps(description, indent=2) + "\n")
    _expect("tsc", node_tools.run(HERE, "typescript/bin/tsc", "--project", folder))


def postman_collection(folder: Path) -> None:
    folder.mkdir()
    collection = postman.collection(json.loads(CONTRACT.read_text()))
    text = json.dumps(collection, indent=2, ensure_ascii=False)
    (folder / "shop.postman_collection.json").write_text(f"{text}\n")


def _expect(tool: str, ended: subprocess.CompletedProcess[str]) -> None:
    if ended.returncode:
        raise SystemExit(f"{tool} failed:\n{ended.stdout}{ended.stderr}")


def main() -> None:
    node_tools.install(HERE)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    for make in (python_package, typescript_package, postman_collection):
        kind = make.__name__.partition("_")[0]
        make(OUT / kind)
        print(f"made {OUT.relative_to(HERE.parents[1])}/{kind}", flush=True)


if __name__ == "__main__":
    main()
