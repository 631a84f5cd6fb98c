"""The sheet of the worst mistakes: what stands above a picture has room there, whatever its names and its size are."""

import base64
import io
import itertools

import numpy as np
import pytest
from PIL import Image

from tunekit.measured import Mistake
from tunekit.report.final import _sheet, caption
from tunekit.report.style import styled

LONG = (
    "n02099601 golden retriever, long-haired, in the garden",
    "n02099712 Labrador retriever, short-haired, in water",
)
NAMES = {
    "short": ("cat", "dog"),
    "long": LONG,
    "wide": ("W" * 60, "M" * 60),
    "one word": ("Donaudampfschifffahrtsgesellschaftskapitän" * 2, "Rindfleischetikettierungsüberwachung" * 2),
    "dollars": ("$" * 50, "a$b" * 30),
}


def mistake(number: int, height: int, width: int, name: str) -> Mistake:
    out = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), 90, dtype=np.uint8)).save(out, format="png")
    picture = base64.b64encode(out.getvalue()).decode()
    return Mistake(number, 3.0, float(number % 2), float(1 - number % 2), 0.97, name=name, picture=picture)


@pytest.mark.parametrize(
    ("kind", "size"),
    [("short", (8, 8)), ("long", (190, 190)), ("wide", (190, 60)), ("one word", (60, 190)), ("dollars", (190, 190))],
)
def test_nothing_lies_over_anything_and_all_of_it_is_on_the_sheet(kind, size):
    shown = [mistake(k, *size, f"photos/{'holiday at the sea ' * 4}IMG_{k:05}.jpeg") for k in range(7)]
    with styled():
        sheet = _sheet(shown, NAMES[kind])
        sheet.canvas.draw()
    boxes = [axes.title.get_window_extent() for axes in sheet.axes]
    boxes += [axes.images[0].get_window_extent() for axes in sheet.axes]
    boxes.append(sheet._suptitle.get_window_extent())
    assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    assert all(sheet.bbox.x0 <= box.x0 and box.x1 <= sheet.bbox.x1 for box in boxes)
    assert all(sheet.bbox.y0 <= box.y0 and box.y1 <= sheet.bbox.y1 for box in boxes)
    least = min(axes.images[0].get_window_extent().height / sheet.dpi for axes in sheet.axes)
    assert least > 0.35 * min(1.0, size[0] / size[1]) * 2


def test_short_names_stand_whole_and_long_ones_keep_both_their_ends():
    assert caption(mistake(0, 8, 8, "a/b.png"), ("cat", "dog")) == ["b.png", "cat, taken for dog (97.0 %)"]
    place, true, said, sure = caption(mistake(1, 8, 8, f"{'x' * 60}_7.png"), LONG)
    assert place.endswith("_7.png")
    assert (true[:5], true[-5:], said[:15], said[-6:]) == ("n0209", "water", "taken for n0209", "garden")
    assert sure == "(97.0 %)"
