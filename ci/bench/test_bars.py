"""A profile's stacks become bars that say whose time it is."""

from __future__ import annotations

from bars import OTHER, Bar, fold, role, why

SITE = "/somewhere/.venv/lib/python3.12/site-packages"
ORDERS = "/somewhere/orders/src/orders"
STACKS = [
    f"run (/usr/lib/python3.12/threading.py:9);handle ({SITE}/gunicorn/workers/gthread.py:1);"
    f"call ({SITE}/flask/app.py:2);get ({ORDERS}/routes.py:3);find ({SITE}/pymongo/x.py:4) 3",
    f"handle ({SITE}/gunicorn/workers/gthread.py:1);parse ({SITE}/gunicorn/http/m.py:9);"
    f"call ({SITE}/flask/app.py:2);inner (/usr/lib/python3.12/contextlib.py:7);"
    f"write ({ORDERS}/chassis/logs.py:3);dumps ({SITE}/structlog/p.py:5) 1",
]


def test_frames_of_one_role_in_a_row_are_one_bar() -> None:
    [gunicorn] = fold(STACKS, "orders-web").calls.values()
    assert (gunicorn.name, gunicorn.much) == ("gunicorn", 4)
    [flask] = gunicorn.calls.values()
    assert {bar.name: bar.much for bar in flask.calls.values()} == {
        "orders/routes.py": 3,
        "log line": 1,
    }


def test_who_is_called_by_what_he_called_is_where_he_was_first() -> None:
    stack = f"a ({SITE}/flask/app.py);b ({ORDERS}/app.py);c ({SITE}/flask/ctx.py) 2"
    root = fold([stack], "orders-web")
    assert root.own() == {"Flask": 2}
    assert not root.calls["Flask"].calls


def test_the_standard_library_counts_for_who_calls_it() -> None:
    line = f"run (/usr/lib/threading.py:1);call ({SITE}/flask/app.py);now (/usr/lib/x.py) 5"
    assert fold([line], "orders-web").own() == {"Flask": 5}


def test_what_nobody_called_is_other_python() -> None:
    lines = ["run (/usr/lib/threading.py:1) 1", f"call ({SITE}/rare/x.py);now (<string>) 2"]
    assert fold(lines, "orders-web").own() == {OTHER: 3}


def test_own_times_add_up_to_the_whole() -> None:
    root = fold(STACKS, "orders-web").scaled(100 / 4)
    assert root.own() == {"pymongo": 75, "log line": 25}
    assert sum(root.own().values()) == root.much == 100


def test_a_frame_with_a_space_or_a_bracket_in_its_name_has_a_file_too() -> None:
    line = f"<genexpr> (of a class) ({SITE}/bson/raw bson.py:12) 1"
    assert fold([line], "orders-web").own() == {"pymongo": 1}


def test_files_of_ours_are_bars_with_the_sentence_that_they_begin_with() -> None:
    assert role("/elsewhere/api-gateway/src/gateway/limits.py") == "gateway/limits.py"
    assert why("gateway/limits.py").startswith("How often one address may ask")
    assert why("pymongo")


def test_what_is_no_stack_is_left_out() -> None:
    torn = ["Content-Type: text/html", "", "X-Content-Type-Options: nosniff"]
    assert fold([*torn, *STACKS], "orders-web") == fold(STACKS, "orders-web")


def test_nothing_takes_no_time() -> None:
    assert fold([], "orders-web") == Bar("orders-web")
