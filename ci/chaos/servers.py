"""The real broker and cache as processes of this machine, to be stopped and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import redis

RABBITMQCTL = "/usr/lib/rabbitmq/bin/rabbitmqctl"
START_SECONDS = 20


def restart_rabbitmq(port: int | None, seconds: float) -> bool:
    """Stop the RabbitMQ that listens there and start it; False if it is no process of ours."""
    node = _node_of_rabbitmq(port)
    for command in ("stop_app", "start_app") if node else ():
        words = [RABBITMQCTL, "--quiet", command]
        done = subprocess.run(words, env={**os.environ, **node}, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {command}: {done.stdout}{done.stderr}")
        time.sleep(seconds)
    return bool(node)


def _node_of_rabbitmq(port: int | None) -> dict[str, str]:
    """The variables that tell rabbitmqctl which node it is."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_text().split("\0")
        except (OSError, ValueError):
            continue
        environment = dict(word.split("=", 1) for word in words if "=" in word)
        if environment.get("RABBITMQ_NODE_PORT") == str(port):
            ours = ("RABBITMQ_", "ERL_EPMD_", "HOME")  # some of its children have no PATH
            return {name: text for name, text in environment.items() if name.startswith(ours)}
    return {}


class Redis:
    """The Redis at a URL, which keeps nothing on disk."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._again: subprocess.Popen | None = None
        self._lock = threading.Lock()

    def restart(self, number: signal.Signals, seconds: float) -> bool:
        """End it with a signal and start it later; False if it is no process of ours."""
        with self._lock, redis.Redis.from_url(self.url) as client:
            pid = client.info("server")["process_id"]
            if not _is_child(pid):
                return False
            kept = client.config_get("port", "bind", "dir", "save")
            words = [word for name, value in kept.items() for word in (f"--{name}", value)]
            os.kill(pid, number)
            # WNOWAIT: whoever started it wants to know too that it has ended
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            time.sleep(seconds)
            self._again = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
            self._wait(client)
        return True

    def flush(self) -> None:
        """Forget everything; one that is away just now has forgotten it anyway."""
        try:
            with redis.Redis.from_url(self.url) as client:
                client.flushdb()
        except redis.ConnectionError:
            return

    def stop(self) -> None:
        """End what was started here."""
        if self._again:
            self._again.terminate()
            self._again.wait(START_SECONDS)

    @staticmethod
    def _wait(client: redis.Redis) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def _is_child(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
