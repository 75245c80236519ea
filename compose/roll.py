"""Replaces the containers of services by new ones, one at a time, while the shop stays open.

    docker compose -f compose/compose.yaml -f compose/compose.cluster.yaml build
    python3 compose/roll.py                     every web process and every worker
    python3 compose/roll.py orders orders-worker

For each container: a new one, of the image and settings as they are now, starts beside it and must
become healthy; then the old one is told to stop, ends what it has begun, and is removed. If a new
one does not become healthy it is removed, the others stay, and the exit status is 1.

Which files and project are meant, COMPOSE_FILE and COMPOSE_PROJECT_NAME may say otherwise. Neither
the gateway, which has the one port, nor the stores can be replaced in this way.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILES = os.pathsep.join(
    str(HERE / name) for name in ("compose.yaml", "compose.cluster.yaml")
)
SERVICES = ["users", "products", "orders", "notifications"]
ALONE = {"gateway", "mongo", "rabbitmq", "rabbitmq-2", "rabbitmq-3", "redis"}


def docker(*words: str) -> str:
    """What docker answers; where it fails, this ends, below what docker complains of."""
    environment = {"COMPOSE_FILE": FILES, **os.environ}
    done = subprocess.run(
        ["docker", *words],
        check=False,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        sys.exit(f"failed: docker {' '.join(words)}")
    return done.stdout


def containers(service: str) -> list[str]:
    return docker("compose", "ps", "--quiet", service).split()


def is_well(container: str) -> bool:
    """Whether it becomes healthy; one that has to be started again does not."""
    while True:
        form = "{{.State.Health.Status}} {{.RestartCount}}"
        status, restarts = docker("inspect", "--format", form, container).split()
        if status != "starting" or restarts != "0":
            return (status, restarts) == ("healthy", "0")
        time.sleep(1)


def replace(service: str, old: str) -> bool:
    """One new container, then without the old one; or none, if the new one is not well."""
    before = containers(service)
    more = ["--scale", f"{service}={len(before) + 1}", service]
    options = ["--detach", "--no-deps", "--no-recreate", "--no-build"]
    docker("compose", "--progress", "quiet", "up", *options, *more)
    (new,) = {*containers(service)} - {*before}
    gone = old if (well := is_well(new)) else new
    docker("stop", gone)
    docker("rm", gone)
    return well


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "services", nargs="*", metavar="SERVICE", help="as compose names it"
    )
    wanted = parser.parse_args().services
    if alone := ALONE & {*wanted}:
        parser.error(f"of {', '.join(sorted(alone))} there cannot be two for a while")
    everything = [name for each in SERVICES for name in (each, f"{each}-worker")]
    for service in wanted or everything:
        for number, old in enumerate(olds := containers(service), start=1):
            if not replace(service, old):
                print(f"{service}: the new one is not healthy, and is removed again")
                return 1
            print(f"{service}: {number} of {len(olds)} replaced", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
