"""The end-to-end tests on the containers of compose.yaml: `make test-compose`.

The containers are a project of their own, removed in the end. What only a shop of processes of this
machine can be asked is skipped, and says so. Words go to pytest.
"""

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from real_servers import free_port

ROOT = Path(__file__).resolve().parent.parent
PROJECT = os.environ.get("COMPOSE_PROJECT_NAME") or "shop-story"
# Tests wait by asking again and again, more often than one address may.
PATIENT = {"services": {"gateway": {"environment": {"RATE_LIMIT": "100000/minute"}}}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = parser.parse_known_args()[1]
    if not shutil.which("docker"):
        parser.error("docker is not on the path")
    login = {"email": "admin@shop.example", "password": secrets.token_urlsafe(15)}
    port = str(free_port())
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        patient, credentials = Path(name, "patient.json"), Path(name, "credentials.json")
        patient.write_text(json.dumps(PATIENT))
        credentials.write_text(json.dumps(login))

        def compose(*command: str, given: str | None = None) -> None:
            files = ["-f", str(ROOT / "compose/compose.yaml"), "-f", str(patient)]
            subprocess.run(
                ["docker", "compose", "--ansi", "never", "-p", PROJECT, *files, *command],
                # What becomes of an order is for its stock to say, however slow the machine is.
                env={**os.environ, "GATEWAY_PORT": port, "SAGA_TIMEOUT": "600"},
                check=True,
                input=given,
                text=True,
            )

        stack.callback(compose, "down", "--volumes")
        compose("up", "--build", "--wait")
        admin = ["users", "admin", "create", "--email", login["email"]]
        compose("exec", "-T", "users", *admin, given=login["password"])
        told = {"SHOP_URL": f"http://127.0.0.1:{port}", "SHOP_CREDENTIALS": str(credentials)}
        command = [sys.executable, "-m", "pytest", "-rs", *words]
        return subprocess.run(command, cwd=ROOT / "ci", env={**os.environ, **told}).returncode


if __name__ == "__main__":
    sys.exit(main())
