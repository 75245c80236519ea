"""Walks a customer's story through the gateway, with plain HTTP, and shows every step."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Person:
    """Somebody at the gateway: sends requests, prints what was asked and answered."""

    def __init__(self, name: str, gateway: str) -> None:
        self.name, self.gateway, self.token = name, gateway, ""
        self.login: dict[str, str] = {}
        self.etag = ""

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        expect: int = 200,
        show: tuple[str, ...] = (),
        quiet: bool = False,
        **headers: str,
    ) -> dict:
        """One request; ends the demo where the status is not the expected one."""
        request = urllib.request.Request(self.gateway + path, method=method)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            answer = DIRECT.open(request, timeout=15)
        except urllib.error.HTTPError as error:
            answer = error
        except OSError as error:
            sys.exit(f"nothing answers at {self.gateway} ({error}): `make up` starts the shop")
        with answer:
            status, text = answer.status, answer.read()
            self.etag = answer.headers.get("ETag", "")
        found = json.loads(text) if text else {}
        if status == 401 and "refresh the token" in found["detail"]:
            self.log_in(**self.login)
            return self.ask(method, path, body, expect, show, quiet, **headers)
        if not quiet or status != expect:
            print(f"  {self.name:8} {method} {path} -> {status}", flush=True)
            for name in show:
                print(f"{'':13}{name}: {json.dumps(found.get(name), ensure_ascii=False)}")
        if status != expect:
            print(json.dumps(found, indent=2, ensure_ascii=False))
            sys.exit(f"expected {expect}")
        return found

    def log_in(self, email: str, password: str) -> None:
        self.login = {"email": email, "password": password}
        found = self.ask("POST", "/auth/login", self.login)
        self.token = found["access_token"]
        print(f"{'':13}a token for {found['expires_in']} s")

    def order(self, product: dict, quantity: int) -> dict:
        """Places an order; a key of its own makes a repeated request safe."""
        items = [{"product_id": product["id"], "quantity": quantity}]
        shown = ("id", "status", "total")
        key = str(uuid.uuid4())
        return self.ask("POST", "/orders", {"items": items}, 201, shown, Idempotency_Key=key)

    def until(self, what: str, path: str, reached: Callable[[dict], bool]) -> dict:
        """Asks again until an event has done its work."""
        started = time.monotonic()
        while not reached(found := self.ask("GET", path, quiet=True)):
            if time.monotonic() - started > 30:
                print(json.dumps(found, indent=2, ensure_ascii=False))
                sys.exit(f"{what}: not within 30 s")
            time.sleep(0.05)
        print(f"  {self.name:8} GET {path} -> {what} after {time.monotonic() - started:.2f} s")
        return found


def step(text: str) -> None:
    print(f"\n{text}", flush=True)


def story(gateway: str, credentials: dict[str, str]) -> None:
    visitor, admin = Person("visitor", gateway), Person("admin", gateway)
    customer = Person("customer", gateway)

    step("1. Somebody registers, and logs in.")
    login = {"email": f"{uuid.uuid4().hex[:12]}@shop.example", "password": uuid.uuid4().hex}
    visitor.ask("POST", "/auth/register", {**login, "name": "Ada"}, 201, ("id", "email", "roles"))
    customer.log_in(**login)
    customer.ask("GET", "/users/me", show=("name", "roles"))

    step("2. The catalogue is open to everybody; the admin adds something new to it.")
    admin.log_in(**credentials)
    price = {"amount": 1290, "currency": "EUR"}
    offer = {"name": "Demo Teapot", "description": "For one cup", "category": "brewing"}
    sku = f"DEMO-{uuid.uuid4().hex[:8].upper()}"
    product = admin.ask(
        "POST", "/products", {**offer, "sku": sku, "price": price, "stock": 5}, 201, ("id", "stock")
    )
    mine = f"/products/{product['id']}"
    found = visitor.ask("GET", "/products?category=brewing&limit=100", quiet=True)["items"]
    print(f"  visitor  GET /products?category=brewing -> {len(found)} products")
    if product["id"] not in [item["id"] for item in found]:
        sys.exit("the new product is not in the list")
    visitor.ask("GET", mine, show=("name", "price", "stock"))
    visitor.ask("GET", mine, expect=304, If_None_Match=visitor.etag)

    step("3. An order is pending until its stock is reserved, then it is confirmed.")
    order = f"/orders/{customer.order(product, 2)['id']}"
    customer.until("confirmed", order, lambda found: found["status"] == "confirmed")
    left = customer.until("3 are left", mine, lambda found: found["stock"] == 3)

    step("4. More than there is: the order is rejected, and says why.")
    too_much = customer.order(left, 4)["id"]
    path = f"/orders/{too_much}"
    rejected = customer.until("rejected", path, lambda found: found["status"] == "rejected")
    print(f"{'':13}reason: {rejected['reason']}")
    for short in rejected["short_items"]:
        print(f"{'':13}{json.dumps(short, ensure_ascii=False)}")

    step("5. The admin buys in; the same order now succeeds.")
    admin.ask("GET", mine, quiet=True)
    admin.ask("PATCH", mine, {"stock": 10}, show=("stock",), If_Match=admin.etag)
    again = f"/orders/{customer.order(product, 4)['id']}"
    customer.until("confirmed", again, lambda found: found["status"] == "confirmed")
    customer.until("6 are left", mine, lambda found: found["stock"] == 6)

    step("6. The customer cancels the first order; its stock comes back.")
    customer.ask("POST", f"{order}/cancel", show=("status",))
    customer.until("8 are left", mine, lambda found: found["stock"] == 8)

    step("7. All of it was told to the customer.")
    told = customer.until(
        "7 notifications", "/notifications?limit=100", lambda found: len(found["items"]) >= 7
    )
    for item in reversed(told["items"]):
        print(f"{'':13}{item['title']}: {item['text']}")
    customer.ask("POST", f"/notifications/{told['items'][0]['id']}/read", show=("read_at",))

    step("8. What must not work does not.")
    visitor.ask("GET", "/orders", expect=401, show=("detail",))
    customer.ask("DELETE", mine, expect=403, show=("detail",), If_Match='"1"')
    visitor.ask("POST", "/auth/register", {"email": "nobody"}, expect=422, show=("errors",))
    print("\nThe story is complete.")


def main() -> None:
    run = Path(os.environ.get("RUN_DIR") or ROOT / ".run")
    if not (run / "credentials.json").exists():
        sys.exit("the shop was never started here: `make up`")
    gateway = os.environ.get("SHOP_URL")
    if not gateway:
        ports = json.loads((run / "ports.json").read_text())
        gateway = f"http://127.0.0.1:{os.environ.get('GATEWAY_PORT') or ports['gateway']}"
    story(gateway, json.loads((run / "credentials.json").read_text()))


if __name__ == "__main__":
    main()
