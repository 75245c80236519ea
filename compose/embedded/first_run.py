"""What a first start adds: the first admin, and a catalogue to look at."""

import json
import os
import secrets
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from place import ROOT
from stack import DIRECT, service_environment

CATALOGUE = Path(__file__).with_name("catalogue.json")


def call(method: str, url: str, body: object = None, token: str = "") -> tuple[int, dict]:
    """One request; the status and the JSON answer."""
    request = urllib.request.Request(url, method=method)
    request.add_header("Accept", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    try:
        with DIRECT.open(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        return error.code, json.loads(text) if text.startswith("{") else {"detail": text[:200]}


def write_private(file: Path, text: str) -> None:
    """Readable by the owner alone from the first byte on."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)


def credentials(run: Path) -> dict[str, str]:
    """The admin's e-mail and password, made here once."""
    file = run / "credentials.json"
    if not file.exists():
        made = {"email": "admin@shop.example", "password": secrets.token_urlsafe(15)}
        write_private(file, json.dumps(made, indent=1) + "\n")
    return json.loads(file.read_text())


def admin_token(run: Path, gateway: str) -> str:
    """Logs the admin in; creates the account where it does not exist yet."""
    login = credentials(run)
    status, answer = call("POST", f"{gateway}/auth/login", login)
    if status == 401:
        create_admin(run, login)
        status, answer = call("POST", f"{gateway}/auth/login", login)
    if status != 200:
        raise SystemExit(f"the admin cannot log in: {status} {answer.get('detail', '')}")
    return answer["access_token"]


def create_admin(run: Path, login: dict[str, str]) -> None:
    """`users admin create`, as in every deployment; the password goes through a file."""
    with tempfile.TemporaryDirectory(dir=run) as folder:
        file = Path(folder) / "password"
        write_private(file, login["password"])
        command = [".venv/bin/users", "admin", "create", "--email", login["email"]]
        done = subprocess.run(
            [*command, "--name", "Admin", "--password-file", str(file)],
            cwd=ROOT / "users",
            env={**os.environ, **service_environment(run, "users")},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise SystemExit(f"the first admin could not be created: {done.stderr or done.stdout}")
    print(f"created the admin {login['email']}", flush=True)


def load_catalogue(gateway: str, token: str) -> None:
    """Puts the demo products on sale in a shop that sells nothing."""
    _, page = call("GET", f"{gateway}/products?limit=1")
    if page.get("items"):
        return
    products = json.loads(CATALOGUE.read_text())
    for product in products:
        status, answer = call("POST", f"{gateway}/products", product, token)
        if status not in (201, 409):  # 409: an earlier start was interrupted here
            raise SystemExit(f"the catalogue was refused at {product['sku']}: {status} {answer}")
    print(f"loaded {len(products)} demo products", flush=True)
