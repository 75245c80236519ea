"""The shop of the end-to-end tests, and a browser to look at it."""

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

pytest_plugins = ["e2e.conftest"]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
_PATIENCE = 60_000  # ms: a page waits for the machine, and a test for the page


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="write those of docs/images anew")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        pytest.skip("needs a browser; on Debian: apt-get install chromium")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has none for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_QUIET, *as_root])
        yield browser
        browser.close()


@pytest.fixture
def excused() -> list[str]:
    """Words of what the console of a page may say; a test adds what it brings about."""
    # Swagger UI warns of any _ in a deep link, though it follows those to our operations.
    return ["escaping deep link whitespace"]


@pytest.fixture
def page(browser: Browser, excused: list[str]) -> Iterator[Page]:
    """A page with a memory of its own. It may complain of nothing else, and ask one host only."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(_PATIENCE)
    context.set_default_navigation_timeout(_PATIENCE)
    expect.set_options(timeout=_PATIENCE)
    page, complaints, hosts = context.new_page(), [], set()

    def note(request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            hosts.add(urlsplit(request.url).netloc)

    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", note)
    yield page
    shown = urlsplit(page.url).netloc
    context.close()
    assert [text for text in complaints if not any(word in text for word in excused)] == []
    assert hosts == {shown}
