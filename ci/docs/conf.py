"""How Sphinx reads the docs: as they are in the repository, and as GitHub shows them."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(Path(__file__).parent))

project = "shop"
copyright = "the authors of shop, under the MIT licence"
html_title = "shop"
html_theme = "furo"
html_copy_source = False
html_show_sphinx = False
extensions = ["myst_parser", "links", "contents"]

include_patterns = ["*.md", "*/README.md", "*/*/README.md", "docs/**.md"]
exclude_patterns = ["**/.*", "**/node_modules", "ci/docs/out", "ci/clients/out"]
root_doc = "docs/README"
myst_heading_anchors = 6
highlight_language = "text"  # of a block that says no other, as GitHub does
