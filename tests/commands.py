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
