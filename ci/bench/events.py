"""How fast events go through the shop: outbox, broker, handler. Prints figures, asserts none.

Starts a shop of its own on the broker that BROKER_URL names, or on the embedded one. Times are
those of the services' logs, all on one machine and so on one clock.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import queue
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import kombu
import pymongo
import redis

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "compose/embedded"), str(ROOT / "ci")]
import first_run  # noqa: E402
import stack  # noqa: E402

from real_servers import free_port  # noqa: E402

CLIENTS = 8
PRODUCTS = 20
WORKERS = ("orders-worker", "products-worker", "notifications-worker")


class Shop:
    """A running shop: places orders as its clients do, and reads what its processes logged."""

    def __init__(self, run: Path, port: int) -> None:
        self.run, self.port = run, port
        self.gateway = f"http://127.0.0.1:{port}"
        admin = first_run.admin_token(run, self.gateway)
        self.products = [self._product(admin) for _ in range(PRODUCTS)]
        self.tokens = [self._customer() for _ in range(CLIENTS)]
        self.read: dict[str, int] = {}
        self.random = random.Random(1)
        self.refused = 0
        # One order each, so that nothing is measured cold.
        placed: list[str] = []
        [thread.join() for thread in self.clients(lambda place: placed.append(place()))]
        collect(self, placed)

    def _ask(self, path: str, body: dict, token: str = "") -> dict:
        status, answer = first_run.call("POST", f"{self.gateway}{path}", body, token)
        if status >= 300:
            raise SystemExit(f"POST {path} was refused: {status} {answer}")
        return answer

    def _product(self, admin: str) -> str:
        body = {"sku": f"SKU-{uuid.uuid4()}", "name": "Mug", "category": "kitchen"}
        price = {"amount": 1250, "currency": "EUR"}
        return self._ask("/products", {**body, "price": price, "stock": 100_000}, admin)["id"]

    def _customer(self) -> str:
        login = {"email": f"{uuid.uuid4().hex}@shop.example", "password": uuid.uuid4().hex}
        self._ask("/auth/register", {**login, "name": "Customer"})
        return self._ask("/auth/login", login)["access_token"]

    def clients(self, work: Callable[[Callable[[], str]], None]) -> list[threading.Thread]:
        """Starts one thread for each client; `work` gets what places an order and gives its id."""

        def run(token: str) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            work(lambda: self.place(connection, token))

        threads = [threading.Thread(target=run, args=[token], daemon=True) for token in self.tokens]
        [thread.start() for thread in threads]
        return threads

    def place(self, connection: http.client.HTTPConnection, token: str) -> str:
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid.uuid4()),
        }
        items = [{"product_id": self.random.choice(self.products), "quantity": 1}]
        for _ in range(10):  # the same key, so that an order that was taken is not made twice
            connection.request("POST", "/orders", json.dumps({"items": items}), headers)
            answer = connection.getresponse()
            body = json.load(answer)
            if answer.status not in (502, 503, 504):
                break
            self.refused += 1
            time.sleep(0.2)
        if answer.status != 201:
            raise RuntimeError(f"an order was refused: {answer.status} {body}")
        return body["id"]

    def new_lines(self, program: str) -> list[dict]:
        """What a process has logged since this was last asked."""
        log, read = self.run / f"logs/{program}.log", self.read.get(program, 0)
        data = b""
        if log.stat().st_size < read:  # a full log is put aside, and another begun
            data, read = log.with_name(f"{log.name}.1").read_bytes()[read:], 0
        with log.open("rb") as file:
            file.seek(read)
            new = file.read()
        new = new[: new.rfind(b"\n") + 1]
        self.read[program] = read + len(new)
        data += new
        return [json.loads(line) for line in data.splitlines()]

    def forget_lines(self) -> None:
        for program in (*WORKERS, "orders-web"):
            self.new_lines(program)


def at(line: dict) -> float:
    return datetime.fromisoformat(line["time"]).timestamp()


def first_times(lines: list[dict], event: str, kind: str) -> dict[str, float]:
    """When each subject's event was first published or handled: repeats do not count."""
    found: dict[str, float] = {}
    for line in lines:
        if (line["event"], line.get("event_type")) == (event, kind):
            found.setdefault(line["subject"], at(line))
    return found


