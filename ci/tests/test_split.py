"""Every service can be a repository of its own: split out, it is tested, checked and started."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from real_servers import free_port

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in ROOT.glob("*/Dockerfile"))
CLOSED = "//127.0.0.1:1"  # nobody listens there


@pytest.fixture(scope="module", params=SERVICES)
def repository(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service in a folder of its own, far from the others."""
    folder = tmp_path_factory.mktemp(request.param) / request.param
    split(request.param, folder)
    return folder


def split(service: str, into: Path) -> None:
    command = [sys.executable, ROOT / "ci/split.py", service, "--into", into]
    subprocess.run(command, check=True)


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command of the repository, in an environment that knows nothing of this one."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    environment = {**kept, **pip, "PYTHON": sys.executable}
    return subprocess.run(
        ["make", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_it_holds_no_code_and_no_unpinned_contract_of_another(repository: Path) -> None:
    others = [name for name in SERVICES if name != repository.name]
    assert not [name for name in others if list(repository.rglob(f"src/{name}"))]
    pinned = json.loads((repository / "contracts/pinned.json").read_text())
    files = {path.name.split(".")[0] for path in repository.glob("contracts/*.openapi.json")}
    assert files == {repository.name, *pinned}
    for name, pin in pinned.items():
        text = (repository / f"contracts/{name}.openapi.json").read_bytes()
        assert pin["version"] == json.loads(text)["info"]["version"]
        assert pin["sha256"] == hashlib.sha256(text).hexdigest()


def test_its_workflow_uses_the_actions_that_ours_does(repository: Path) -> None:
    def used(root: Path) -> set[str]:
        return set(re.findall(r"uses: (\S+)", (root / ".github/workflows/ci.yml").read_text()))

    assert used(repository) <= used(ROOT)
    assert (repository / "flake.lock").read_bytes() == (ROOT / "flake.lock").read_bytes()


def test_its_environment_is_made_and_its_tests_pass(repository: Path) -> None:
    done = make(repository, "test")
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout)


def test_its_checks_pass_and_find_a_contract_that_was_changed_by_hand(repository: Path) -> None:
    done = make(repository, "lint")
    assert done.returncode == 0, done.stdout
    for name in json.loads((repository / "contracts/pinned.json").read_text()):
        file = repository / f"contracts/{name}.openapi.json"
        before = file.read_bytes()
        file.write_bytes(before + b" ")
        done = make(repository, "lint")
        file.write_bytes(before)
        assert done.returncode != 0
        assert f"{file.name} is not the file" in done.stdout


def test_its_contract_is_what_its_command_writes(repository: Path) -> None:
    file = repository / f"contracts/{repository.name}.openapi.json"
    before = file.read_bytes()
    done = make(repository, "contracts")
    assert done.returncode == 0, done.stdout
    assert file.read_bytes() == before


@pytest.fixture
def address(repository: Path) -> Iterator[str]:
    """The web process, with settings that lead nowhere."""
    bind = f"127.0.0.1:{free_port()}"
    [settings] = repository.glob("src/*/settings.py")
    names = re.findall(r"^    (\w+_url): str = setting\(\"", settings.read_text(), re.MULTILINE)
    schemes = {"mongo_url": "mongodb", "broker_url": "redis", "cache_url": "redis"}
    told = {name.upper(): f"{schemes.get(name, 'http')}:{CLOSED}" for name in names}
    if "MONGO_URL" in told:
        told["MONGO_URL"] += "/nothing"
    environment = {"PATH": os.environ["PATH"], "BIND": bind, **told}
    with subprocess.Popen(["make", "start"], cwd=repository, env=environment) as process:
        yield f"http://{bind}"
        process.terminate()


def test_it_starts_and_answers_with_nothing_beside_it(address: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"{address}/health/live") as answer:
                assert json.load(answer)["status"] == "ok"
            return
        except OSError:
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.2)


def test_takes_in_a_newer_contract_that_breaks_nothing(repository: Path, tmp_path: Path) -> None:
    pins = json.loads((repository / "contracts/pinned.json").read_text())
    for name in sorted(pins)[:1]:  # users relies on none
        newer = json.loads((repository / f"contracts/{name}.openapi.json").read_bytes())
        newer["info"]["version"] = "0.1.1"
        file = tmp_path / "newer.json"
        file.write_text(json.dumps(newer))
        done = make(repository, "contract", f"FROM={file}")
        assert "~ info version: " in done.stdout
        assert done.returncode == 0, done.stdout
        pins = json.loads((repository / "contracts/pinned.json").read_text())
        assert pins[name]["version"] == "0.1.1"


def test_refuses_a_newer_contract_that_breaks_it_and_says_where(tmp_path: Path) -> None:
    folder = tmp_path / "notifications"
    split("notifications", folder)
    file = tmp_path / "newer.json"
    newer = json.loads((folder / "contracts/orders.openapi.json").read_bytes())
    media = newer["webhooks"]["order.placed"]["post"]["requestBody"]["content"]
    data = media["application/cloudevents+json"]["schema"]["allOf"][1]["properties"]["data"]
    data["required"].remove("total")
    file.write_text(json.dumps(newer))
    before = (folder / "contracts/orders.openapi.json").read_bytes()
    (folder / "tests/test_nothing.py").write_text("def test_nothing():\n    pass\n")
    command = [sys.executable, "ci/contract.py", file]
    environment = {**os.environ, "PYTEST_ADDOPTS": "--noconftest tests/test_nothing.py"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "order.placed: data.total is needed, and no longer promised" in done.stdout
    assert (folder / "contracts/orders.openapi.json").read_bytes() == before
