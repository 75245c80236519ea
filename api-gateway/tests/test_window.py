"""The page at /: what it may load, and how long a browser may keep it. Its use: ci/clients."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from conftest import CLOSED
from gateway.contract import SERVICES

OWN = ["/window/window.css", "/window/window.js", "/window/window.svg"]


class Seen(HTMLParser):
    """The tags of a page with their attributes, and the text in its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            self.inline += data


@pytest.fixture
def page(client: FlaskClient) -> Seen:
    return Seen(client.get("/").text)


def test_the_page_is_there_for_everybody_whatever_is_down(make_app: Callable[..., Flask]) -> None:
    away = {f"{name}_url": CLOSED for name in SERVICES}
    answer = make_app(**away, cache_url="redis://127.0.0.1:1/0").test_client().get("/")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")


def test_the_browser_is_told_to_load_and_ask_nothing_but_this_origin(client: FlaskClient) -> None:
    policy = client.get("/").headers["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in policy and "*" not in policy and "data:" not in policy


def test_nothing_on_the_page_needs_a_looser_policy(page: Seen) -> None:
    assert page.inline.strip() == ""
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith("on")}


def test_the_page_is_made_of_its_own_files(page: Seen, client: FlaskClient) -> None:
    loaded = [a.get("src") or a.get("href") for tag, a in page.tags if tag in ("link", "script")]
    assert sorted(filter(None, loaded)) == OWN
    for path in OWN:
        answer = client.get(path, buffered=True)
        assert answer.status_code == 200
        assert not re.search(r"https?://(?!www\.w3\.org/)|@import|url\(", answer.text)
    types = [client.get(path, buffered=True).mimetype for path in OWN]
    assert types == ["text/css", "text/javascript", "image/svg+xml"]


def test_a_browser_asks_anew_and_gets_only_what_has_changed(client: FlaskClient) -> None:
    def get(path: str, tag: str) -> TestResponse:
        return client.get(path, headers={"If-None-Match": tag}, buffered=True)

    for path in ("/", *OWN):
        first = get(path, '"other"')
        assert first.status_code == 200
        assert first.headers["Cache-Control"] == "no-cache"
        again = get(path, first.headers["ETag"])
        assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("name", ["", "x.js", "../app.py", "..%2Fapp.py", "window.html"])
def test_no_other_file_is_served(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/window/{name}")
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def test_every_service_has_its_place_in_the_drawing(page: Seen) -> None:
    places = [attributes["data-node"] for _, attributes in page.tags if "data-node" in attributes]
    assert places == ["api-gateway", *SERVICES, "broker"]


def test_says_what_to_do_without_javascript(client: FlaskClient) -> None:
    without = re.search("<noscript>(.*?)</noscript>", client.get("/").text, re.DOTALL)
    assert without and "JavaScript" in without[1]


def test_the_page_counts_as_a_request_and_takes_none(make_app: Callable[..., Flask]) -> None:
    client = make_app(rate_limit="1/minute").test_client()
    assert client.post("/").status_code == 405
    assert client.get("/").status_code == 200
    assert client.get("/").status_code == 429