def wait_for(count: int, seen: Callable[[], int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while seen() < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"only {seen()} of {count} came within {seconds:.0f} s")
        time.sleep(0.1)


def collect(shop: Shop, orders: Collection[str], seconds: float = 90) -> dict[str, list[dict]]:
    """The logs of the workers, when every event of these orders was handled."""
    lines: dict[str, list[dict]] = {name: [] for name in WORKERS}

    def told() -> int:
        for name in WORKERS:
            lines[name] += shop.new_lines(name)
        last = ("products-worker", "notifications-worker")
        handled = (first_times(lines[n], "event.handled", "order.confirmed").keys() for n in last)
        return min(len(found & set(orders)) for found in handled)

    wait_for(len(orders), told, seconds)
    return lines


def spread(name: str, seconds: list[float]) -> None:
    """One line: the median, the 99th of a hundred, and the worst, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    p50, p99, worst = (f"{value * 1000:6.0f} ms" for value in (cuts[49], cuts[98], max(seconds)))
    print(f"  {name:44} p50 {p50}   p99 {p99}   worst {worst}", flush=True)


def paced(shop: Shop, rate: float, seconds: float) -> dict[str, list[float]]:
    """Orders come at an even pace, whether or not the ones before are done; seconds of each."""
    shop.forget_lines()
    due: queue.Queue[float] = queue.Queue()
    start = time.monotonic() + 0.5
    for n in range(int(rate * seconds)):
        due.put(start + n / rate)
    answered: dict[str, float] = {}

    def work(place: Callable[[], str]) -> None:
        while True:
            try:
                moment = due.get_nowait()
            except queue.Empty:
                return
            time.sleep(max(0.0, moment - time.monotonic()))
            order = place()
            answered[order] = time.time()

    [thread.join() for thread in shop.clients(work)]
    lines = collect(shop, answered)
    web = shop.new_lines("orders-web")
    written = {line["order_id"]: at(line) for line in web if line["event"] == "order.placed"}
    placed = first_times(lines["products-worker"], "event.handled", "order.placed")
    confirmed = first_times(lines["orders-worker"], "event.handled", "stock.reserved")
    told = first_times(lines["notifications-worker"], "event.handled", "order.confirmed")
    return {
        "order written -> handled by products": [placed[i] - written[i] for i in answered],
        "order written -> order confirmed": [confirmed[i] - written[i] for i in answered],
        "POST answered -> order confirmed": [confirmed[i] - answered[i] for i in answered],
        "POST answered -> customer told of it": [told[i] - answered[i] for i in answered],
    }


def print_paced(shop: Shop, rate: float, seconds: float) -> None:
    found = paced(shop, rate, seconds)
    orders = len(next(iter(found.values())))
    print(f"{rate:.0f} orders a second for {seconds:.0f} s ({orders} orders)")
    for name, times in found.items():
        spread(name, times)


def drained(shop: Shop, orders: int) -> None:
    """Events pile up in the outboxes of orders; then its worker is started."""
    stack.control(shop.run, "stop", "services:orders-worker")
    left, placed = threading.Semaphore(orders), []

    def work(place: Callable[[], str]) -> None:
        while left.acquire(blocking=False):
            placed.append(place())

    started = time.monotonic()
    [thread.join() for thread in shop.clients(work)]
    accepted = orders / (time.monotonic() - started)
    shop.forget_lines()
    stack.control(shop.run, "start", "services:orders-worker")
    lines = collect(shop, placed)
    print(f"a backlog of {orders} orders, placed while no worker of orders ran")
    print(f"  {'orders accepted meanwhile':44} {accepted:6.0f} /s")
    steps = [
        ("published", "event.published", "orders-worker", "order.placed"),
        ("handled", "event.handled", "products-worker", "order.placed"),
        ("handled", "event.handled", "notifications-worker", "order.placed"),
        ("handled", "event.handled", "orders-worker", "stock.reserved"),
        ("handled", "event.handled", "products-worker", "order.confirmed"),
        ("handled", "event.handled", "notifications-worker", "order.confirmed"),
    ]
    handled: list[float] = []
    began = float("inf")
    for verb, event, worker, kind in steps:
        times = first_times(lines[worker], event, kind).values()
        rate = len(times) / (max(times) - min(times))
        print(f"  {f'{kind} {verb} by {worker}':44} {rate:6.0f} /s")
        began = min(began, *times)
        handled += times if verb == "handled" else []
    seconds = max(handled) - began
    print(f"  {'all events, outbox -> broker -> handler':44} {len(handled) / seconds:6.0f} /s")
    print(f"  {'orders, from placed to told':44} {orders / seconds:6.0f} /s", flush=True)


def steady(
    shop: Shop, backlog: int, seconds: float, warm_up: float = 3
) -> tuple[float, float, int]:
    """As many orders as can be, but never more than so many that are not yet confirmed.

    How many a second were accepted, and confirmed, and the orders in all.
    """
    shop.forget_lines()
    free, over = threading.Semaphore(backlog), threading.Event()
    accepted: list[float] = []
    confirmed: dict[str, float] = {}

    def work(place: Callable[[], str]) -> None:
        while not over.is_set():
            if free.acquire(timeout=0.1):
                place()
                accepted.append(time.time())

    def watch() -> None:
        new = first_times(shop.new_lines("orders-worker"), "event.handled", "stock.reserved")
        for order in new.keys() - confirmed.keys():
            confirmed[order] = new[order]
            free.release()

    threads, start = shop.clients(work), time.time()
    while time.time() < start + warm_up + seconds:
        watch()
        time.sleep(0.02)
    over.set()
    [thread.join() for thread in threads]
    wait_for(len(accepted), lambda: (watch(), len(confirmed))[1], 90)

    def rate(times: list[float]) -> float:
        return sum(start + warm_up <= t < start + warm_up + seconds for t in times) / seconds

    return rate(accepted), rate(list(confirmed.values())), len(accepted)


def print_steady(shop: Shop, backlog: int, seconds: float) -> None:
    accepted, confirmed, orders = steady(shop, backlog, seconds)
    print(f"a steady backlog of {backlog} orders for {seconds:.0f} s ({orders} orders)")
    print(f"  {'orders accepted':44} {accepted:6.0f} /s")
    print(f"  {'orders confirmed':44} {confirmed:6.0f} /s", flush=True)


def versions(run: Path) -> dict[str, str]:
    """What runs, and in which version."""
    settings = stack.service_environment(run, "orders")
    with redis.Redis.from_url(settings["CACHE_URL"]) as cache:
        server = cache.info("server")
    name = "Valkey" if "valkey_version" in server else "Redis"
    found = {f"cache {name}": server.get("valkey_version") or server["redis_version"]}
    if settings["BROKER_URL"].startswith("amqp"):
        with kombu.Connection(settings["BROKER_URL"]) as connection:
            connection.connect()
            found["broker RabbitMQ"] = connection.connection.server_properties["version"]
    else:
        found[f"broker {name}"] = found[f"cache {name}"]
    with pymongo.MongoClient(settings["MONGO_URL"]) as database:
        said = database.server_info()["version"]
    own = list((ROOT / "compose/embedded/.venv/lib").glob("*/site-packages/secantusdb-*.dist-info"))
    if own and not os.environ.get("MONGO_URL"):
        found["database SecantusDB"] = own[0].name.split("-")[1].removesuffix(".dist")
    else:
        found["database MongoDB"] = said
    names = ("flask", "gunicorn", "kombu", "mongoengine", "pymongo")
    code = f"import importlib.metadata as m; print(*[m.version(n) for n in {names}])"
    python = [str(ROOT / "orders/.venv/bin/python"), "-c", code]
    numbers = subprocess.run(python, check=True, capture_output=True, text=True).stdout.split()
    return {"Python": platform.python_version(), **found, **dict(zip(names, numbers, strict=True))}


def machine() -> str:
    """The processor, its cores, the memory, and how busy it was before."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((x.split(": ")[1] for x in lines if x.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores {model or platform.machine()}, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}, load before {load:.1f}"
    )


