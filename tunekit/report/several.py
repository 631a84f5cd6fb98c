"""A page of several runs side by side: differences first. The template is compare.html.j2; what is
compared comes from comparing.py."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tunekit.charts import Figure
from tunekit.layout import REPORT
from tunekit.report.console import cell
from tunekit.report.figures import draw
from tunekit.report.firstscreen import FirstScreen, estimates, first_screen, scored_of, winner_of
from tunekit.report.html import Picture, Table, render
from tunekit.rundir import RunFolder, with_commands, write_atomically
from tunekit.telling import as_path, counted, pasted
from tunekit.vocabulary import Format


@dataclass(frozen=True)
class Side:
    """A run of the page: by its name there, and as a person types it; `row`: what its best training came to."""

    name: str
    run: RunFolder
    shown: str
    row: Mapping[str, object]
    formats: Mapping[str, Format]


@dataclass(frozen=True)
class Shown:
    """What the page says of a run by itself. `link`: to its own page, "" where `writes` has to make that first."""

    name: str
    first: FirstScreen
    estimates: tuple[tuple[str, str], ...]
    link: str
    writes: str


def write_comparison(
    path: Path,
    verdicts: Sequence[str],
    sides: Sequence[Side],
    differing: Sequence[Mapping[str, object]],
    curves: Figure,
) -> None:
    """Write the page; `differing` as rows of a table."""
    shown = [_shown(side, path) for side in sides]
    picture = Picture(draw(curves) if curves.panels else b"", "")
    page = render(
        "compare.html.j2",
        {"curves": curves},
        {"curves": picture},
        title=f"{counted(len(sides), 'run')} side by side",
        verdicts=verdicts,
        sides=shown,
        differing=_table(differing),
        values=_values(sides, shown),
        has_curves=bool(curves.panels),
    )
    write_atomically(path, page)


def _shown(side: Side, page: Path) -> Shown:
    run, steps = side.run, side.run.steps()
    results = [with_commands(result, side.shown) for step in steps if (result := run.result(step)) is not None]
    final, scored = run.final(), scored_of(run)
    own = run.path / REPORT
    link = quote(Path(os.path.relpath(own, page.resolve().parent)).as_posix(), errors="surrogateescape")
    first = first_screen(run, side.shown, results, final, scored)
    return Shown(
        side.name,
        first,
        tuple(estimates(winner_of(results), results, final, scored)),
        link if own.is_file() else "",
        pasted("tunekit", "report", as_path(side.shown)),
    )


def _values(sides: Sequence[Side], shown: Sequence[Shown]) -> Table:
    """What each reached, and what new samples make of it with an interval: a column a run."""
    columns = [
        {name: cell(value, side.formats.get(name)) for name, value in side.row.items()} | dict(one.estimates)
        for side, one in zip(sides, shown, strict=True)
    ]
    names = dict.fromkeys(name for column in columns for name in column if name != "run")
    return ["value", *(side.name for side in sides)], [
        [name, *(column.get(name, "-") for column in columns)] for name in names
    ]


def _table(rows: Sequence[Mapping[str, object]]) -> Table | None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return (names, [[cell(row.get(name)) for name in names] for row in rows]) if rows else None
