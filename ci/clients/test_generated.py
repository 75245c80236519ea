"""Each generated client, and the Postman collection, tells the story to a live shop."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from itertools import groupby
from pathlib import Path

import postman
import pytest
from generate import CONTRACT, OUT
from shop_client import AuthenticatedClient, Client
from shop_client.api.auth import log_in, register
from shop_client.api.notifications import list_notifications
from shop_client.api.orders import get_order, list_orders, place_order
from shop_client.api.products import list_products
from shop_client.api.users import show_me
from shop_client.models import Login, Order, OrderIn, OrderItemIn, Registration

import node_tools
from e2e.conftest import eventually

HERE = Path(__file__).resolve().parent
NO_NETWORK = ["unshare", "--map-root-user", "--net"]  # not even a loopback that is up


def run(*command: str | Path, cwd: Path = HERE) -> str:
    """What the command prints; fails with it where the command does."""
    found = {**os.environ, "PYTHONPATH": str(HERE.parent)}  # where node_tools is
    done = subprocess.run([*map(str, command)], cwd=cwd, env=found, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def everything(folder: Path) -> dict[str, bytes]:
    files = (
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_second_run_writes_the_same_bytes():
    before = everything(OUT)
    assert {path.split("/")[0] for path in before} == {"python", "typescript", "postman"}
    run(sys.executable, "generate.py")
    after = everything(OUT)
    assert before.keys() == after.keys()
    assert [path for path in before if before[path] != after[path]] == []


def test_no_network_is_needed():
    if subprocess.run([*NO_NETWORK, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody run a program without a network")
    run(*NO_NETWORK, sys.executable, "generate.py")


def test_the_python_package_tells_the_story(base_url):
    login = {"email": f"{uuid.uuid4().hex}@shop.example", "password": uuid.uuid4().hex}
    with Client(base_url=base_url) as visitor:
        ada = register.sync(client=visitor, body=Registration(**login, name="Ada"))
        tokens = log_in.sync(client=visitor, body=Login(**login))
        [product] = list_products.sync(client=visitor, in_stock=True, sort="price", limit=1).items
        refused = list_orders.sync_detailed(client=visitor)
        assert (refused.status_code, refused.parsed.status) == (401, 401)

    with AuthenticatedClient(base_url=base_url, token=tokens.access_token) as customer:
        assert show_me.sync(client=customer) == ada
        wanted = OrderIn(items=[OrderItemIn(product_id=product.id, quantity=1)])
        key = str(uuid.uuid4())
        placed = place_order.sync_detailed(client=customer, body=wanted, idempotency_key=key)
        assert placed.status_code == 201
        order = eventually(lambda: settled(customer, placed.parsed.id))
        assert order.status == "confirmed"
        assert order.total.to_dict() == product.price.to_dict()
        eventually(lambda: told(customer) == {"order.placed", "order.confirmed"})


def settled(customer: AuthenticatedClient, order_id: str) -> Order | None:
    order = get_order.sync(order_id, client=customer)
    return order if order.status != "pending" else None


def told(customer: AuthenticatedClient) -> set[str]:
    return {each.kind for each in list_notifications.sync(client=customer).items}


def test_the_typescript_package_tells_the_story_and_is_typed(base_url, tmp_path):
    lay_out_project(tmp_path)
    tsc = node_tools.run(HERE, "typescript/bin/tsc", cwd=tmp_path)
    assert tsc.returncode == 0, tsc.stdout
    assert "is confirmed" in run("node", "story.js", base_url, cwd=tmp_path)


def test_tsc_refuses_what_the_contract_does_not_have(tmp_path):
    lay_out_project(tmp_path)
    story = tmp_path / "story.ts"
    story.write_text(story.read_text().replace("quantity: 1", 'quantity: "one"'))
    tsc = node_tools.run(HERE, "typescript/bin/tsc", cwd=tmp_path)
    assert tsc.returncode != 0
    assert "Type 'string' is not assignable to type 'number'" in tsc.stdout


def lay_out_project(folder: Path) -> None:
    """The project of somebody who installed the package: its story, and nothing else of ours."""
    modules = folder / "node_modules"
    (modules / "@types").mkdir(parents=True)
    (modules / "shop-client").symlink_to(OUT / "typescript")
    (modules / "@types/node").symlink_to(HERE / "node_modules/@types/node")
    options = json.loads((OUT / "typescript/tsconfig.json").read_text())["compilerOptions"]
    options |= {"types": ["node"], "outDir": ".", "rootDir": "."}
    description = {"compilerOptions": options, "files": ["story.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(description))
    (folder / "package.json").write_text('{"type": "module"}')
    shutil.copy(HERE / "story.ts", folder)


def test_the_postman_collection_tells_the_story(base_url, tmp_path):
    collection = OUT / "postman/shop.postman_collection.json"
    report = tmp_path / "report.json"
    options = ["--env-var", f"base_url={base_url}", "--color", "off"]
    options += ["--reporters", "cli,json", "--reporter-json-export", report]
    ended = node_tools.run(HERE, "newman/bin/newman.js", "run", collection, *options)
    assert ended.returncode == 0, ended.stdout
    sent = [each["item"]["name"] for each in json.loads(report.read_text())["run"]["executions"]]
    steps = [item["name"] for item in json.loads(collection.read_text())["item"]]
    assert [name for name, _ in groupby(sent)] == steps


def test_a_step_that_does_not_fit_the_contract_is_refused():
    contract = json.loads(CONTRACT.read_text())
    contract["components"]["schemas"]["Login"]["required"].append("code")
    with pytest.raises(postman.StoryError, match=r"Log in: body: unknown \[\], missing \['code'\]"):
        postman.collection(contract)
