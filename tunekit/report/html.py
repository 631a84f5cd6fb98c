"""What every page is made with: its templates, what stands on it as text, and how it stays small."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunekit.charts import Figure
from tunekit.files import read_regular
from tunekit.jsondata import plain
from tunekit.report.firstscreen import MOST_BYTES
from tunekit.report.interactive import live, thinned
from tunekit.telling import visible

if TYPE_CHECKING:
    from markupsafe import Markup

PNG = b"\x89PNG\r\n"
NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?( %)?|-")
UNBROKEN = re.compile(r"[+-]?\d[\d.,]*(e-\d+|(e-\d+)? %)")
PROSE = 40  # letters of a cell above which it may break into lines

MOST = 3_000_000
"""Bytes of a page: it is sent by mail."""
TEXT, PICTURES = 600_000, 1_200_000
"""Bytes of it that are text, and that are pictures; what is zoomed has the rest, half of which is Bokeh itself."""

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Names of columns, and rows of text."""


@dataclass(frozen=True)
class Room:
    """How much a page shows of what may be long: rows of a table, entries of a list, letters of a
    text and of a file."""

    rows: int
    entries: int
    letters: int
    file: int


ROOMS = (Room(200, 50, 2000, 50_000), Room(30, 10, 400, 5_000), Room(5, 3, 100, 1_000))
"""The first in which the text is no more than TEXT."""


@dataclass(frozen=True)
class Picture:
    """A PNG, empty where there is none, and where it lies."""

    data: bytes
    place: str

    @property
    def encoded(self) -> Markup:
        from markupsafe import Markup

        return Markup(base64.b64encode(self.data).decode())


def picture(path: Path, place: str) -> Picture:
    data = read_bytes(path)
    return Picture(data if data.startswith(PNG) else b"", place)


def read_bytes(path: Path) -> bytes:
    """Of a file that a page may hold; none where there is no such one."""
    try:
        return read_regular(path, MOST_BYTES)
    except OSError:
        return b""


def render(
    template: str, figures: Mapping[str, Figure | None], pictures: Mapping[str, Picture], **values: Any
) -> bytes:
    """A page of at most MOST bytes. What is too much for it is left out, and said to be: rows and letters beyond what
    there is room for, then the largest pictures, then the zooming of the largest figures."""

    def page(room: Room, drawn: Mapping[str, Figure | None], shown: Mapping[str, Picture]) -> bytes:
        left = [name for name in pictures if name not in shown]
        text = _template(template, room).render(
            live=live(drawn),
            room=room,
            pictures=shown,
            left={name: pictures[name].place for name in left},
            still=[name for name, figure in figures.items() if figure is not None and name not in drawn],
            **values,
        )
        encoded: bytes = text.encode(errors="backslashreplace")  # a folder's name may be no UTF-8
        return encoded

    pictures = {name: one for name, one in pictures.items() if one.data}
    shown, drawn = dict(pictures), dict(figures)
    while sum(len(one.data) for one in shown.values()) * 4 / 3 > PICTURES:
        del shown[max(shown, key=lambda name: len(shown[name].data))]
    room = next((room for room in ROOMS if len(page(room, {}, {})) <= TEXT), ROOMS[-1])
    made = page(room, drawn, shown)
    while len(made) > MOST and drawn:
        del drawn[max(drawn, key=lambda name: _size(drawn[name]))]
        made = page(room, drawn, shown)
    return made


def _size(figure: Figure | None) -> int:
    return 0 if figure is None else len(json.dumps(plain(asdict(thinned(figure)))))


def _template(name: str, room: Room) -> Any:
    """Whatever the template prints is made visible, and then escaped."""
    import jinja2
    from markupsafe import Markup

    folder = resources.files("tunekit.report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else visible(_cut(value, room.letters)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "told": lambda text: told(_cut(text, room.letters)),
        "lines": lambda text: _lines(_cut(text, room.file)),
        "kind": kind,
    }
    return environment.get_template(name)


def _cut(value: object, letters: int) -> str:
    text = str(value)
    return text if len(text) <= letters else f"{text[:letters]}… ({len(text) - letters:,} letters more)"


def told(text: object) -> Markup:
    """A message as HTML: what stands between backticks is code, and no number is broken at its hyphen or unit."""
    from markupsafe import Markup, escape

    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(visible(text))))
    return Markup(UNBROKEN.sub(r'<span class="number">\g<0></span>', text))


def _lines(text: str) -> Markup:
    """A text of several lines, each of them visible."""
    from markupsafe import Markup

    return Markup("\n").join(visible(line) for line in text.rstrip("\n").split("\n"))


def kind(text: str) -> str:
    """Of a table's cell: a number, or a text that may break into lines."""
    return "number" if NUMBER.fullmatch(text) else "prose" if len(text) > PROSE else "word"
