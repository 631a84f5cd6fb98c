"""DVCLive: one .tsv a metric, in folders that are part of the metric's name (train/loss.tsv)."""

from pathlib import Path

from tunekit.logs import clocked, delimited, source
from tunekit.logs.log import Log
from tunekit.logs.names import part, side, split
from tunekit.logs.roles import assemble
from tunekit.logs.table import COLUMNS, Series
from tunekit.vocabulary import UserError

NAME = "dvclive"
DESCRIPTION = "DVCLive (dvclive/plots/metrics/train/loss.tsv, ...; older: dvclive/scalars/ and dvclive/*.tsv)"

PLACES = ("plots/metrics", "plots/scalars", "scalars")
"""Where versions of DVCLive keep the metrics below their folder; the oldest keep them in the folder itself."""


def recognise(path: Path) -> float:
    if path.is_dir():
        return 0.95 if _root(path) else 0.0
    return 0.95 if _is_metric(path) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log of a folder, or of one metric's file together with the other metrics of its run."""
    root = _root(path) if path.is_dir() else _root_of(path)
    if root is None:
        raise UserError(f"{path}: holds no metrics of DVCLive (plots/metrics/*.tsv with the columns step and a metric)")
    files = _metrics(root)
    series = Series()
    if len(files) > COLUMNS:
        series.say_full()
    for file, curves in clocked.readable(files[:COLUMNS], series.notes):
        name = file.relative_to(root).with_suffix("").as_posix()
        if part(file.stem).kind != "step":
            for x, y in list(curves.values())[-1:]:
                series.add("epoch" if part(file.stem).kind == "epoch" else name, x, y)
    named = next((folder for folder in root.parents if folder.name == "plots"), None)
    run = named.parent if named else root.parent if root.name == "scalars" else root
    return [assemble(series, NAME, files, name=run.name, train=train, val=val)]


def _root(folder: Path) -> Path | None:
    """The folder that metrics' names begin behind."""
    deep = next((folder / place for place in PLACES if (folder / place).is_dir()), None)
    if deep is not None:
        return deep if _metrics(deep) else None
    if _is_deep(folder):
        return folder if _metrics(folder) else None
    return folder if _flat(folder) else None


def _is_deep(folder: Path) -> bool:
    return f"/{folder.absolute().as_posix()}".endswith(tuple(f"/{place}" for place in PLACES))


def _root_of(file: Path) -> Path:
    """The same for a metric's file."""
    for folder in file.parents:
        if _is_deep(folder):
            return folder
    return file.parent.parent if side(split(file.parent.name)) else file.parent


def _metrics(root: Path) -> list[Path]:
    if not _is_deep(root):
        return _flat(root)
    return [file for file in source.matching(root, "**/*.tsv") if _is_metric(file)]


def _flat(folder: Path) -> list[Path]:
    """Metrics that lie in a folder or in folders of its splits."""
    files = [file for file in source.matching(folder, "*/*.tsv") if side(split(file.parent.name))]
    return [file for file in [*source.matching(folder, "*.tsv"), *files] if _is_metric(file)]


def _is_metric(path: Path) -> bool:
    """Whether a table holds nothing but the metric that it is named after, over the step."""
    if path.suffix != ".tsv":
        return False
    names = delimited.header(path)
    return len(names) in (2, 3) and names[-2] == "step" and names[-1] == path.stem and names[:-2] in ([], ["timestamp"])
