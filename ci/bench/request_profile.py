"""Where the time of a request goes: by process, and inside the gateway and the service.

Writes docs/reference/profile.md and its pictures. Needs wrk, and what real_servers.py does; to look
into processes, root or a kernel.yama.ptrace_scope of 0.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path += [str(HERE.parents[1]), str(HERE.parents[2] / "compose/embedded")]
import events  # noqa: E402 - what they read is in the folders above
import load  # noqa: E402
import ours  # noqa: E402
import profile_page  # noqa: E402
import redis  # noqa: E402
import stack  # noqa: E402
from bars import KERNEL, Bar, fold  # noqa: E402
from load import Target  # noqa: E402
from ours import Ours  # noqa: E402
from place import ROOT  # noqa: E402
from processes import Times, cpu_times, families  # noqa: E402
from profile_page import Profile  # noqa: E402
from reads import product_paths  # noqa: E402
from rounds import counted  # noqa: E402

from real_servers import servers  # noqa: E402

SAMPLES = 300  # a second
LEAST = 0.02  # of the request: processes that took less are one bar


def used(shop: Ours) -> dict[str, Times]:
    """What every process of the shop has used of the processor so far, with its children."""
    run = shop.shop.run
    found = {
        name: cpu_times(families([int(pid[1])]))
        for name, text in stack.processes(run).items()
        if (pid := re.search(r"pid (\d+)", text)) and name != "cache"
    }
    found["supervisord"] = cpu_times([int((run / "supervisord.pid").read_text())])
    url = stack.service_environment(run, "gateway")["CACHE_URL"]
    with redis.Redis.from_url(url) as cache:
        said = cache.info("cpu")
    return {**found, "Redis": Times(said["used_cpu_user"], said["used_cpu_sys"])}


def cost(shop: Ours, target: Target, seconds: int) -> dict[str, Times]:
    """Microseconds of a core that one request costs each process."""
    before = used(shop)
    requests = counted("the load", load.run(target, seconds)).requests
    after = used(shop)
    return {name: per_request(of, after[name], requests) for name, of in before.items()}


def per_request(before: Times, after: Times, requests: int) -> Times:
    """Microseconds."""
    user, kernel = after.user - before.user, after.kernel - before.kernel
    return Times(user / requests * 1e6, kernel / requests * 1e6)


def stacks(master: int, target: Target, seconds: int) -> list[str]:
    """What the busiest worker of a gunicorn does under load, as py-spy writes it."""
    py_spy = Path(sys.executable).with_name("py-spy")
    with tempfile.NamedTemporaryFile("r", errors="replace") as file, ThreadPoolExecutor(1) as other:
        loading = other.submit(load.run, target, seconds + 4)
        time.sleep(1)
        # Not stopped while it is looked at: threads are stopped one by one, and those that came
        # first are found at work too often (gunicorn's: three quarters of the time, not 4 %).
        words = ["record", "--gil", "--nonblocking", "--full-filenames", "--format", "raw"]
        words += ["--rate", str(SAMPLES), "--duration", str(seconds), "--output", file.name]
        words += ["--pid", str(busiest(master))]
        done = subprocess.run([py_spy, *words], capture_output=True, text=True)
        counted("the load", loading.result())
        if done.returncode:
            raise SystemExit(f"py-spy failed:\n{done.stdout}{done.stderr}")
        return file.read().splitlines()


def busiest(master: int) -> int:
    """The worker that works most: connections fall to the workers as chance will have it."""
    workers = families([master]) - {master}
    before = {worker: sum(cpu_times([worker])) for worker in workers}
    time.sleep(0.7)
    return max(workers, key=lambda worker: sum(cpu_times([worker])) - before[worker])


def profile(shop: Ours, target: Target, title: str, inside: list[str], seconds: int) -> Bar:
    """The whole request: a bar for each process, and what two of them do in their time.

    Samples count who holds the GIL, so they share out the time in user mode.
    """
    load.warm_up({title: target})
    request, rest = Bar(title), Bar("all others")
    each = cost(shop, target, seconds)
    request.much = sum(map(sum, each.values()))
    for name, (user, kernel) in each.items():
        if user + kernel < LEAST * request.much:
            rest.much += user + kernel
            continue
        bar = request.calls[name] = Bar(name, user + kernel)
        if name in inside:
            seen = fold(stacks(shop.pid(name), target, seconds), name)
            bar.calls = seen.scaled(user / seen.much).calls
            bar.calls[KERNEL] = Bar(KERNEL, kernel)
    request.calls[rest.name] = rest
    return request


def main() -> None:
    parser = argparse.ArgumentParser(prog="make profile", description=__doc__)
    parser.add_argument("--seconds", type=int, default=8, help="of each look")
    seconds = parser.parse_args().seconds
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not installed: see `make profile ARGS=--help`")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `with` stops everything
    with servers() as found:
        os.environ.update(found)
        with ours.running() as shop:
            versions = events.versions(shop.shop.run).items()
            machine = ", ".join([events.machine(), *(f"{name} {said}" for name, said in versions)])
            products = shop.target(*product_paths(shop.shop.products))
            orders = shop.target(*(f"/orders/{order}" for order in shop.orders))
            kept, asked = "GET /products/{id}", "GET /orders/{id}"
            gateway, service = "gateway-web", "orders-web"
            profiles = [
                Profile("product", kept, profile(shop, products, kept, [gateway], seconds)),
                Profile("order", asked, profile(shop, orders, asked, [gateway, service], seconds)),
            ]
            profile_page.write(profiles, machine, seconds, SAMPLES)
    print(f"written to {profile_page.PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
