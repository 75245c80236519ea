"""Starts, watches and stops the processes of supervisord.conf."""

import configparser
import json
import os
import shlex
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from place import TOOLS, known_ports, socket_path, variables

CONF = Path(__file__).with_name("supervisord.conf")
# Straight to this machine, whatever proxy the shell is set up for.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def read_conf() -> configparser.RawConfigParser:
    """The processes, with [every program] copied into each; its command comes before theirs."""
    conf = configparser.RawConfigParser(inline_comment_prefixes=None)
    conf.read(CONF)
    common = conf.items("every program")
    conf.remove_section("every program")
    for name in conf.sections():
        for key, value in common if name.startswith("program:") else []:
            if key == "command":
                value = f"{value} {conf.get(name, key)}"
            elif conf.has_option(name, key):
                continue
            conf.set(name, key, value)
    return conf


def service_environment(run: Path, service: str) -> dict[str, str]:
    """The settings of one service as its web process gets them, but for the port of its metrics.

    They are for a process beside it, and only one can have the port.
    """
    values = {f"ENV_{key}": value for key, value in variables(run, known_ports(run)).items()}
    line = read_conf().get(f"program:{service}-web", "environment") % values
    words = shlex.shlex(line, posix=True)
    words.whitespace += ","
    words.whitespace_split = True
    told = dict(word.split("=", 1) for word in words)
    return {name: value for name, value in told.items() if name != "METRICS_BIND"}


def running(run: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(socket_path(run))) == 0


def control(run: Path, *words: str) -> str:
    """What supervisorctl answers: it reads its own section, and knows of no ports.

    So it can stop what was started with fewer services than there are now, or with more.
    """
    command = [str(TOOLS / "supervisorctl"), "-c", str(run / "supervisord.conf"), *words]
    environment = {**os.environ, "SHOP_SOCKET": str(socket_path(run))}
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def start(run: Path, ports: dict[str, int]) -> None:
    """Starts supervisord in the background; it starts the rest."""
    with (run / "supervisord.conf").open("w") as file:
        read_conf().write(file)
    command = [str(TOOLS / "supervisord"), "-c", str(run / "supervisord.conf")]
    environment = {**os.environ, **variables(run, ports)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"supervisord did not start:\n{done.stdout}{done.stderr}")


def stop(run: Path, seconds: float = 90) -> None:
    """Ends every process, the gateway first and the databases last, and waits for that."""
    control(run, "shutdown")
    deadline = time.monotonic() + seconds
    while running(run) or (run / "supervisord.pid").exists():
        if time.monotonic() > deadline:
            raise SystemExit(
                f"still stopping after {seconds:.0f} s: see {run}/logs/supervisord.log"
            )
        time.sleep(0.1)


def revive(run: Path) -> None:
    """Starts what had given up; what runs is left alone."""
    control(run, "start", "services:*", "gateway:*")


def processes(run: Path) -> dict[str, str]:
    """Every process that should run, and its line in the table of supervisorctl."""
    lines = (line.split(maxsplit=1) for line in control(run, "status").splitlines())
    table = {words[0].split(":")[1]: words[1] for words in lines if len(words) == 2}
    return {name: text for name, text in table.items() if "Not started" not in text}


def health(run: Path) -> dict:
    """What the gateway says about all services and their workers; {} while it does not answer."""
    url = f"http://127.0.0.1:{known_ports(run)['gateway']}/health"
    try:
        with DIRECT.open(url, timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error) if error.code == 503 else {}  # 503: something is down
    except (OSError, ValueError):
        return {}


def unhealthy(report: dict) -> dict[str, str]:
    """The checks that are not ok, and why: {"orders worker": "no worker was ever seen"}."""
    if not report:
        return {"gateway": "does not answer"}
    return {
        f"{service} {name}": f"{check['status']}, {check['detail']}"
        for service, found in report["services"].items()
        for name, check in found["checks"].items()
        if check["status"] != "ok"
    }


def wait_until_ready(run: Path, seconds: float = 120, patience: float = 30) -> None:
    """Returns when all is well; else shows what is not and the end of its log.

    Events that failed on another day are no reason to wait, nor is the news of sessions: it comes
    within 15 seconds, and until then young tokens are believed. A process that has not stayed up
    for `patience` seconds is not waited for either.
    """
    started, told = time.monotonic(), None
    while True:
        failing = {
            name: why
            for name, why in unhealthy(health(run)).items()
            if not name.endswith((" events", " sessions"))
        }
        if not failing:
            return
        if told != failing.keys():
            told = failing.keys()
            print(f"waiting for {', '.join(told)}", flush=True)
        waited = time.monotonic() - started
        crashing = [name for name, text in processes(run).items() if is_crashing(text)]
        if waited > seconds or (waited > patience and crashing) or not running(run):
            raise SystemExit(diagnosis(run, failing, crashing, waited))
        time.sleep(0.5)


def is_crashing(text: str) -> bool:
    return text.startswith(("BACKOFF", "FATAL", "EXITED"))


def diagnosis(run: Path, failing: dict[str, str], crashing: list[str], waited: float) -> str:
    """Why the shop did not start, with the end of the logs that should tell."""
    lines = [f"not ready after {waited:.0f} s:"]
    lines += [f"  {name}: {why}" for name, why in failing.items()]
    for name in crashing or {f"{name.split()[0]}-web": "" for name in failing}:
        log = run / f"logs/{name}.log"
        if log.exists():
            lines += [f"--- the end of {log}", *log.read_text(errors="replace").splitlines()[-10:]]
    return "\n".join([*lines, "`make status` and `make logs` show more"])