@contextmanager
def running_shop() -> Iterator[Shop]:
    """A shop with a folder and ports of its own; its data goes with it."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="shop-bench-") as folder:
        run = Path(folder).resolve()
        own = {"RUN_DIR": str(run), "GATEWAY_PORT": str(port), "RATE_LIMIT": "1000000/minute"}

        def command(word: str) -> None:
            script = [sys.executable, str(ROOT / "compose/embedded/shop.py"), word]
            done = subprocess.run(script, env={**os.environ, **own}, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"shop.py {word} failed:\n{done.stdout}{done.stderr}")

        try:
            command("up")
            yield Shop(run, port)
        finally:
            command("down")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=10, help="orders a second, paced")
    parser.add_argument("--seconds", type=float, default=20, help="of the paced and steady parts")
    parser.add_argument("--orders", type=int, default=200, help="that are placed to be drained")
    parser.add_argument("--backlog", type=int, default=50, help="orders that wait, steadily")
    options = parser.parse_args()
    busy = machine()
    with running_shop() as shop:
        found = versions(shop.run)
        broker = next(name for name in found if name.startswith("broker")).split()[1]
        print(f"\n== events on {broker}")
        print(f"machine   {busy}; clients, services and stores together")
        print(f"versions  {', '.join(f'{name} {number}' for name, number in found.items())}")
        print(
            f"settings  {CLIENTS} clients with a connection each, {PRODUCTS} products, orders of "
            "one item; one web process\n"
            "          (8 threads) and one worker of each service, as `make up`; no rate limit"
        )
        if broker != "RabbitMQ":
            print("          on this broker every event is sent twice, 30 s apart; firsts count")
        print_paced(shop, options.rate, options.seconds)
        drained(shop, options.orders)
        print_steady(shop, options.backlog, options.seconds)
        print(f"answers 502, 503 or 504, asked again until 201: {shop.refused}")


if __name__ == "__main__":
    main()
