"""Somebody explores the shop in a browser: /docs at the gateway and at each service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from e2e.conftest import place

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("users", "products", "orders", "notifications")


def test_somebody_logs_in_authorizes_and_calls(
    page, excused, base_url, customer, product, pictures
):
    ada = customer()
    place(ada, (product(), 2))
    open_docs(page, base_url)
    tokens = log_in(page, ada.email, ada.password)
    orders = operation(page, "orders", "list_orders")
    excused.append("status of 401")
    expect(call(orders)).to_have_text("401")
    authorize(page, tokens["access_token"])
    expect(call(orders)).to_have_text("200")
    expect(orders.locator(".live-responses-table")).to_contain_text("Blue mug")

    page.reload()
    expect(page.locator(".auth-wrapper .authorize.locked")).to_be_visible()
    try_out(orders)  # the address of the page has opened it again
    expect(call(orders)).to_have_text("200")
    pictures("docs-of-the-gateway", orders)


def test_the_chooser_shows_every_contract_and_calls_go_through_the_gateway(
    page, base_url, customer
):
    open_docs(page, base_url)
    ada = customer()
    authorize(page, log_in(page, ada.email, ada.password)["access_token"])
    chooser = page.get_by_label("Select a definition")
    expect(chooser.locator("option")).to_have_text(["shop", *SERVICES])
    for name in SERVICES:
        chooser.select_option(label=name)
        expect(page.locator(".info .title")).to_contain_text(name)
        expect(page.locator(".webhooks .opblock")).to_have_count(len(events(name)))
    expect(call(operation(page, "notifications", "list_notifications"))).to_have_text("200")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_shows_its_own_contract_and_its_events(page, run_dir, name, pictures):
    port = json.loads((run_dir / "ports.json").read_text())[name]
    open_docs(page, f"http://127.0.0.1:{port}")
    expect(page.locator(".info .title")).to_contain_text(name)
    told = page.locator(".webhooks .opblock")
    expect(told.locator(".opblock-summary-path")).to_have_text(events(name))
    for event in told.all():
        event.locator(".opblock-summary-control").click()
        expect(event.locator(".opblock-body")).to_contain_text("routingKey")
    if name == "orders":
        pictures("docs-of-orders", page.locator(".webhooks"))


def open_docs(page: Page, address: str) -> None:
    policy = page.goto(f"{address}/docs").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy, "neither inline scripts, nor eval, nor other hosts"
    expect(page.locator(".opblock").first).to_be_visible()


def operation(page: Page, tag: str, name: str) -> Locator:
    """Opens an operation, ready to be tried out."""
    found = page.locator(f"#operations-{tag}-{name}")
    found.locator(".opblock-summary-control").click()
    try_out(found)
    return found


def try_out(operation: Locator) -> None:
    operation.get_by_role("button", name="Try it out").click()


def call(operation: Locator) -> Locator:
    """Sends the request; gives the place where the status of the answer is shown."""
    operation.locator(".execute").click()
    return operation.locator(".live-responses-table .response .response-col_status").first


def log_in(page: Page, email: str, password: str) -> dict:
    form = operation(page, "auth", "log_in")
    form.locator("textarea").fill(json.dumps({"email": email, "password": password}))
    with page.expect_response("**/auth/login") as answer:
        expect(call(form)).to_have_text("200")
    return answer.value.json()


def authorize(page: Page, token: str) -> None:
    page.locator(".auth-wrapper .authorize").first.click()
    dialog = page.locator(".modal-ux")
    dialog.locator("input").fill(token)
    dialog.locator("button.authorize").click()
    dialog.locator(".btn-done").click()


def events(name: str) -> list[str]:
    contract = json.loads((ROOT / f"contracts/{name}.openapi.json").read_text())
    return list(contract.get("webhooks", {}))


@pytest.fixture
def pictures(page, request):
    """Writes what is seen at a place into docs/images, when asked to: pytest --pictures."""

    def write(name: str, place: Locator) -> None:
        if not request.config.getoption("pictures"):
            return
        page.add_style_tag(content=".curl-command { display: none }")  # it shows a token
        page.set_viewport_size({"width": 1200, "height": 1200})
        place.evaluate("element => element.scrollIntoView()")
        page.screenshot(path=ROOT / f"docs/images/{name}.png")

    return write
