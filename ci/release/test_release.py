"""A release is what its changelog and its released contracts say, or it is none."""

from pathlib import Path

import pytest

from release import ROOT, prepare, problems, sections

CHANGELOG = """# Changelog

## Unreleased

- It sells more.

## 0.1.0 — 2026-11-22

The first that sells.

- It sells.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that was released once, whose orders have changed since."""
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "contracts/released").mkdir(parents=True)
    for name, now, then in [("orders", "2", "1"), ("users", "1", "1")]:
        (tmp_path / f"contracts/{name}.openapi.json").write_text(now)
        (tmp_path / f"contracts/released/{name}.openapi.json").write_text(then)
    return tmp_path


def test_a_section_is_the_text_between_two_headings():
    assert sections(CHANGELOG) == {
        "Unreleased": "- It sells more.",
        "0.1.0": "The first that sells.\n\n- It sells.",
    }


def test_the_changelog_of_the_shop_can_be_read():
    assert sections((ROOT / "CHANGELOG.md").read_text())["0.1.0"].startswith("The first shop")


def test_what_is_not_prepared_is_no_release_and_says_why(root):
    assert list(problems(root, "0.2.0")) == [
        "CHANGELOG.md says nothing of 0.2.0",
        "contracts/released/orders.openapi.json is not contracts/orders.openapi.json",
    ]


def test_what_is_prepared_is_a_release(root):
    prepare(root, "0.2.0")
    assert list(problems(root, "0.2.0")) == []
    assert list(sections((root / "CHANGELOG.md").read_text())) == ["0.2.0", "0.1.0"]


def test_an_empty_section_is_none(root):
    (root / "CHANGELOG.md").write_text("## 0.2.0 — 2026-12-01\n\n## 0.1.0\n\nIt sells.\n")
    assert "CHANGELOG.md says nothing of 0.2.0" in problems(root, "0.2.0")


def test_an_older_version_is_not_released_again(root):
    prepare(root, "0.2.0")
    assert list(problems(root, "0.1.0")) == ["0.1.0 is not the newest version of CHANGELOG.md"]


def test_changes_that_came_after_are_not_left_behind(root):
    prepare(root, "0.2.0")
    text = (root / "CHANGELOG.md").read_text()
    (root / "CHANGELOG.md").write_text("## Unreleased\n\n- More.\n\n" + text)
    assert "unreleased: they belong to 0.2.0" in next(problems(root, "0.2.0"))


def test_a_contract_that_is_gone_or_new_is_released_as_it_is(root):
    (root / "contracts/users.openapi.json").unlink()
    (root / "contracts/reviews.openapi.json").write_text("1")
    assert sum("is not contracts/" in told for told in problems(root, "0.1.0")) == 3
    prepare(root, "0.2.0")
    released = {path.name for path in (root / "contracts/released").iterdir()}
    assert released == {"orders.openapi.json", "reviews.openapi.json"}


def test_a_release_of_nothing_is_refused(root):
    prepare(root, "0.2.0")
    with pytest.raises(SystemExit, match="nothing that is unreleased"):
        prepare(root, "0.3.0")
