"""The site as `make site` has built it, and what must fail its building."""

from __future__ import annotations

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

from build import HERE, ROOT, build

SITE = HERE / "out/site"
LOADS = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "srcset"}


class Loads(HTMLParser):
    """What a browser fetches by itself to show a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attributes if name == LOADS.get(tag)]


def pages() -> list[Path]:
    found = sorted(SITE.rglob("*.html"))
    assert len(found) > 40, "make site builds it"
    return found


def test_nothing_is_loaded_from_another_host() -> None:
    loaded = {(page.name, url) for page in pages() for url in Loads(page).found}
    assert loaded
    assert [url for url in loaded if re.match(r"\s*(\w+:)?//", url[1])] == []
    for sheet in SITE.rglob("*.css"):
        asked = re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")\s;]+)", sheet.read_text())
        assert [url for url in asked if re.match(r"(https?:)?//", url)] == [], sheet


def test_each_decision_readme_and_page_of_the_docs_is_in_it() -> None:
    sources = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md"), ROOT / "README.md"]
    built = {path.relative_to(SITE) for path in pages()}
    assert {path.relative_to(ROOT).with_suffix(".html") for path in sources} <= built


def test_the_drawing_is_a_picture() -> None:
    front = (SITE / "README.html").read_text()
    assert "architecture.svg" in front
    assert "flowchart LR" not in front


def test_a_link_to_code_and_one_to_a_folder_lead_to_pages() -> None:
    about_chaos = (SITE / "docs/explanation/chaos.html").read_text()
    assert 'href="../../code/ci/chaos/schedule.py.html"' in about_chaos
    assert ">def<" in (SITE / "code/ci/chaos/schedule.py.html").read_text()
    assert 'href="users/README.html"' in (SITE / "README.html").read_text()


def test_the_search_knows_what_the_pages_say() -> None:
    index = (SITE / "searchindex.js").read_text()
    assert "idempot" in index and "docs/adr/0001-one-fact-is-one-write" in index


WRONG = {
    "[a page](nowhere.md)": "nowhere.md",
    "[a heading](README.md#of-no-page)": "of-no-page",
    "[code](gone.py)": "gone.py",
    "![a picture](gone.png)": "gone.png",
    "```mermaid\nflowchart LR\n  a --> b\n```": "has no picture",
}


def test_what_leads_nowhere_fails_the_building(tmp_path: Path) -> None:
    folder = tmp_path / "repository/docs"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("\n\n".join(["# The docs", *WRONG]))
    done = build(tmp_path / "repository", tmp_path / "out")
    assert done.returncode != 0
    assert [says for says in WRONG.values() if says not in done.stdout] == []


def test_the_event_that_is_added_by_way_of_example_can_be_added() -> None:
    example = ROOT / "docs/how-to/add-an-event.diff"
    done = subprocess.run(["git", "apply", "--check", example], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
