"""CatBoost's catboost_info: the errors on the training set and on the evaluation set lie in files of their own."""

from __future__ import annotations

from pathlib import Path

from tunekit.logs import clocked, delimited, source
from tunekit.logs.clocked import Points
from tunekit.logs.log import Log
from tunekit.logs.names import SCORES, split
from tunekit.logs.roles import assemble
from tunekit.logs.table import Series, from_records
from tunekit.vocabulary import UserError

NAME = "catboost"
DESCRIPTION = "CatBoost's catboost_info folder (learn_error.tsv, test_error.tsv, catboost_training.json)"

TABLES = {"train": "learn_error.tsv", "val": "test_error.tsv"}
TRAINING = "catboost_training.json"

Splits = dict[str, dict[str, Points]]
"""Split -> metric -> iterations and values."""


def recognise(path: Path) -> float:
    if path.is_dir():
        return max((recognise(path / name) for name in (*TABLES.values(), TRAINING)), default=0.0)
    if path.name in TABLES.values():
        return 0.95 if delimited.header(path)[:1] == ["iter"] else 0.0
    return 0.95 if path.name == TRAINING and b'"learn_metrics"' in source.head(path) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log of a folder, or of a file in it together with its neighbours. Where training has several metrics,
    the loss is the first that falls."""
    folder = path if path.is_dir() else path.parent
    tables = {folder / name: side for side, name in TABLES.items() if source.is_regular(folder / name)}
    notes: list[str] = []
    document = _document(folder / TRAINING)
    if tables:
        splits: Splits = {tables[file]: curves for file, curves in clocked.readable(list(tables), notes)}
        files = list(tables)
    elif document:
        splits, files = _of_document(document), [folder / TRAINING]
    else:
        raise UserError(f"{path}: holds none of {', '.join(TABLES.values())} and no complete {TRAINING}")
    series = Series(notes=notes)
    for side, curves in splits.items():
        for metric, (x, y) in curves.items():
            series.add(f"{side}/{metric}", x, y)
    loss = _loss(splits, _rising(document))
    chosen = [f"{side}/{loss}" if f"{side}/{loss}" in series.curves else None for side in TABLES]
    return [assemble(series, NAME, files, name=folder.name, train=train or chosen[0], val=val or chosen[1])]


def _loss(splits: Splits, rising: set[str]) -> str:
    """The first metric of both splits that is to fall, else of training, else of the evaluation set."""
    train, val = splits.get("train", {}), splits.get("val", {})
    falling = [name for name in dict.fromkeys([*train, *val]) if name not in rising and not SCORES & set(split(name))]
    return next((name for name in falling if name in train and name in val), falling[0] if falling else "")


def _document(path: Path) -> dict[str, object]:
    try:
        value = source.parse_json(source.text(path))
    except UserError:
        return {}
    return value if isinstance(value, dict) else {}


def _metrics(document: dict[str, object], split: str) -> list[dict[str, object]]:
    meta = document.get("meta")
    metrics = meta.get(f"{split}_metrics") if isinstance(meta, dict) else None
    return [item for item in metrics if isinstance(item, dict)] if isinstance(metrics, list) else []


def _rising(document: dict[str, object]) -> set[str]:
    """The metrics of which the highest value is the best."""
    known = [*_metrics(document, "learn"), *_metrics(document, "test")]
    return {str(item.get("name")) for item in known if item.get("best_value") == "Max"}


def _of_document(document: dict[str, object]) -> Splits:
    """The splits' curves in catboost_training.json: an object an iteration, a value a metric."""
    iterations = document.get("iterations")
    points = [item for item in iterations if isinstance(item, dict)] if isinstance(iterations, list) else []
    splits: Splits = {}
    for side, key in (("train", "learn"), ("val", "test")):
        names = [str(item.get("name")) for item in _metrics(document, key)]
        columns = from_records(
            {"iteration": item.get("iteration"), **dict(zip(names, values, strict=False))}
            for item in points
            if isinstance(values := item.get(key), list)
        )
        clock = columns.pop("iteration", None)
        if clock is not None:
            splits[side] = {name: clocked.over(clock, column) for name, column in columns.items()}
    return splits
