"""The picture of a request shows each bar that took a share worth looking at."""

from __future__ import annotations

from xml.etree import ElementTree

from bars import KERNEL, Bar
from flame import ROW, WIDTH, draw

SVG = "{http://www.w3.org/2000/svg}"


def bar(name: str, much: float, *calls: Bar) -> Bar:
    return Bar(name, much, {called.name: called for called in calls})


REQUEST = bar(
    "GET /orders/{id}",
    1000,
    bar("orders-web", 600, bar("Flask", 400, bar("orders/routes.py", 300)), bar(KERNEL, 200)),
    bar("gateway-web", 380, bar("<&>", 40), bar("seldom", 29)),
    bar("Redis", 20),
)


def rectangles() -> dict[str, dict[str, str]]:
    root = ElementTree.fromstring(draw("one request", REQUEST))
    groups = root.findall(f"{SVG}g")
    return {each.find(f"{SVG}title").text: each.find(f"{SVG}rect").attrib for each in groups}


def test_width_is_time_and_who_is_called_hangs_below() -> None:
    drawn = rectangles()
    orders, routes = drawn["orders-web 600 µs"], drawn["orders/routes.py 300 µs"]
    assert float(orders["width"]) == 0.6 * WIDTH - 1
    assert (float(orders["y"]), float(routes["y"])) == (ROW, 3 * ROW)
    assert routes["class"] == "ours"
    assert float(drawn["gateway-web 380 µs"]["x"]) == 0.6 * WIDTH
    assert float(drawn[f"{KERNEL} 200 µs"]["x"]) == 0.4 * WIDTH  # beside Flask


def test_what_took_less_than_three_hundredths_is_not_drawn() -> None:
    assert not [name for name in rectangles() if name.startswith(("Redis", "seldom"))]
    assert "<&> 40 µs" in rectangles()


def test_a_name_is_cut_where_there_is_no_room() -> None:
    root = ElementTree.fromstring(draw("one request", REQUEST))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "orders-web 600 µs" in texts
    narrow = bar("whole", 1000, bar("a long name of a module", 80), bar("another", 30))
    root = ElementTree.fromstring(draw("one request", narrow))
    assert [text.text for text in root.iter(f"{SVG}text")] == ["whole 1,000 µs", "a long …"]
