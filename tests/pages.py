"""The pages that a person reads: README, and those that it leads to in `tunekit/docs`."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "tunekit" / "docs"
PAGES = (README, *sorted(DOCS.glob("*.md")))


def page(name: str) -> str:
    """The text of a page of the docs: `recipe`, `own-model`, ..."""
    return (DOCS / f"{name}.md").read_text()


def all_pages() -> str:
    return "\n".join(path.read_text() for path in PAGES)
