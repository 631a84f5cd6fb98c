"""`python -m tests.picture` takes README's picture anew: the first screen of the report on `recipes/digits.yaml`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.commands import spawn
from tests.pages import DOCS, ROOT

COLOURS = 128
"""Of the picture: text and curves need no more, and it stays small."""


def take(report: Path, picture: Path) -> None:
    """The page from its top to below its first figure, in light colours."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 2000}, color_scheme="light")
        page.goto(report.as_uri())
        page.wait_for_selector(".bk-Canvas")
        page.wait_for_timeout(2000)
        end = page.locator("figcaption").first.bounding_box()["y"]
        page.screenshot(path=picture, clip={"x": 0, "y": 0, "width": 1200, "height": end})
        browser.close()
    with Image.open(picture) as whole:
        few = whole.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        spawn("run", ROOT / "recipes" / "digits.yaml", cwd=Path(place))
        take(Path(place) / "runs" / "digits-001" / "report.html", DOCS / "report.png")
