"""OpenMMLab: mmcv's *.log.json and mmengine's scalars.json, both one JSON object a line."""

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tunekit.logs import source
from tunekit.logs.log import Log
from tunekit.logs.table import to_number
from tunekit.logs.tabular import records_log
from tunekit.vocabulary import UserError

NAME = "openmmlab"
DESCRIPTION = "mmcv *.log.json and mmengine vis_data/scalars.json"


NO_SUCH = -1.0
"""What COCO's evaluation gives as AP and AR of a size or class that the data does not hold."""


_PRECISION = re.compile(r"A[PR](?![a-z])")


def recognise(path: Path) -> float:
    if path.is_dir():
        return 0.95 if _scalars(path) else 0.0
    if path.suffix != ".json":
        return 0.0
    data = source.head(path)
    mmcv = b'"mode": "train"' in data and b'"iter"' in data
    mmengine = b'"data_time"' in data and b'"step"' in data and data.lstrip()[:1] == b"{"
    config = path.name.endswith(".log.json") and data[:12] in (b'{"env_info":', b'{"exp_name":')
    return 0.95 if mmcv or mmengine or config else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log on a clock of epochs, which both splits have: mmengine counts validation in epochs alone."""
    if path.is_dir():
        scalars = _scalars(path)
        if scalars is None:
            raise UserError(f"{path}: holds no scalars.json; give the work_dir or its vis_data folder")
        path = scalars
    notes: list[str] = []
    folder = path.parent.parent if path.parent.name == "vis_data" else path.parent
    points = _on_epochs(path, notes)
    return [records_log(points, path, NAME, train, val, name=folder.name, notes=notes)]


def _scalars(folder: Path) -> Path | None:
    for candidate in (folder / "vis_data" / "scalars.json", folder / "scalars.json"):
        if b'"step"' in source.head(candidate):
            return candidate
    return None


def _on_epochs(path: Path, notes: list[str]) -> Iterator[dict[str, object]]:
    """Training at fractions of epochs, validation at their ends; at steps where no entry counts epochs.

    The file is read twice, for as objects in memory it is six times as large.
    """
    longest, counted = _longest(item for item in source.json_lines(path, []) if _is_entry(item))
    length, restarts = _epoch_length(longest)
    for item in source.json_lines(path, notes):
        if not _is_entry(item):
            continue
        if not counted:
            yield item if _is_train(item) else _prefixed(item, "step", item.get("step"))
            continue
        epoch, step = to_number(item.get("epoch")), to_number(item.get("iter"))
        if not _is_train(item):
            yield _prefixed(item, "epoch", item.get("epoch", item.get("step")))
        elif epoch is not None and step is not None and length > 0:
            place = epoch - 1 + step / length if restarts else step / length
            place = min(max(place, epoch - 1), epoch)  # the length is an estimate where not every iteration is logged
            yield {**_without(item), "epoch": place}
        else:
            yield {**_without(item), "epoch": epoch}


def _is_entry(item: dict[str, object]) -> bool:
    return "env_info" not in item


def _longest(records: Iterable[dict[str, object]]) -> tuple[dict[float, float], bool]:
    """The last iteration of each epoch of training, and whether an entry of it counts epochs."""
    longest: dict[float, float] = {}
    counted = False
    for item in records:
        if not _is_train(item):
            continue
        epoch, step = to_number(item.get("epoch")), to_number(item.get("iter"))
        counted |= epoch is not None
        if epoch is not None and step is not None and math.isfinite(epoch) and math.isfinite(step):
            longest[epoch] = max(longest.get(epoch, 0.0), step)
    return longest, counted


def _epoch_length(longest: dict[float, float]) -> tuple[float, bool]:
    """Iterations of an epoch, 0 where they are not counted, and whether the count begins anew each epoch."""
    if not longest:
        return 0.0, False
    last, most = max(longest), max(longest.values())
    if most <= 1.5 * min((steps for epoch, steps in longest.items() if epoch < last), default=most):
        return most, True
    return max((steps / epoch for epoch, steps in longest.items() if epoch > 0), default=0.0), False


def _is_train(item: dict[str, object]) -> bool:
    if item.get("mode") is not None:
        return item["mode"] == "train"
    return any("loss" in key and not key.startswith("val") for key in item) or "lr" in item


def _without(item: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in item.items() if key not in ("iter", "step", "epoch", "memory")}


def _prefixed(item: dict[str, object], clock: str, place: object) -> dict[str, object]:
    """A validation entry: its numbers named as validation, on the given clock."""
    measured = {key: value for key, value in _without(item).items() if key != "lr"}
    known = {key: value for key, value in measured.items() if value != NO_SUCH or not _PRECISION.search(key)}
    return {clock: place, **{f"val/{key}": value for key, value in known.items()}}
