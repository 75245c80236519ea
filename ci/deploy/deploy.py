"""Brings this host to the images of a release, and back if they do not do: see --help."""

import argparse
import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from pathlib import Path

from rehearsal import rehearse
from smoke import smoke

ROOT = Path(__file__).resolve().parent.parent.parent
COMPOSE = ROOT / "compose/compose.yaml"
OURS = "shop/"  # how compose.yaml names the images that a release replaces
LINE = re.compile(r"([a-z-]+)=(\S+@sha256:[0-9a-f]{64})")
WAIT_SECONDS = 300
LOG_LINES = 15
HELP = """
IMAGES is a release's images.env: a line for each service, as users=registry/of/users@sha256:...
They are pulled, and each new one is started beside the one it is to replace, where nobody is sent
to it: if it does not get healthy there, nothing is changed. Then compose replaces the containers
whose image or description differs, and when all are healthy the gateway is asked a few questions
that change nothing. If that fails, what ran before is brought back. The exit status is 0 only if
the images run.
RUN_DIR/deployed (default .run/deployed) keeps running.json, the compose file of what runs, and
history.jsonl, a line for each deploy. GATEWAY_PORT and COMPOSE_PROJECT_NAME are as for compose.
"""

Description = dict[str, dict]  # a compose file with nothing left to fill in


def read_images(file: Path) -> dict[str, str]:
    """Service → image by digest. A tag would be whatever it means on the day."""
    images = {}
    for line in filter(None, map(str.strip, file.read_text().splitlines())):
        if not (match := LINE.fullmatch(line)):
            raise SystemExit(f"{file}: not SERVICE=IMAGE@sha256:DIGEST: {line}")
        images[match[1]] = match[2]
    return images


def describe(images: dict[str, str]) -> Description:
    """compose.yaml as it is now, with these images in place of those that would be built.

    Who waits for whom stands under x-turns in place of depends_on: with that, compose stops the
    gateway as soon as a service is replaced, until it is healthy.
    """
    command = ["docker", "compose", "-f", str(COMPOSE), "config", "--format", "json"]
    description = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    description["x-turns"] = list(turns(description["services"]))
    unused = set(images)
    for name, service in description["services"].items():
        service.pop("depends_on", None)
        if service["image"].startswith(OURS):
            image = service["image"].removeprefix(OURS)
            if image not in images:
                raise SystemExit(f"{name} needs an image of {image}, and none is named")
            service["image"] = images[image]
            service.pop("build", None)
            unused.discard(image)
    if unused:
        raise SystemExit(f"compose.yaml knows no {', '.join(sorted(unused))}")
    return description


def services_of(file: Path) -> dict[str, dict]:
    return json.loads(file.read_text())["services"]


def pull(file: Path) -> str:
    """Fetch the images by their digests; which of them cannot be had, or nothing."""
    images = {each["image"] for each in services_of(file).values()}
    for image in sorted(image for image in images if "@" in image):
        print(f"pulling {image}", flush=True)
        if subprocess.run(["docker", "pull", "--quiet", image]).returncode:
            return f"{image} cannot be pulled"
    return ""


def bring_up(file: Path, before: dict[str, dict]) -> str:
    """Make what the file describes run, in place of what ran before; why it does not, or nothing.

    Only what differs is waited for: a store that is slow just now is no fault of a release.
    """
    services = services_of(file)
    same = [name for name in services if services[name] == before.get(name)]
    up = ["up", "--detach", "--no-build"]
    if same and compose(file, *up, *same).returncode:
        return "compose cannot start them: see above"
    for names in json.loads(file.read_text())["x-turns"]:
        if not (names := [name for name in names if name not in same]):
            continue
        print(f"waiting for {', '.join(names)} to be healthy", flush=True)
        if compose(file, *up, "--wait", "--wait-timeout", str(WAIT_SECONDS), *names).returncode:
            sick = unhealthy(file, names)
            show_logs(file, sick)
            return f"not healthy: {', '.join(sick) or 'see above'}"
    (port,) = services["gateway"]["ports"]
    print(f"asking the gateway on port {port['published']}", flush=True)
    if failed := smoke(f"http://127.0.0.1:{port['published']}"):
        show_logs(file, ["gateway"])
        return "\n  ".join(["the gateway answers wrongly:", *failed])
    return ""


def turns(services: dict[str, dict]) -> Iterator[list[str]]:
    """First those that need no other, then those that need these, and so on."""
    order = TopologicalSorter({name: each.get("depends_on", {}) for name, each in services.items()})
    order.prepare()
    while order.is_active():
        ready = sorted(order.get_ready())
        yield ready
        order.done(*ready)


def compose(file: Path, *words: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = ["docker", "compose", "--ansi", "never", "-f", str(file), *words]
    return subprocess.run(command, text=True, **options)


def unhealthy(file: Path, names: list[str]) -> list[str]:
    """Those of these services that do not run well."""
    told = compose(file, "ps", "--all", "--format", "json", stdout=subprocess.PIPE).stdout
    found = [json.loads(line) for line in told.splitlines()]
    sick = {each["Service"] for each in found if each["Health"] != "healthy"}
    return sorted(sick.intersection(names))


def show_logs(file: Path, services: list[str]) -> None:
    """The ends of their logs."""
    for service in services:
        print(f"--- the end of the log of {service}", flush=True)
        compose(file, "logs", "--no-color", "--no-log-prefix", "--tail", str(LOG_LINES), service)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Two deploys at once would each undo what the other does."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("another deploy is under way") from None
        yield


def deploy(images: dict[str, str], folder: Path) -> str:
    """What became of it: `deployed`, `refused`, `rolled back`, or `failed`."""
    running, wanted = folder / "running.json", folder / "wanted.json"
    wanted.write_text(json.dumps(describe(images), indent=1) + "\n")
    before = services_of(running) if running.exists() else {}
    if why := pull(wanted) or (before and rehearse(wanted, before)):
        print(f"failed: {why}\nnothing was changed", flush=True)
        return "refused"
    if not (why := bring_up(wanted, before)):
        wanted.replace(running)
        return "deployed"
    print(f"failed: {why}", flush=True)
    if not before:
        print("nothing was deployed before: all is left as it is", flush=True)
        return "failed"
    print("going back to what ran before", flush=True)
    if why := pull(running) or bring_up(running, services_of(wanted)):
        print(f"THAT FAILED TOO: {why}", flush=True)
        return "failed"
    return "rolled back"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="deploy.py",
        description=__doc__.partition(":")[0] + ".",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("images", type=Path, metavar="IMAGES", help="the release's images.env")
    images = read_images(parser.parse_args().images)
    folder = Path(os.environ.get("RUN_DIR") or ROOT / ".run").resolve() / "deployed"
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder):
        outcome = deploy(images, folder)
        entry = {"time": datetime.now(UTC).isoformat(), "outcome": outcome, "images": images}
        with (folder / "history.jsonl").open("a") as history:
            history.write(json.dumps(entry) + "\n")
    print(outcome, flush=True)
    return 0 if outcome == "deployed" else 1


if __name__ == "__main__":
    sys.exit(main())
