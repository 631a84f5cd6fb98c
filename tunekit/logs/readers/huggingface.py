"""Hugging Face Trainer: trainer_state.json and its copies in checkpoint folders."""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tunekit.logs import source
from tunekit.logs.log import Log
from tunekit.logs.table import to_number
from tunekit.logs.tabular import records_log
from tunekit.vocabulary import UserError

NAME = "huggingface"
DESCRIPTION = "Hugging Face Trainer (trainer_state.json, alone or in checkpoint-N folders)"

FILE = "trainer_state.json"


def recognise(path: Path) -> float:
    if path.is_dir():
        return 0.95 if _states(path) else 0.0
    if path.name == FILE:
        return 0.95
    return 0.9 if b'"log_history"' in source.head(path) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log; of a folder's copies the one that went furthest, since each holds the whole history."""
    if path.is_dir():
        states = _states(path)
        if not states:
            raise UserError(f"{path}: holds no {FILE}; give the folder that Trainer wrote to (output_dir)")
        path = max(states, key=_position)
    state = source.parse_json(source.text(path))
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list):
        raise UserError(f"{path}: is no complete trainer state (no log_history); the file may be cut short")
    notes: list[str] = []
    records = points((item for item in history if isinstance(item, dict)), notes)
    folder = path.parent.parent if path.parent.name.startswith("checkpoint-") else path.parent
    return [records_log(records, path, NAME, train, val, name=folder.name, notes=notes)]


def _states(folder: Path) -> list[Path]:
    return source.matching(folder, FILE) + source.matching(folder, f"checkpoint-*/{FILE}")


def _position(path: Path) -> float:
    """How far a copy went; -1 where it does not say, cannot be read or is torn."""
    try:
        state = source.parse_json(source.text(path))
    except UserError:
        return -1.0
    step = to_number(state.get("global_step")) if isinstance(state, dict) else None
    return -1.0 if step is None or math.isnan(step) else step


def points(entries: Iterable[Mapping[str, object]], notes: list[str]) -> Iterator[Mapping[str, object]]:
    """Trainer's log entries that are points of a curve, as it writes them to its state or prints them.

    A loss of exactly 0 with a gradient that is not finite is how it writes a NaN. Its summary of the whole training is
    no point, nor is an evaluation behind it: of the best checkpoint, or once more of the last.
    """
    evaluated = ended = begun = False
    for item in entries:
        if "train_runtime" in item:
            if not begun and not ended:
                notes.append(
                    "a summary at the end of a training (train_loss is its mean) is no curve; log every few steps"
                )
            ended = True
            continue
        begun = True
        evaluation = any(key.startswith(("eval_", "test_")) for key in item)
        ended &= evaluation
        if ended and evaluated:
            continue
        evaluated |= evaluation
        norm = item.get("grad_norm")
        if item.get("loss") == 0 and isinstance(norm, float) and not math.isfinite(norm):
            notes.append("losses of 0 with a NaN gradient are NaN losses (logging_nan_inf_filter)")
            item = {**item, "loss": math.nan}
        yield item
