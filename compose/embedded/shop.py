"""Runs the whole shop on this machine, with nothing installed but Python: see `shop.py --help`."""

import argparse
import os
import shlex
import signal
import sys
import time
from pathlib import Path

import checks  # noqa: F401 - ends with a sentence on an old Python
import first_run
import stack
from install import FOLDERS, install_all
from place import PORTS, ROOT, SERVICES, choose_ports, known_ports, run_folder


def up(run: Path, options: argparse.Namespace) -> None:
    """install what is missing, start everything, wait until it is ready"""
    changed = install_all(run)
    gateway = int(os.environ.get("GATEWAY_PORT") or PORTS["gateway"])
    if stack.running(run):
        now = known_ports(run)["gateway"]
        if os.environ.get("GATEWAY_PORT") and now != gateway:
            raise SystemExit(f"this copy already runs on port {now}: `make down` stops it")
        if changed or known_ports(run).keys() != PORTS.keys():
            why = "what was installed has changed" if changed else "there are other processes now"
            print(f"{why}: starting again", flush=True)
            stack.stop(run)
        else:
            stack.revive(run)
        gateway = now
    if not stack.running(run):
        stack.start(run, choose_ports(run, gateway))
    stack.wait_until_ready(run)
    address = f"http://127.0.0.1:{gateway}"
    token = first_run.admin_token(run, address)
    first_run.load_catalogue(address, token)
    say_where(run, address)


def say_where(run: Path, address: str) -> None:
    ports, login = known_ports(run), first_run.credentials(run)
    print(f"\nThe shop is open at {address}\n")
    print(f"  all APIs        {address}/docs")
    for name in SERVICES:
        print(f"  {name:15} http://127.0.0.1:{ports[name]}/docs")
    print(f"  admin           {login['email']}  {login['password']}")
    print(f"                  (kept in {shown(run / 'credentials.json')})")
    print("\nNext: make demo, make status, make logs, make down")


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def down(run: Path, options: argparse.Namespace) -> None:
    """stop everything; the data stays"""
    if not stack.running(run):
        print("the shop is not running")
        return
    stack.stop(run)
    print(f"stopped; the data is kept in {shown(run)}")


def status(run: Path, options: argparse.Namespace) -> None:
    """a table of the processes, and what the gateway says about their health"""
    if not stack.running(run):
        raise SystemExit("the shop is not running: `make up` starts it")
    ports = known_ports(run)
    for name, text in stack.processes(run).items():
        shows = ports.get(f"{name}-metrics")
        print(f"{name:22} {text}" + (f"   http://127.0.0.1:{shows}/metrics" if shows else ""))
    report = stack.health(run)
    print(f"\nhealth: {report.get('status', 'unknown')}")
    for name, why in stack.unhealthy(report).items():
        print(f"  {name}: {why}")
    if report.get("status") != "ok":
        raise SystemExit(1)


def logs(run: Path, options: argparse.Namespace) -> None:
    """follow the logs of everything, or of one service (Ctrl-C ends it)"""
    folder, places = run / "logs", {}
    wanted = f"{options.service}*.log" if options.service else "*.log"
    if not any(folder.glob(wanted)):
        known = ", ".join(sorted(path.stem for path in folder.glob("*.log")))
        raise SystemExit(
            f"no logs of {options.service or 'anything'}; there are: {known or 'none'}"
        )
    while True:
        for path in sorted(folder.glob(wanted)):
            if path.stem.startswith(("install-", "test-")) and not options.service:
                continue
            size = path.stat().st_size
            start = places.get(path, max(0, size - 2000))
            places[path] = size
            if size < start:  # the log was rotated
                start = 0
            with path.open("rb") as file:
                file.seek(start)
                for line in file.read(size - start).decode(errors="replace").splitlines():
                    print(f"{path.stem:20} {line}", flush=True)
        if options.once:
            return
        time.sleep(0.3)


def env(run: Path, options: argparse.Namespace) -> None:
    """print the settings of a service as `export` lines, for a shell"""
    if not known_ports(run).keys() >= PORTS.keys():  # none yet, or those of an older version
        raise SystemExit("ports are chosen at the first start: `make up`")
    for name, value in stack.service_environment(run, options.service).items():
        print(f"export {name}={shlex.quote(value)}")


def install(run: Path, options: argparse.Namespace) -> None:
    """only create the environments"""
    install_all(run, options.test, options.folders or FOLDERS)


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="shop.py",
        description="Runs the shop on this machine. Everything is kept in RUN_DIR (default .run).",
        epilog="GATEWAY_PORT moves the shop to other ports. MONGO_URL, BROKER_URL and CACHE_URL "
        "name real servers to use in place of the embedded ones.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    added = {}
    for command in (up, down, status, logs, env, install):
        added[command] = commands.add_parser(command.__name__, help=command.__doc__.strip())
        added[command].set_defaults(command=command)
    added[logs].add_argument("service", nargs="?", help="for example orders, or orders-worker")
    added[logs].add_argument("--once", action="store_true", help="print the end and return")
    added[env].add_argument("service", choices=[*SERVICES, "gateway"])
    added[install].add_argument("--test", action="store_true", help="with what the tests need")
    added[install].add_argument("folders", nargs="*", help=f"default: {' '.join(FOLDERS)}")
    return parser.parse_args(words)


def main() -> None:
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `make status | head` ends quietly
    try:
        options.command(run_folder(), options)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
