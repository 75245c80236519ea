"""A service of the last release works among the newest of the others: each is deployed alone."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import stack
from conftest import eventually, kinds, place, settled, stock_of
from repository import ROOT

SERVICES = ("users", "products", "orders", "notifications")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as it was when contracts/released was last written."""
    if _git("rev-parse", "--is-shallow-repository").strip() != b"false":
        pytest.skip("the last release is not in this history: `git fetch --unshallow`")
    commit = _git("log", "-1", "--format=%H", "--", "contracts/released").decode().strip()
    folder = tmp_path_factory.mktemp("release")
    subprocess.run(["tar", "-x"], cwd=folder, input=_git("archive", commit), check=True)
    return folder


def _git(*words: str) -> bytes:
    """What git says of this repository; nothing where it is none."""
    return subprocess.run(["git", *words], cwd=ROOT, stdout=subprocess.PIPE).stdout


def environment(release: Path, run_dir: Path, service: str) -> dict[str, str]:
    """What the release tells its service, at the addresses and on the database of the shop."""
    command = [sys.executable, release / "compose/embedded/shop.py", "env", service]
    told = {**os.environ, "RUN_DIR": str(run_dir)}
    printed = subprocess.run(command, env=told, check=True, capture_output=True, text=True).stdout
    found = dict(word.split("=", 1) for word in shlex.split(printed) if "=" in word)
    return found | {"MONGO_URL": stack.service_environment(run_dir, service)["MONGO_URL"]}


@pytest.fixture
def older(release: Path, run_dir: Path) -> Callable[[str], contextmanager]:
    """Runs the released web process and worker of a service in place of the newest."""

    @contextmanager
    def instead(service: str) -> Iterator[None]:
        if not (release / service).exists():
            pytest.skip(f"{service} is newer than the last release")
        install = [sys.executable, release / "compose/embedded/shop.py", "install", service]
        subprocess.run(install, check=True)
        programs = [f"services:{service}-{kind}" for kind in ("web", "worker")]
        web = ["gunicorn", "-c", "gunicorn.conf.py", f"{service}.app:create_app()"]
        told = {**os.environ, **environment(release, run_dir, service)}
        with ExitStack() as started:
            started.callback(stack.control, run_dir, "start", *programs)
            stack.control(run_dir, "stop", *programs)
            for name, command in (("web", web), ("worker", [service, "worker"])):
                log = started.enter_context((run_dir / f"logs/{service}-{name}-old.log").open("w"))
                command[0] = str(release / service / ".venv/bin" / command[0])
                process = subprocess.Popen(
                    command, cwd=release / service, env=told, stdout=log, stderr=log
                )
                started.callback(process.wait)
                started.callback(process.terminate)
            yield
        stack.wait_until_ready(run_dir)

    return instead


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_of_the_last_release_works_with_the_newest_others(
    service: str, older, run_dir: Path, customer, product, visitor
) -> None:
    with older(service):
        stack.wait_until_ready(run_dir)
        ada, mug = customer(), product(stock=5)
        order = settled(ada, place(ada, (mug, 2)).json())
        assert order["status"] == "confirmed"
        assert stock_of(visitor, mug) == 3
        assert ada.post(f"/orders/{order['id']}/cancel").status_code == 200
        eventually(lambda: stock_of(visitor, mug) == 5)
        told = {"order.placed", "order.confirmed", "order.cancelled"}
        eventually(lambda: kinds(ada, order) == told)
