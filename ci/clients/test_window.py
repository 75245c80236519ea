"""A newcomer at the shop window: the page at / in a browser, on a shop where things also fail."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import stack
from playwright.sync_api import Browser, Locator, Page, Route, expect

HERE = Path(__file__).resolve().parent
AXE = (HERE / "node_modules/axe-core/axe.min.js").read_text()
DESCRIPTION = "field => document.getElementById(field.getAttribute(`aria-describedby`)).textContent"
PASSWORD = "correct horse battery"


@pytest.fixture
def page(page: Page, base_url: str) -> Page:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(base_url)
    expect(page.locator("#products li")).to_have_count(8)
    return page


@pytest.fixture
def mug(product: Callable[..., dict]) -> dict:
    """Something for sale that no other test buys: five are in stock."""
    return product(name=f"Mug {uuid.uuid4().hex[:8]}", stock=5, amount=1250)


def register(page: Page) -> str:
    """Fills in the form and presses Enter; gives the e-mail."""
    email = f"{uuid.uuid4().hex}@shop.example"
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_text("Ada Lovelace")).to_be_visible()
    return email


def search(page: Page, words: str) -> Locator:
    page.get_by_label("Search").fill(words)
    page.get_by_label("Search").press("Enter")
    return page.locator("#products li")


def put_in_basket(page: Page, name: str, quantity: int) -> None:
    expect(search(page, name)).to_have_count(1)
    page.get_by_role("button", name=f"Add {name}").click()
    page.get_by_label(f"How many of {name}").fill(str(quantity))
    page.keyboard.press("Tab")


def order(page: Page) -> Locator:
    """Presses Order; gives the newest order when it is shown."""
    before = page.locator("#placed > li").count()
    page.get_by_role("button", name="Order").click()
    expect(page.locator("#placed > li")).to_have_count(before + 1)
    return page.locator("#placed > li").first


def test_a_newcomer_registers_orders_and_sees_it_confirmed(page: Page, mug: dict) -> None:
    put_in_basket(page, mug["name"], 2)
    expect(page.locator("#total")).to_have_text("€25.00")
    page.get_by_role("button", name="Order").click()
    expect(page.locator("#basket .said")).to_contain_text("Register first")
    expect(page.get_by_label("Name")).to_be_focused()
    register(page)
    page.get_by_role("button", name="Order").dblclick()
    placed = page.locator("#placed > li")
    expect(placed).to_have_attribute("data-status", "confirmed")
    expect(placed).to_contain_text(f"2 × {mug['name']}")
    expect(placed).to_contain_text("€25.00")
    expect(page.locator("#notifications li")).to_have_count(2)
    expect(page.locator("#notifications")).to_contain_text("Order confirmed")
    expect(page.locator("#products li")).to_contain_text("only 3 left")

    placed.get_by_role("button", name="Cancel").click()
    expect(placed).to_have_attribute("data-status", "cancelled")
    expect(page.locator("#products li")).to_contain_text("5 in stock")


def test_who_orders_more_than_there_is_reads_why_it_was_rejected(page: Page, mug: dict) -> None:
    register(page)
    put_in_basket(page, mug["name"], 7)
    expect(page.locator("#lines")).to_contain_text("only 5 left: will be rejected")
    placed = order(page)
    expect(placed).to_have_attribute("data-status", "rejected")
    expect(placed).to_contain_text(f"{mug['name']}: 7 asked for, 5 left.")
    expect(placed.get_by_role("button", name="Cancel")).to_be_hidden()


def test_the_shelf_is_searched_sorted_and_turned_page_by_page(page: Page) -> None:
    items = page.locator("#products li")
    page.get_by_role("button", name="Show more").press("Enter")
    expect(items).to_have_count(16)
    expect(items.nth(8).get_by_role("button")).to_be_focused()
    page.get_by_label("Sort").select_option("-price")
    expect(items).to_have_count(8)
    expect(items.first).to_contain_text("Hand Grinder")
    expect(search(page, "teapot")).to_have_count(2)
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    search(page, "unicorn")
    expect(page.locator("#search .said")).to_have_text(
        "Nothing has these words. Only whole words are found."
    )


def test_of_two_searches_the_last_one_counts(page: Page) -> None:
    held: list[Route] = []
    page.route("**/products?*q=matcha*", lambda route: held.append(route))
    search(page, "matcha")
    expect(search(page, "teapot")).to_have_count(2)
    with page.expect_response("**/products?*q=matcha*"):
        held[0].continue_()
    page.evaluate("fetch('/health/live')")  # by now the page has seen what came late
    expect(page.locator("#products li")).to_have_count(2)


def test_what_is_wrong_is_said_at_the_field_it_is_about(page: Page, excused: list[str]) -> None:
    excused += ["status of 422", "status of 409"]
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("E-mail").fill("ada")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_label("E-mail")).to_be_focused()
    for name in ("E-mail", "Password"):
        expect(page.get_by_label(name)).to_have_attribute("aria-invalid", "true")
        assert page.get_by_label(name).evaluate(DESCRIPTION)
    expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "false")


def test_tokens_are_kept_nowhere_and_an_old_one_is_refreshed(
    page: Page, excused: list[str], base_url: str
) -> None:
    email = register(page)
    stored = "localStorage.length + sessionStorage.length + document.cookie.length"
    assert page.evaluate(stored) == 0

    excused.append("status of 401")
    with page.expect_response("**/auth/refresh") as refreshed:
        # The page asks every two seconds by itself, too: whichever comes first is refused.
        refuse(page, "**/orders?*", 401, "Whether it goes on is not known: refresh.", times=1)
        page.evaluate("soon()")
    assert refreshed.value.status == 200
    with page.expect_response("**/orders?*") as asked_again:
        pass
    assert asked_again.value.status == 200
    expect(page.locator("#orders > .said")).to_have_text("")
    expect(page.get_by_text("Ada Lovelace")).to_be_visible()

    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#enter .said")).to_have_text("You have left.")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill("a wrong password")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#enter .said")).to_have_text("The e-mail or the password is wrong.")


def test_a_session_that_has_ended_is_told(page: Page, excused: list[str]) -> None:
    register(page)
    excused.append("status of 401")
    refuse(page, "**/auth/refresh", 401, "The refresh token is not valid.")
    refuse(page, "**/orders?*", 401, "The session of this token has ended.")
    page.evaluate("soon()")
    expect(page.locator("#enter .said")).to_have_text("Your session has ended. Log in again.")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (429, "That was too often. Try again in 7 s."),
        (503, "The service orders is away. Try again in 7 s."),
    ],
)
def test_who_must_wait_is_told_for_how_long_and_orders_once(
    page: Page, excused: list[str], mug: dict, status: int, said: str
) -> None:
    register(page)
    put_in_basket(page, mug["name"], 1)
    excused.append(f"status of {status}")
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    refuse(page, "**/orders", status, "The service orders is away.")
    page.get_by_role("button", name="Order").click()
    expect(page.locator("#basket .said")).to_have_text(said)
    page.unroute("**/orders")
    expect(order(page)).to_contain_text(mug["name"])
    first, second = (request.headers["idempotency-key"] for request in sent)
    assert first == second


def test_an_order_is_seen_to_its_end_while_notifications_are_away(
    page: Page, excused: list[str], mug: dict
) -> None:
    excused.append("status of 502")
    refuse(page, "**/notifications?*", 502, "The service notifications cannot be reached.")
    register(page)
    put_in_basket(page, mug["name"], 1)
    expect(order(page)).to_have_attribute("data-status", "confirmed")


def refuse(page: Page, path: str, status: int, detail: str, times: int | None = None) -> None:
    """Answers in place of the shop, as it would; always, or so many times."""

    def answer(route: Route) -> None:
        problem = {"type": "about:blank", "title": "x", "status": status, "detail": detail}
        route.fulfill(
            status=status,
            json=problem,
            headers={"Content-Type": "application/problem+json", "Retry-After": "7"},
        )

    page.route(path, answer, times=times)


def test_a_service_that_is_stopped_turns_red_and_green_again(
    page: Page, excused: list[str], run_dir: Path, pictures: Callable[[str], None]
) -> None:
    node = page.locator("[data-node=notifications]")
    expect(node).to_have_attribute("data-status", "ok")
    page.get_by_label("Sort").select_option("-price")
    excused.append("status of 503")
    stack.control(run_dir, "stop", "services:notifications-web")
    try:
        expect(node).to_have_attribute("data-status", "down")
        expect(node.locator(".state")).to_have_text("down")
        expect(page.locator("[data-node=orders]")).to_have_attribute("data-status", "ok")
        expect(page.locator("nav")).to_have_attribute("data-status", "down")
        assert serious(page) == []
        pictures("window-service-down")
    finally:
        stack.control(run_dir, "start", "services:notifications-web")
    expect(node).to_have_attribute("data-status", "ok")
    expect(page.locator("#changes li")).to_contain_text(
        ["notifications is well", "notifications is down"]
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it_in_light_and_dark_on_a_desk_and_a_phone(
    page: Page, scheme: str, excused: list[str], pictures: Callable[[str], None]
) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    expect(page.locator("[data-node=users]")).to_have_attribute("data-status", "ok")
    excused.append("status of 422")
    page.get_by_role("button", name="Register").click()
    expect(page.locator("#email-error")).not_to_be_empty()
    assert serious(page) == []
    register(page)
    put_in_basket(page, "Matcha Bowl", 5)
    expect(order(page)).to_have_attribute("data-status", "rejected")
    put_in_basket(page, "Stoneware Mug", 2)
    expect(order(page)).to_have_attribute("data-status", "confirmed")
    expect(page.locator("#notifications li")).to_have_count(4)
    put_in_basket(page, "Cast Iron Teapot", 1)
    page.get_by_label("Sort").select_option("-price")
    expect(search(page, "")).to_have_count(8)
    for name, width in (("desk", 1280), ("phone", 390), ("small phone", 320)):
        page.set_viewport_size({"width": width, "height": 840})
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        if name != "small phone":
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            pictures(f"window-{name}-{scheme}")


def serious(page: Page) -> list[str]:
    """What axe finds on the page as it is now, and calls serious or critical."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{finding['id']}: {node['html']}"
        for finding in found
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]


def test_without_javascript_it_says_what_it_is(browser: Browser, base_url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(base_url)
    expect(page.get_by_role("link", name="The catalogue as JSON")).to_be_visible()
    expect(page.get_by_role("main")).to_be_hidden()
    context.close()


@pytest.fixture
def pictures(page: Page, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Writes what is seen into docs/images, when asked to: pytest --pictures."""

    def write(name: str) -> None:
        if request.config.getoption("pictures"):
            page.screenshot(path=HERE.parents[1] / f"docs/images/{name}.png")

    return write
