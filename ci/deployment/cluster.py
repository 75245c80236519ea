"""What kustomize makes of compose/kubernetes, and what compose.yaml says about the same."""

import shutil
import subprocess
from functools import cache
from typing import Any

import pytest
import yaml

from e2e.repository import ROOT

FOLDER = ROOT / "compose/kubernetes"
STORES = ("mongo", "rabbitmq", "redis")

Document = dict[str, Any]


@cache
def documents() -> list[Document]:
    """Everything that `kubectl apply -k` would send."""
    for command in (["kubectl", "kustomize"], ["kustomize", "build"]):
        if shutil.which(command[0]):
            done = subprocess.run([*command, FOLDER], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return list(yaml.safe_load_all(done.stdout))
    pytest.skip("neither kubectl nor kustomize is here to render compose/kubernetes")


def of_kind(kind: str) -> dict[str, Document]:
    """Name and document of each of a kind."""
    found = [document for document in documents() if document["kind"] == kind]
    return {document["metadata"]["name"]: document for document in found}


def pods() -> dict[str, Document]:
    """Each process of ours, and what is said of its pods."""
    return {name: found["spec"]["template"] for name, found in of_kind("Deployment").items()}


def container(process: str) -> Document:
    """The one container in the pods of a process."""
    (only,) = pods()[process]["spec"]["containers"]
    return only


def environment(process: str) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container(process)["env"]}


@cache
def compose() -> dict[str, Document]:
    """The containers of compose.yaml, those of the stores too; not what comes with a profile."""
    found = yaml.safe_load((ROOT / "compose/compose.yaml").read_text())["services"]
    return {name: said for name, said in found.items() if "profiles" not in said}


def processes() -> list[str]:
    """Each process of ours in compose.yaml."""
    return [name for name in compose() if name not in STORES]
