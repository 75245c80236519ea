"""Makes the passwords of the containers, each once, in compose/secrets: `make secrets`.

The files are readable by every user, because a container's user is not yours; the folder, which
containers never see, keeps them private.
"""

import secrets
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = Path(__file__).with_name("secrets")
SERVICES = ["users", "products", "orders", "notifications"]
BROKERS = [
    "rabbitmq",
    "rabbitmq-2",
    "rabbitmq-3",
]  # the first is there without a cluster too


def password() -> str:
    """Letters and digits only, so that it stands in a URL or a file as it is."""
    return secrets.token_hex(24)


def broker_password() -> str:
    """The one that the broker was made with; a new one if there is none yet."""
    url = FOLDER / "broker_url"
    return (url.exists() and urlsplit(url.read_text()).password) or password()


def make() -> dict[str, str]:
    """The content of every file; one password has one file, or some that must agree."""
    broker, cache = broker_password(), password()
    files = {
        "mongo_root_password": password(),
        "broker_url": f"amqp://shop:{broker}@rabbitmq:5672//",
        "broker_cluster_url": ";".join(
            f"amqp://shop:{broker}@{at}:5672//" for at in BROKERS
        ),
        "erlang_cookie": password(),
        "rabbitmq.conf": f"default_user = shop\ndefault_pass = {broker}",
        "cache_url": f"redis://default:{cache}@redis:6379/0",
        "redis.conf": f"requirepass {cache}",
    }
    for service in SERVICES:
        # journal: a write that was acknowledged survives the loss of power
        files[f"{service}_mongo_url"] = (
            f"mongodb://{service}:{password()}@mongo:27017/{service}?journal=true"
        )
    return files


def main() -> None:
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    new = {name: text for name, text in make().items() if not (FOLDER / name).exists()}
    if not new:
        print(
            f"{FOLDER} exists and is left as it is: the data was made with these passwords. "
            "To begin anew, remove it and the volumes (docker compose ... down -v)."
        )
        return
    for name, text in new.items():
        file = FOLDER / name
        file.write_text(text + "\n")
        file.chmod(0o644)
    print(f"{FOLDER} holds new passwords: {', '.join(new)}")


if __name__ == "__main__":
    main()
