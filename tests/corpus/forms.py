"""A subject's log as its owner would have kept it, in one of the forms of the field."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.corpus.settings import Subject
from tests.corpus.training import Curves

Row = dict[str, Any]


def write_log(subject: Subject, curves: Curves, folder: Path) -> Path:
    """The log in a folder. Of what the curves hold it has the losses, and what this subject tells besides."""
    regression = curves.columns.get("train_metric") is None
    names = ["train_loss", "val_loss", *(name for name in subject.tells if not (regression and "metric" in name))]
    rows = [
        {"place": place, **{name: curves.columns[name][at] for name in names if name in curves.columns}}
        for at, place in enumerate(curves.places)
    ]
    form = "csv" if subject.by_iterations and subject.form == "keras" else subject.form
    return FORMS[form](rows, subject, folder)


def _told(row: Row) -> Row:
    """What a row holds at all: NaN is a value, None is none."""
    return {name: value for name, value in row.items() if value is not None}


def _unit(subject: Subject) -> str:
    return "step" if subject.by_iterations else "epoch"


def _csv(rows: list[Row], subject: Subject, folder: Path) -> Path:
    names = {"place": _unit(subject), "val_metric": "val_acc", "train_metric": "train_acc"}
    return _separated(rows, names, folder / "log.csv")


def _lightning(rows: list[Row], subject: Subject, folder: Path) -> Path:
    """A row for training and another for validation, columns in order of the alphabet."""
    names = {"place": _unit(subject), "val_metric": "val_acc", "train_metric": "train_acc", "lr": "lr-AdamW"}
    parts: list[Row] = []
    for row in rows:
        for side in ("train", "val"):
            part = {
                k: v for k, v in row.items() if k == "place" or k.startswith(side) or (k == "lr" and side == "train")
            }
            if len(_told(part)) > 1:
                parts.append(part)
    return _separated(parts, names, folder / "metrics.csv", in_order=True)


def _separated(rows: list[Row], names: Mapping[str, str], path: Path, in_order: bool = False) -> Path:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    if in_order:
        keys.sort(key=lambda key: names.get(key, key))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([names.get(key, key) for key in keys])
        writer.writerows([["" if row.get(key) is None else row[key] for key in keys] for row in rows])
    return path


def _jsonl(rows: list[Row], subject: Subject, folder: Path) -> Path:
    names = {"place": _unit(subject), "val_metric": "val/accuracy", "train_metric": "train/accuracy"}
    names |= {"train_loss": "train/loss", "val_loss": "val/loss"}
    path = folder / "metrics.jsonl"
    path.write_text("".join(json.dumps({names.get(k, k): v for k, v in _told(row).items()}) + "\n" for row in rows))
    return path


def _printed(rows: list[Row], subject: Subject, folder: Path) -> Path:
    words = {"train_loss": "loss", "val_loss": "val loss", "val_metric": "val acc", "train_metric": "acc", "lr": "lr"}
    lines = []
    for row in rows:
        told = _told(row)
        place = told.pop("place")
        begin = f"step {place:.0f}" if subject.by_iterations else f"Epoch {place:.0f}/{subject.settings.epochs}"
        parts = [f"{words[k]} {100 * v:.1f}%" if "metric" in k else f"{words[k]} {v:.4g}" for k, v in told.items()]
        lines.append(f"{begin}: {', '.join(parts)}\n")
    path = folder / "train.log"
    path.write_text("".join(lines))
    return path


def _table(rows: list[Row], subject: Subject, folder: Path) -> Path:
    """Columns in words' width, a dash where there is nothing."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    head = " ".join(f"{_unit(subject) if key == 'place' else key:>14}" for key in keys)
    cells = [["-" if row.get(key) is None else f"{row[key]:.5g}" for key in keys] for row in rows]
    path = folder / "log.txt"
    path.write_text("\n".join([head, *(" ".join(f"{cell:>14}" for cell in line) for line in cells)]) + "\n")
    return path


def _keras(rows: list[Row], _subject: Subject, folder: Path) -> Path:
    names = {"train_loss": "loss", "val_metric": "val_accuracy", "train_metric": "accuracy", "lr": "learning_rate"}
    keys = [key for key in rows[0] if key != "place"]
    history = {names.get(key, key): [row[key] for row in rows] for key in keys}
    path = folder / "history.json"
    path.write_text(json.dumps(history))
    return path


def _trainer_state(rows: list[Row], subject: Subject, folder: Path) -> Path:
    """Hugging Face's: entries of training and of evaluation, by step and by epoch."""
    settings = subject.settings
    each_epoch = max(1, settings.size // settings.batch)
    entries = []
    for row in rows:
        step = int(row["place"]) if subject.by_iterations else int(row["place"]) * each_epoch
        at = {"epoch": step / each_epoch, "step": step}
        told = _told(row)
        if "train_loss" in told:
            rate = {"learning_rate": told["lr"]} if "lr" in told else {}
            entries.append({"loss": told["train_loss"], **rate, **at})
        if "val_loss" in told:
            score = {"eval_accuracy": told["val_metric"]} if "val_metric" in told else {}
            entries.append({"eval_loss": told["val_loss"], **score, **at})
    path = folder / "trainer_state.json"
    path.write_text(json.dumps({"global_step": entries[-1]["step"], "log_history": entries}))
    return path


FORMS: Mapping[str, Callable[[list[Row], Subject, Path], Path]] = MappingProxyType(
    {
        "csv": _csv,
        "jsonl": _jsonl,
        "printed": _printed,
        "table": _table,
        "keras": _keras,
        "trainer_state": _trainer_state,
        "lightning": _lightning,
    }
)
"""How a log is written, by the name of its form: rows of `place` and columns, their subject, a folder."""


def rounded(value: float | None) -> float | None:
    """A number of a curve as it is kept: five digits, and NaN as it is."""
    return value if value is None or not math.isfinite(value) else float(f"{value:.5g}")
