"""What GitHub does with a repository's files, done for the site: code, folders and drawings.

A link to a file that is no page leads to the file, shown with its colours; one to a folder leads to
its README, or to the list of what is in it; a Mermaid block is shown as the picture made of it.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from picture import digest
from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

log = logging.getLogger(__name__)
CODE = "code/"  # where on the site files and folders are
UNREAD = {"node_modules", "out", "secrets", "mutants", ".png", ".svg", ".lock"}
shown: set[str] = set()  # paths of those that something leads to


class AsOnGitHub(SphinxTransform):
    default_priority = 5  # before Sphinx collects what is to be downloaded

    def apply(self, **_: Any) -> None:
        for node in list(self.document.findall(addnodes.download_reference)):
            self.show(node, self.path(node["reftarget"]))
        for node in list(self.document.findall(addnodes.pending_xref)):
            path = self.path(node["reftarget"].partition("#")[0])
            if node["refdomain"] is None and path and (Path(self.app.srcdir) / path).is_dir():
                self.show(node, path)
        for node in list(self.document.findall(nodes.literal_block)):
            if node.get("language") == "mermaid":
                self.draw(node)

    def path(self, target: str) -> str:
        """What a link means, from the root of the repository; nothing for what is outside of it."""
        here = Path(self.env.docname).parent
        path = os.path.normpath(target[1:] if target.startswith("/") else here / target)
        return "" if path.startswith("..") or not target else path

    def show(self, node: nodes.Element, path: str) -> None:
        if (Path(self.app.srcdir) / path / "README.md").is_file():
            page = os.path.normpath(f"{path}/README")
        else:
            shown.add(path)
            page = CODE + path
        target = self.app.builder.get_relative_uri(self.env.docname, page)
        link = nodes.reference("", "", *node.children, refuri=target, internal=True)
        node.replace_self(link)

    def draw(self, node: nodes.literal_block) -> None:
        wanted = digest(node.astext())
        for picture in sorted((Path(self.app.srcdir) / "docs/images").glob("*.svg")):
            if wanted in picture.read_text():
                place = f"/{picture.relative_to(self.app.srcdir)}"
                node.replace_self(nodes.image(uri=place, alt="A drawing of what the page says"))
                return
        log.warning("this drawing has no picture: `make docs` makes it", location=node)


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each file and folder that something leads to, and for what is in these folders."""
    todo = sorted(shown)
    for path in todo:
        place = Path(app.srcdir) / path
        body = f"<h1>{html.escape(path)}</h1>"
        if place.is_dir():
            inside = [f"{path}/{name}" for name in listed(place)]
            read = app.env.found_docs
            todo += [name for name in inside if name not in todo and name[:-3] not in read]
            pages = [name[:-3] if name[:-3] in read else CODE + name for name in inside]
            places = [app.builder.get_relative_uri(CODE + path, page) for page in pages]
            names = [html.escape(Path(name).name) for name in inside]
            links = [f'<a href="{at}">{name}</a>' for at, name in zip(places, names, strict=True)]
            body += f"<ul>{''.join(f'<li>{link}</li>' for link in links)}</ul>"
        else:
            body += coloured(app, place)
        yield CODE + path, {"title": path, "body": body}, "page.html"


def listed(folder: Path) -> list[str]:
    """What a reader would look at: no caches, no hidden files, nothing that is not text."""
    found = [path for path in folder.iterdir() if not path.name.startswith((".", "__"))]
    return sorted(path.name for path in found if not {path.name, path.suffix} & UNREAD)


def coloured(app: Sphinx, file: Path) -> str:
    try:
        text = file.read_text()
    except UnicodeDecodeError:
        return "<p>This is no text.</p>"
    try:
        language = get_lexer_for_filename(file.name).aliases[0]
    except (ClassNotFound, IndexError):
        language = "text"
    return app.builder.highlighter.highlight_block(text, language, force=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(AsOnGitHub)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": False}
