"""Types the commands of a page into one bash, and compares what they say with what it shows."""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 600  # for one command; `make up` installs five services
FAILED = "make: ***"  # what make says of a command that failed, where a page shows a failure


@dataclass(frozen=True)
class Step:
    """A command of a page, the line it stands in, and what the page shows as its output."""

    line: int
    command: str
    shown: str


def steps(page: str) -> list[Step]:
    """Every line that begins with `$ `; what follows up to the next one is its output."""
    found = []
    for block in BLOCK.finditer(page):
        line = page.count("\n", 0, block.start()) + 2
        command, shown, start = "", "", line
        for number, text in enumerate(block[1].splitlines(), line):
            if text.startswith("$ "):
                if command:
                    found.append(Step(start, command, shown))
                command, shown, start = text[2:], "", number
            elif command.endswith("\\") and not shown:
                command += f"\n{text}"
            else:
                shown += f"{text}\n"
        found.append(Step(start, command, shown))
    return found


def pattern(shown: str) -> str:
    """The page's output as a regular expression: … stands for some text, alone for some lines."""
    lines = []
    for line in shown.rstrip("\n").splitlines():
        if line.strip() == "…":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append("[^\n]*".join(map(re.escape, line.rstrip().split("…"))) + r"[ \t]*\n")
    return "".join(lines)


class Shell:
    """One bash in a folder; addresses of the documented ports are those of the folder's shop."""

    def __init__(self, folder: Path, gateway: int) -> None:
        self.folder, self.gateway = folder, gateway
        # As from a terminal, also where a make runs this.
        environment = {name: text for name, text in os.environ.items() if "MAKE" not in name}
        self.bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env={**environment, "GATEWAY_PORT": str(gateway)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, step: Step) -> str:
        """An empty text if the command did what the page shows, else what was wrong."""
        status, said = self.type(self._here(step.command))
        said = self._documented(said).rstrip("\n") + "\n"
        wrong = []
        if status and FAILED not in step.shown:
            wrong.append(f"ended with status {status}")
        if step.shown and not re.fullmatch(pattern(step.shown), said):
            wrong.append(f"did not say what the page shows:\n{step.shown}")
        return f"$ {step.command}\n{', and '.join(wrong)}\nIt said:\n{said}" if wrong else ""

    def type(self, command: str) -> tuple[int, str]:
        """One command's status and all it said."""
        mark = uuid.uuid4().hex
        words = f"{{ {command}\n}} < /dev/null\nprintf '\\n{mark} %s\\n' $?\n"
        self.bash.stdin.write(words.encode())
        self.bash.stdin.flush()
        said, deadline = b"", time.monotonic() + SECONDS
        with selectors.DefaultSelector() as ready:
            ready.register(self.bash.stdout, selectors.EVENT_READ)
            while not (end := re.search(rf"\n{mark} (\d+)\n".encode(), said)):
                if not ready.select(deadline - time.monotonic()):
                    raise TimeoutError(f"{command}: not done after {SECONDS} s; it said {said!r}")
                if not (more := os.read(self.bash.stdout.fileno(), 65536)):
                    raise RuntimeError(f"{command}: the shell ended; it said {said!r}")
                said += more
        return int(end[1]), said[: end.start()].decode()

    def close(self) -> None:
        os.killpg(self.bash.pid, signal.SIGTERM)
        self.bash.stdin.close()
        self.bash.stdout.close()
        self.bash.wait()

    def _ports(self) -> dict[str, str]:
        """Each documented address and the one that it has in this copy."""
        found, file = {"8080": str(self.gateway)}, self.folder / ".run/ports.json"
        if file.exists():
            ports = json.loads(file.read_text())
            names = ("users", "products", "orders", "notifications")
            found |= {str(8001 + number): str(ports[name]) for number, name in enumerate(names)}
        return {f"127.0.0.1:{old}": f"127.0.0.1:{new}" for old, new in found.items()}

    def _here(self, text: str) -> str:
        for old, new in self._ports().items():
            text = text.replace(old, new)
        return text

    def _documented(self, text: str) -> str:
        for old, new in self._ports().items():
            text = text.replace(new, old)
        return text.replace(str(self.folder), "…")
