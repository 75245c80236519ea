"""A deploy replaces what differs, and one that does not do is undone: with real containers.

Needs Docker and Debian's docker-registry, since only a registry makes digests.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy import read_images
from real_servers import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "ci/deploy/deploy.py"
FOLDERS = {"gateway": "api-gateway"} | {
    name: name for name in ("users", "products", "orders", "notifications")
}
REGISTRY = """
version: 0.1
storage: {{ filesystem: {{ rootdirectory: {folder}/images }} }}
http: {{ addr: 127.0.0.1:{port} }}
"""


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


@dataclass
class Registry:
    """Keeps images on this machine, by digest."""

    address: str
    pushed: set[str] = field(default_factory=set)

    def push(self, name: str, built_from: str | Path, recipe: str = "") -> str:
        """Build it, push it, and forget it here; the image by its digest."""
        tag = f"{self.address}/{name}:{uuid.uuid4().hex[:8]}"
        run("docker", "build", "--quiet", "--tag", tag, built_from, input=recipe or None)
        run("docker", "push", "--quiet", tag)
        known = json.loads(run("docker", "inspect", "--format", "{{json .RepoDigests}}", tag))
        (image,) = (each for each in known if each.startswith(f"{self.address}/{name}@"))
        run("docker", "rmi", tag)
        self.pushed.add(image)
        return image

    def forget(self) -> None:
        """Leave none of its images in the engine."""
        subprocess.run(["docker", "rmi", *self.pushed], capture_output=True)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    if (
        not shutil.which("docker")
        or subprocess.run(["docker", "info"], capture_output=True).returncode
    ):
        pytest.skip("needs Docker")
    if not (program := shutil.which("docker-registry")):
        pytest.skip("needs a registry: apt install docker-registry")
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    (folder / "config.yml").write_text(REGISTRY.format(folder=folder, port=port))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "serve", folder / "config.yml"], stdout=log, stderr=log
        )
    try:
        eventually(lambda: get(f"http://127.0.0.1:{port}/v2/") == 200)
        registry = Registry(f"127.0.0.1:{port}")
        yield registry
        registry.forget()
    finally:
        process.terminate()
        process.wait()


def eventually(check, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "not within a minute"
        time.sleep(0.2)


def get(url: str) -> int:
    """The status of the answer; 0 for none."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            url, timeout=30
        ) as a:
            return a.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@dataclass
