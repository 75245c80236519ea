"""The order of the site: what one sees at its side."""

from pathlib import Path

from sphinx.application import Sphinx

SECTIONS = {
    "Tutorial": ["docs/tutorial/*.md"],
    "How to": ["docs/how-to/*.md"],
    "Reference": ["docs/reference/*.md"],
    "Explanation": ["docs/explanation/*.md"],
    "Decisions": ["docs/adr/*.md"],
    "The code": ["README.md", "*/README.md", "compose/kubernetes/README.md"],
    "The project": ["CONTRIBUTING.md", "CHANGELOG.md"],
}


def tree(root: Path) -> str:
    """A toctree for each section that has pages; GitHub's readers have the links of the page."""
    text = ""
    for caption, patterns in SECTIONS.items():
        found = [path for pattern in patterns for path in sorted(root.glob(pattern), key=_order)]
        pages = [f"/{path.relative_to(root).with_suffix('')}" for path in found]
        pages = list(dict.fromkeys(page for page in pages if page != "/docs/README"))
        if pages:
            listed = "\n".join(pages)
            text += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n"
    return text


def _order(page: Path) -> tuple[bool, Path]:
    """By name, but first what introduces the others."""
    return page.name != "README.md", page


def add(app: Sphinx, page: str, source: list[str]) -> None:
    if page == app.config.root_doc:
        source[0] += tree(Path(app.srcdir))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", add)
    return {"parallel_read_safe": True}
