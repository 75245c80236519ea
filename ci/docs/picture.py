"""Draws Mermaid as SVG: mermaid.js from npm, in a Chromium of this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
import node_tools

HERE = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Boxes have their own light ground and lines a grey between: readable on white and on black.
LOOK = {
    "startOnLoad": False,
    "deterministicIds": True,
    "htmlLabels": False,  # text, and no HTML: an SVG that every program can show
    "flowchart": {"htmlLabels": False, "nodeSpacing": 30, "rankSpacing": 60},
    "theme": "base",
    "themeVariables": {
        "fontFamily": "system-ui, sans-serif",
        "primaryColor": "#e8effc",
        "primaryBorderColor": "#5b7fc7",
        "primaryTextColor": "#1b2433",
        "lineColor": "#7a8190",
        "edgeLabelBackground": "#ffffff",
    },
    "themeCSS": ".edgeLabel .background { opacity: 1; fill: #ffffff }",
}
PAGE = """<!doctype html><meta charset="utf-8"><body><script src="%(script)s"></script><script>
mermaid.initialize(%(look)s);
mermaid.render("shop", %(source)s).then(({svg}) => {
  document.body.innerHTML = svg;
  const xml = new XMLSerializer().serializeToString(document.querySelector("svg"));
  const bytes = new TextEncoder().encode(xml);
  document.body.textContent = "svg:" + btoa(String.fromCharCode(...bytes)) + ".";
}).catch((error) => { document.body.textContent = "error:" + error; });
</script>"""


def digest(source: str) -> str:
    """What a picture keeps of its source, so that an old one is known without drawing it."""
    look = json.dumps(LOOK, sort_keys=True)
    return hashlib.sha256(f"{source.strip()}\n{look}".encode()).hexdigest()


def draw(source: str) -> str:
    """The SVG of a Mermaid text. Ends with a sentence where Node.js or Chromium is missing."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit("This needs Chromium; on Debian: apt-get install chromium")
    node_tools.install(HERE)
    script = HERE / "node_modules/mermaid/dist/mermaid.min.js"
    with tempfile.TemporaryDirectory() as work:
        page = Path(work) / "page.html"
        told = {"look": json.dumps(LOOK), "source": json.dumps(source), "script": script.as_uri()}
        page.write_text(PAGE % told)
        command = [browser, "--headless", "--disable-gpu", f"--user-data-dir={work}/profile"]
        command += ["--virtual-time-budget=60000", "--dump-dom", page.as_uri()]
        command += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has none for root
        shown = subprocess.run(command, capture_output=True, text=True, timeout=300).stdout
    found = re.search(r"svg:([\w+/=]+)\.", shown)
    if found is None:
        raise SystemExit(f"Mermaid drew nothing: {shown[-500:]}")
    svg = base64.b64decode(found[1]).decode()
    svg = re.sub(r' data-points="[^"]*"', "", svg)
    svg = re.sub(r"\d+\.\d\d+", lambda number: f"{float(number[0]):.1f}", svg)
    return f"<!-- sha256 of its source: {digest(source)} -->\n{svg}\n"
