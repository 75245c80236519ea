"""Kept answers: right after every change, and harmless when Redis is empty, away or slow."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pymongo import monitoring

from conftest import free_port, start_redis
from products import use_cases
from products.app import create_app
from products.cache import TTL, Cache

READERS = 200
FINDS: list[str] = []  # the collections that were asked, one for each query


class _Finds(monitoring.CommandListener):
    def started(self, event):
        if event.command_name == "find":
            FINDS.append(event.command["find"])

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


monitoring.register(_Finds())  # for every client from now on


class Kitchen:
    """Makes answers, and counts them."""

    def __init__(self):
        self.made = 0
        self.dish = b"soup"
        self.lock = threading.Lock()

    def cook(self):
        with self.lock:
            self.made += 1
        return self.dish


@pytest.fixture
def kitchen():
    return Kitchen()


@pytest.fixture
def asked(monkeypatch):
    """How often the database was asked for a list."""
    times, real = [], use_cases.list_products
    monkeypatch.setattr(
        use_cases, "list_products", lambda **query: times.append(query) or real(**query)
    )
    return times


@pytest.fixture
def own_redis(tmp_path):
    """A Redis that a test may stop: (process, port, start again)."""
    port = free_port()
    servers = [start_redis(port, tmp_path)]
    yield servers, lambda: servers.append(start_redis(port, tmp_path)), port
    for server in servers:
        server.kill()
        server.wait()


@pytest.fixture
def fragile(own_redis):
    return Cache(f"redis://127.0.0.1:{own_redis[2]}", "test:")


def test_an_answer_is_made_once_and_kept_as_plain_bytes(cache, kitchen):
    assert [cache.get("a", kitchen.cook) for _ in range(3)] == [b"soup"] * 3
    assert kitchen.made == 1
    assert cache.get("b", lambda: b"bread") == b"bread"
    assert cache.redis.get("products:a").endswith(b"soup")
    assert 0 < cache.redis.ttl("products:a") <= TTL


def test_after_a_change_nothing_old_is_answered(cache, kitchen):
    cache.get("a", kitchen.cook)
    kitchen.dish = b"stew"
    cache.forget()
    assert cache.get("a", kitchen.cook) == b"stew"


def test_every_change_is_seen_by_the_very_next_read(client, add, admin, shop):
    mug = add(stock=5)
    path = f"/products/{mug['id']}"

    def seen():
        one, page = client.get(path), client.get("/products")
        if one.status_code == 404:
            return None, len(page.json["items"])
        assert page.json["items"] == [one.json]
        return one.json["stock"], one.json["name"]

    assert seen() == seen() == (5, "Stoneware Mug")
    shop.place("o", **{mug["id"]: 2})
    assert seen() == seen() == (3, "Stoneware Mug")
    shop.cancel("o")
    assert seen() == seen() == (5, "Stoneware Mug")
    any_version = {**admin, "If-Match": "*"}
    client.patch(path, json={"name": "Cup"}, headers=any_version)
    assert seen() == seen() == (5, "Cup")
    client.delete(path, headers=any_version)
    assert seen() == seen() == (None, 0)


def test_a_reader_that_was_overtaken_by_a_change_keeps_nothing_stale(cache, kitchen):
    def slow():
        stale = kitchen.cook()
        kitchen.dish = b"stew"  # the change, and its forget, while the old answer is on its way
        cache.forget()
        return stale

    assert cache.get("a", slow) == b"soup"  # it asked before the change was done
    assert cache.get("a", kitchen.cook) == b"stew"


def test_a_reader_overtaken_by_a_flush_keeps_nothing_stale(cache, kitchen):
    def slow():
        stale = kitchen.cook()
        kitchen.dish = b"stew"
        cache.redis.flushdb()
        cache.forget()
        return stale

    cache.get("a", slow)
    assert cache.get("a", kitchen.cook) == b"stew"


@pytest.mark.parametrize("path", ["/products/{id}", "/products?sort=price"])
def test_two_hundred_cold_reads_at_once_ask_the_database_once(
    app, settings, add, monkeypatch, path
):
    path = path.format(**add())
    for name, seconds in (("WAIT", 20), ("TIMEOUT", 5)):  # this machine may be busy
        monkeypatch.setattr(f"products.cache.{name}", seconds)
    apps = app, create_app(settings)  # as two processes, with nothing in common but Redis
    barrier = threading.Barrier(READERS)

    def read(number):
        barrier.wait()
        return apps[number % 2].test_client().get(path).json

    FINDS.clear()
    with ThreadPoolExecutor(READERS) as pool:
        answers = list(pool.map(read, range(READERS)))
    assert all(answer == answers[0] for answer in answers)
    assert FINDS == ["products"]


def test_the_same_question_asked_otherwise_is_one_answer(client, add, asked):
    add()
    for query in ("sort=price&limit=5", "limit=5&sort=price", "limit=05&sort=price"):
        assert len(client.get(f"/products?{query}").json["items"]) == 1
    assert len(asked) == 1


def test_what_is_asked_for_by_ids_is_not_kept(client, add, asked):
    path = f"/products?id={add()['id']}"
    assert client.get(path).json == client.get(path).json
    assert len(asked) == 2


def test_those_who_wait_for_an_answer_that_fails_make_their_own(cache, kitchen):
    started, fail = threading.Event(), threading.Event()

    def burn():
        started.set()
        fail.wait()
        raise LookupError

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "a", burn)
        started.wait()
        second = pool.submit(cache.get, "a", kitchen.cook)
        fail.set()
        assert second.result() == b"soup"
        with pytest.raises(LookupError):
            first.result()


def test_a_lock_whose_holder_died_delays_nobody_for_ever(cache, kitchen):
    version = cache._look("a")[0].decode()
    cache.redis.set(f"products:lock:a:{version}", 1)  # and never let go
    assert cache.get("a", kitchen.cook) == b"soup"


def test_without_redis_reads_and_writes_go_on(fragile, own_redis, app, monkeypatch, request):
    own_redis[0][0].kill()
    own_redis[0][0].wait()
    monkeypatch.setitem(app.extensions, "cache", fragile)
    client, add = app.test_client(), request.getfixturevalue("add")
    for n in range(3):
        add()
        assert len(client.get("/products").json["items"]) == n + 1
    ready = client.get("/health/ready")
    assert ready.status_code == 200


def test_a_redis_that_is_away_is_not_asked_at_every_read(fragile, own_redis, kitchen, monkeypatch):
    own_redis[0][0].kill()
    own_redis[0][0].wait()
    tried = []
    monkeypatch.setattr(
        fragile, "_look", lambda key, real=fragile._look: tried.append(1) or real(key)
    )
    for _ in range(20):
        assert fragile.get("a", kitchen.cook) == b"soup"
    assert len(tried) == 1


def test_a_redis_that_hangs_is_as_one_that_is_away(fragile, own_redis, kitchen):
    fragile.get("a", kitchen.cook)
    own_redis[0][0].send_signal(signal.SIGSTOP)
    kitchen.dish = b"stew"
    fragile.forget()
    assert fragile.get("a", kitchen.cook) == b"stew"
    own_redis[0][0].send_signal(signal.SIGCONT)


def test_what_could_not_be_forgotten_is_forgotten_before_redis_is_used_again(
    fragile, own_redis, kitchen, monkeypatch
):
    """Redis comes back with its old data: as after a lost connection, or from a snapshot."""
    fragile.get("a", kitchen.cook)
    own_redis[0][0].send_signal(signal.SIGSTOP)
    kitchen.dish = b"stew"
    fragile.forget()
    own_redis[0][0].send_signal(signal.SIGCONT)
    monkeypatch.setattr(fragile, "_quiet_until", 0.0)
    assert fragile.get("a", kitchen.cook) == b"stew"


def test_the_worker_repeats_a_forget_that_failed(fragile, own_redis, kitchen):
    other = Cache(f"redis://127.0.0.1:{own_redis[2]}", "test:")
    other.get("a", kitchen.cook)
    own_redis[0][0].send_signal(signal.SIGSTOP)
    kitchen.dish = b"stew"
    fragile.forget()
    fragile.repay()  # still away
    own_redis[0][0].send_signal(signal.SIGCONT)
    fragile.repay()
    assert other.get("a", kitchen.cook) == b"stew"
    before = other.redis.get("test:version")
    fragile.repay()  # nothing is owed any more
    assert other.redis.get("test:version") == before


def test_an_emptied_redis_is_filled_again(cache, kitchen):
    cache.get("a", kitchen.cook)
    cache.redis.flushdb()
    assert [cache.get("a", kitchen.cook) for _ in range(2)] == [b"soup"] * 2
    assert kitchen.made == 2


def test_rubbish_in_redis_is_not_believed(cache, kitchen):
    cache.get("a", kitchen.cook)
    for rubbish in (b"", b"!\x80\x04", b"x" * 40):
        cache.forget()
        cache.redis.set("products:a", rubbish)
        assert cache.get("a", kitchen.cook) == b"soup"
