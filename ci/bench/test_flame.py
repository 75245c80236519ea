"""Flame graphs show whose time it is."""

from __future__ import annotations

from flame import draw, fold

STACKS = [
    "run (site-packages/gunicorn/app.py:1);call (site-packages/flask/app.py:2);"
    "view (src/orders/routes.py:3);find (site-packages/pymongo/x.py:4) 3",
    "run (site-packages/gunicorn/app.py:1);more (site-packages/gunicorn/b.py:9);"
    "call (site-packages/flask/app.py:2);log (src/orders/chassis/logs.py:3) 1",
]


def test_frames_of_one_library_are_one_bar() -> None:
    [gunicorn] = fold(STACKS).calls.values()
    assert (gunicorn.name, gunicorn.samples) == ("gunicorn", 4)
    [flask] = gunicorn.calls.values()
    assert {name: bar.samples for name, bar in flask.calls.items()} == {
        "routes.py": 3,
        "chassis/logs.py": 1,
    }


def test_says_each_part_with_its_share() -> None:
    drawn = draw(fold(STACKS), "orders & more")
    assert "routes.py 75%" in drawn and "chassis/logs.py 25%" in drawn
    assert "orders &amp; more" in drawn
