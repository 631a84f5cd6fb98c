"""Commands as a person gives them, for tests: a fast recipe, and what a command leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

FAST = """
name: fast
data: {target: digits}
model: {target: mlp, args: {hidden: [32]}}
optimizer: {target: adam, lr: 1e-3}
steps:
  check-init-loss: {initializations: 1}
  overfit-tiny: {rates: [1e-2], per_class: 2, epochs: 100}
  lr-sweep: {low: 1e-3, high: 1e-1, iterations: 30}
  coarse-grid: {lr_factors: [1, 2], weight_decays: [0, 1e-4], epochs: 1, extend: 0}
  fine-run: {top: 2, epochs: 3, lr_factors: [0.7], seeds: 2}
"""


class Done:
    """What a command left: exit code and what it printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


def spawn(*words: object, cwd: Path, **kwargs) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tunekit.cli", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, **kwargs)


def recipe(tmp_path: Path, **replaced: str) -> Path:
    """The fast recipe with top-level keys replaced by YAML text."""
    lines = [line for line in FAST.splitlines() if line.partition(":")[0] not in replaced]
    path = tmp_path / "changed.yaml"
    path.write_text("\n".join([*lines, *(f"{key}: {value}" for key, value in replaced.items())]))
    return path


def without_seconds(path: Path) -> dict:
    result = json.loads(path.read_text())
    result["cost"].pop("seconds")
    return json.loads(json.dumps(result).replace(str(path.parent.parent), "RUN"))


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a folder: its bytes, and when it was written."""
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in (folder, *folder.rglob("*"))
    }


class Page(HTMLParser):
    """A page's text, and its tags with their attributes, without what its scripts and styles hold."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text())
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.cdata_elem is None:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


class Visit:
    """A page as a browser shows it: what it complained of, and what it asked for besides itself."""

    def __init__(self, browser, path: Path, width: int = 1400, **settings) -> None:
        self.complaints, self.requests = [], []
        context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
        self.page = context.new_page()
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message) or dialog.dismiss())
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.requests = [url for url in self.requests if url != path.as_uri() and not url.startswith("data:")]

    def drawn(self) -> int:
        """Waits until the curves are; how many there are."""
        self.page.wait_for_function("window.Bokeh && Bokeh.documents.length && Bokeh.documents.every(d => d.is_idle)")
        return self.page.evaluate("Bokeh.documents.reduce((n, d) => n + d.roots().length, 0)")

    def plot(self, expression: str):
        """Of the first panel on the page: `view` in a JavaScript expression."""
        first = "[...Bokeh.index.roots].find(one => document.querySelector('#summary .panel').contains(one.el))"
        return self.page.evaluate(f"() => {{ const view = {first}; return {expression}; }}")

    def range(self) -> list[float]:
        return self.plot("[view.model.x_range.start, view.model.x_range.end]")

    def wide(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth")

    def shown(self, selector: str) -> int:
        return self.page.locator(selector).locator("visible=true").count()
