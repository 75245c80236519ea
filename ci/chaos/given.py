"""The MongoDB that MONGO_URL names: a container of this machine can be harmed, another cannot."""

from __future__ import annotations

import subprocess
import threading
import time
from urllib.parse import urlsplit

import real_servers


class LeftOut(Exception):
    """A fault that cannot be made here, and why."""


class GivenMongo:
    """All services have their data in it, so that what strikes it strikes all of them."""

    def __init__(self, url: str) -> None:
        self._engine = real_servers.engine()
        self._wanted = f"publish={urlsplit(url).port or 27017}"
        self._one_at_a_time = threading.Lock()

    def kill(self) -> None:
        """kill -9, and start it again. Raises LeftOut."""
        with self._one_at_a_time:
            container = self._container()
            self._run("kill", container)
            self._run("start", container)

    def hang(self, seconds: float) -> None:
        """Raises LeftOut."""
        with self._one_at_a_time:
            container = self._container()
            self._run("kill", "--signal", "STOP", container)
            time.sleep(seconds)
            self._run("kill", "--signal", "CONT", container)

    def _container(self) -> str:
        found = self._run("ps", "--quiet", "--filter", self._wanted) if self._engine else ""
        if not found:
            raise LeftOut("the database is no container of this machine")
        return found

    def _run(self, *words: str) -> str:
        done = subprocess.run([self._engine, *words], check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()