class Host:
    """A machine on which the shop is deployed: here, a compose project and a folder of its own."""

    folder: Path
    port: int = field(default_factory=free_port)
    project: str = field(default_factory=lambda: f"shop-deploy-{uuid.uuid4().hex[:6]}")

    @property
    def environment(self) -> dict[str, str]:
        own = {"GATEWAY_PORT": str(self.port), "COMPOSE_PROJECT_NAME": self.project}
        return {**os.environ, **own, "RUN_DIR": str(self.folder)}

    def get(self, path: str) -> int:
        return get(f"http://127.0.0.1:{self.port}{path}")

    def deploy(self, images: dict[str, str]) -> subprocess.CompletedProcess[str]:
        file = self.folder / "images.env"
        file.write_text("".join(f"{name}={image}\n" for name, image in images.items()))
        command = [sys.executable, DEPLOY, file]
        return subprocess.run(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def images(self) -> dict[str, str]:
        """What runs, as a release names it."""
        return {name: image for name, (_, image) in self.containers().items() if name in FOLDERS}

    def containers(self) -> dict[str, tuple[str, str]]:
        """Service → its container, and the image that this was made of."""
        label = f"label=com.docker.compose.project={self.project}"
        ids = run("docker", "ps", "--quiet", "--filter", label).split()
        found = json.loads(run("docker", "inspect", *ids))
        return {
            each["Config"]["Labels"]["com.docker.compose.service"]: (
                each["Id"],
                each["Config"]["Image"],
            )
            for each in found
        }

    def history(self) -> list[str]:
        lines = (self.folder / "deployed/history.jsonl").read_text().splitlines()
        return [json.loads(line)["outcome"] for line in lines]

    @contextmanager
    def visited(self) -> Iterator[list[int]]:
        """Somebody looks at the products all the while; the statuses of the answers."""
        statuses, over = [], threading.Event()

        def look() -> None:
            while not over.wait(0.2):
                statuses.append(self.get("/products"))

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield statuses
        finally:
            over.set()
            thread.join()


@pytest.fixture(scope="module")
def good(registry: Registry) -> dict[str, str]:
    return {name: registry.push(name, ROOT / folder) for name, folder in FOLDERS.items()}


@pytest.fixture(scope="module")
def host(good: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host on which the good images are deployed."""
    if not (ROOT / "compose/secrets").exists():
        run(sys.executable, ROOT / "compose/make_secrets.py")
    host = Host(tmp_path_factory.mktemp("host"))
    try:
        done = host.deploy(good)
        assert done.returncode == 0, done.stdout
        yield host
    finally:
        file = host.folder / "deployed/running.json"
        if not file.exists():
            file = file.with_name("wanted.json")
        run("docker", "compose", "-f", file, "down", "--volumes", "--timeout", "5")


def test_a_first_deploy_runs_every_process_of_its_digest(host, good):
    images = {name: image for name, (_, image) in host.containers().items()}
    assert images["orders"] == images["orders-worker"] == good["orders"]
    assert images["gateway"] == good["gateway"]
    assert host.get("/health/ready") == 200
    assert host.history() == ["deployed"]


def test_a_next_deploy_replaces_only_what_differs(host, registry, good):
    before = host.containers()
    newer = registry.push("orders", "-", f"FROM {good['orders']}\nLABEL newer=yes\n")
    done = host.deploy(good | {"orders": newer})
    assert done.returncode == 0, done.stdout
    after = host.containers()
    assert {name for name in after if after[name] != before[name]} == {"orders", "orders-worker"}
    assert after["orders"][1] == newer


def never_healthy(registry: Registry, name: str, good: dict[str, str]) -> str:
    """An image that starts, says 42, and answers nobody."""
    command = ["python", "-c", "import time; print(42, flush=True); time.sleep(9999)"]
    recipe = f"FROM {good[name]}\nENTRYPOINT {json.dumps(command)}\n"
    return registry.push(name, "-", recipe)


def test_an_image_that_never_gets_healthy_replaces_nothing(host, registry, good):
    before = host.containers()
    with host.visited() as statuses:
        done = host.deploy(host.images() | {"orders": never_healthy(registry, "orders", good)})
    assert done.returncode == 1
    assert "the new orders is unhealthy" in done.stdout, done.stdout
    assert "42" in done.stdout.splitlines(), "its log is shown"
    assert host.history()[-1] == "refused"
    assert host.containers() == before
    assert set(statuses) == {200}


def test_what_does_not_do_in_its_place_is_undone_and_others_answer_on(host, registry, good):
    """Only in its place does this image turn out to be no gateway at all."""
    before = host.containers()
    page = json.dumps(["python", "-m", "http.server", "8080", "--directory", "/tmp"])
    recipe = f'FROM {good["gateway"]}\nHEALTHCHECK --interval=1s CMD ["true"]\nCMD {page}\n'
    done = host.deploy(host.images() | {"gateway": registry.push("gateway", "-", recipe)})
    assert done.returncode == 1
    assert "the gateway answers wrongly" in done.stdout, done.stdout
    assert host.history()[-1] == "rolled back"
    after = host.containers()
    assert after.pop("gateway")[1] == before.pop("gateway")[1]
    assert after == before
    assert host.get("/health/ready") == 200


def test_a_worker_that_never_gets_healthy_is_undone_while_buyers_look_on(host, registry, good):
    """Workers are not tried beside one another, and of this image the web process is healthy."""
    before = host.containers()
    command = ["sh", "-c", 'test "$2" = worker && exec sleep 9999; exec "$@"', "-"]
    known = run("docker", "inspect", "--format", "{{json .Config.Cmd}}", good["notifications"])
    recipe = f"FROM {good['notifications']}\nENTRYPOINT {json.dumps(command)}\nCMD {known}\n"
    with host.visited() as statuses:
        done = host.deploy(
            host.images() | {"notifications": registry.push("notifications", "-", recipe)}
        )
    assert done.returncode == 1
    assert "not healthy: notifications-worker" in done.stdout, done.stdout
    assert host.history()[-1] == "rolled back"
    images = {name: image for name, (_, image) in before.items()}
    assert {name: image for name, (_, image) in host.containers().items()} == images
    assert set(statuses) == {200}


def test_a_digest_that_is_nowhere_changes_nothing(host, good):
    before = host.containers()
    done = host.deploy(
        host.images() | {"users": good["users"].partition("@")[0] + f"@sha256:{'0' * 64}"}
    )
    assert done.returncode == 1
    assert "cannot be pulled" in done.stdout, done.stdout
    assert host.containers() == before


@pytest.mark.parametrize(
    "line", ["users=shop/users:1.0", "users", "users=shop/users@sha256:12"], ids=str
)
def test_only_digests_are_deployed(tmp_path, line):
    file = tmp_path / "images.env"
    file.write_text(f"{line}\n")
    with pytest.raises(SystemExit, match="not SERVICE=IMAGE@sha256"):
        read_images(file)
