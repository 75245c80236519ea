"""Every operation, asked by everybody, at the gateway and at the service itself."""

from __future__ import annotations

import base64
import json
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
import pytest
import requests
from authorization import BAD_TOKENS, CALLERS, TABLE, Row
from conftest import ROOT, Client, Shop, eventually, place, settled
from stack import service_environment

SERVICES = ("users", "products", "orders", "notifications")


@dataclass(frozen=True)
class Scene:
    """Where the doors are, what everybody holds, and whose things are asked for."""

    doors: dict[str, str]
    tokens: dict[str, str]
    ids: dict[str, str]
    shop: Shop


@pytest.fixture(scope="module")
def scene(shop: Shop, admin: Client) -> Scene:
    if shop.run_dir is None:
        pytest.skip("a shop that was running already keeps its keys to itself")
    ports = json.loads((shop.run_dir / "ports.json").read_text())
    doors = {name: f"http://127.0.0.1:{ports[name]}" for name in SERVICES}
    owner, another, gone = (newcomer(shop) for _ in range(3))
    ids = {"user_id": owner.user_id, **_things_of(owner, admin)}
    refresh = owner.log_in(owner.email, owner.password)["refresh_token"]
    assert gone.post("/auth/logout").status_code == 204
    tokens = {
        "owner": token_of(owner),
        "another customer": token_of(another),
        "admin": token_of(newcomer(shop, admin)),
        "refresh token": refresh,
        "ended session": token_of(gone),
        **_forged(shop.run_dir, token_of(owner)),
    }
    found = Scene({**doors, "api-gateway": shop.base_url}, tokens, ids, shop)
    eventually(lambda: _is_known_to_have_ended(doors, token_of(gone)))
    return found


def newcomer(shop: Shop, admin: Client | None = None) -> Client:
    """Somebody new and logged in; an admin, if one says so."""
    client = Client(shop.base_url)
    login = {"email": f"{uuid.uuid4().hex}@shop.example", "password": uuid.uuid4().hex}
    answer = client.post("/auth/register", json={**login, "name": "Matrix"})
    assert answer.status_code == 201, answer.text
    if admin:
        path = f"/users/{answer.json()['id']}/roles"
        assert admin.put(path, json={"roles": ["customer", "admin"]}).status_code == 200
    client.log_in(**login)
    return client


def token_of(client: Client) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


def _is_known_to_have_ended(doors: dict[str, str], token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    asked = [
        ("DELETE", "products", "/nope"),
        ("GET", "orders", ""),
        ("GET", "notifications", ""),
    ]
    answers = [
        requests.request(method, f"{doors[name]}/{name}{more}", headers=headers, timeout=15)
        for method, name, more in asked
    ]
    return {answer.status_code for answer in answers} == {401}


def _things_of(owner: Client, admin: Client) -> dict[str, str]:
    """A product, and of the owner a cancelled order and a notification."""
    body = {"sku": uuid.uuid4().hex, "name": "Matrix", "description": "", "category": "matrix",
            "stock": 1000, "price": {"amount": 1, "currency": "EUR"}}  # fmt: skip
    answer = admin.post("/products", json=body)
    assert answer.status_code == 201, answer.text
    product = answer.json()
    order = settled(owner, place(owner, (product, 1)).json())
    assert owner.post(f"/orders/{order['id']}/cancel").status_code == 200
    return {
        "product_id": product["id"],
        "order_id": order["id"],
        "notification_id": _first(owner, "/notifications"),
    }


def _first(owner: Client, path: str) -> str:
    return eventually(lambda: owner.get(path).json()["items"])[0]["id"]


def _forged(run_dir: Path, good: str) -> dict[str, str]:
    """Bad tokens that only differ in what their name says from a good one."""
    header, claims, _ = good.split(".")
    kid, claims = _read(header)["kid"], _read(claims)
    url = service_environment(run_dir, "users")["MONGO_URL"]
    with pymongo.MongoClient(url) as client:
        pem = client.get_default_database()["signing_keys"].find_one({"_id": kid})["private_pem"]
    made = subprocess.run(
        [ROOT / "users/.venv/bin/python", Path(__file__).with_name("forge.py")],
        input=json.dumps({"pem": pem, "kid": kid, "claims": claims}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(made.stdout)


def _read(part: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def operations(name: str) -> set[str]:
    contract = json.loads((ROOT / f"contracts/{name}.openapi.json").read_text())
    return {
        f"{method.upper()} {path}"
        for path, item in contract["paths"].items()
        for method in item.keys() - {"parameters"}
    }


@pytest.mark.parametrize("name", [*SERVICES, "api-gateway"])
def test_every_operation_of_every_contract_has_its_row(name):
    at_gateway = name == "api-gateway"
    rows = [r.operation for r in TABLE if r.service == name or (at_gateway and r.at_gateway)]
    assert sorted(rows) == sorted(operations(name))


def test_what_is_forged_with_nothing_wrong_is_let_in(scene):
    """So the others are refused for what is wrong with them, and not for being forged."""
    headers = {"Authorization": f"Bearer {scene.tokens['as it should be']}"}
    for service in ("orders", "api-gateway"):
        url = f"{scene.doors[service]}/orders"
        assert requests.get(url, headers=headers, timeout=15).status_code == 200


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.service} {row.operation}")
def test_everybody_is_answered_as_the_table_says(scene, admin, row):
    doors = [row.service] + ["api-gateway"] * (row.at_gateway and row.service != "api-gateway")
    session = requests.Session()
    session.trust_env = False
    expected, got = {}, {}
    for door in doors:
        for caller in CALLERS:
            request = _request(scene, row, scene.doors[door], _token(scene, row, caller, admin))
            expected[f"{caller}, at {door}"] = row.expected(caller)
            got[f"{caller}, at {door}"] = session.request(**request).status_code
    assert got == expected


def _token(scene: Scene, row: Row, caller: str, admin: Client) -> str | None:
    if caller == "no token":
        return None
    if row.ends_the_session and caller not in BAD_TOKENS:  # the others have to be asked yet
        return token_of(newcomer(scene.shop, admin if caller == "admin" else None))
    return scene.tokens[caller]


def _request(scene: Scene, row: Row, door: str, token: str | None) -> dict[str, Any]:
    method, path = row.operation.split()
    body = json.dumps(row.json)
    for name, value in scene.ids.items():
        path = path.replace(f"{{{name}}}", value)
        body = body.replace(f"{{{name}}}", value)
    headers = {**row.headers, **({"Authorization": f"Bearer {token}"} if token else {})}
    if row.json is not None:
        headers["Content-Type"] = "application/json"
    data = None if row.json is None else body
    return {"method": method, "url": door + path, "headers": headers, "data": data, "timeout": 15}
