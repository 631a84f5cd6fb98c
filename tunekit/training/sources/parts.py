"""What every source gives, Parts, and what sources share: arrays as tensors, and why a file cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from tunekit.measured import Unreadable
from tunekit.mending import advice
from tunekit.telling import counted
from tunekit.training.data import Batch, TensorSplit
from tunekit.training.order import Groups
from tunekit.vocabulary import UserError

if TYPE_CHECKING:
    from tunekit.training.sources.cells import Form
    from tunekit.training.sources.columns import Rows

DEEPEST = 4  # a loader over a part of a part of a dataset


@dataclass(frozen=True)
class Parts:
    """What a source gives: splits that exist already (val is made from train where it is None)."""

    train: Any  # Split, dataset or loader
    val: Any = None
    test: Any = None
    groups: Groups | None = None  # of each training sample
    standardize: bool = False  # normalise with the training split's own statistics
    grouped: bool = True  # `groups` are groups, and no times
    standardize_target: bool = False  # the targets likewise
    classes: tuple[str, ...] | None = None  # the name of each class, or of each of several targets
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by split, the file of each sample
    notes: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()  # samples that were left out since they cannot be read
    rows: Rows | None = None  # a table: the inputs of the splits are numbers of its rows
    forms: Mapping[str, Form] = field(default_factory=dict)  # of the columns that the inputs are, by their names


def tensors(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> TensorSplit:
    for name, array, kinds in (("inputs", x, "biufc"), ("targets", y, "biuf")):
        if not isinstance(array, np.ndarray):
            raise UserError(f"data: the {name} are no array but {type(array).__name__}")
        if array.dtype.kind not in kinds or array.ndim == 0:
            words = array is y and array.dtype.kind in "US"
            how = "; class_names, y = np.unique(y, return_inverse=True) numbers words" if words else ""
            raise UserError(f"data: the {name} must be numbers, one row a sample, not {array.dtype}{array.shape}{how}")
    if len(x) != len(y):
        raise UserError(f"data: {counted(len(x), 'input')} and {counted(len(y), 'target')}")
    if len(x) == 0:
        raise UserError("data: the dataset is empty (its length is 0)")
    labels = as_tensor("targets", y)
    return TensorSplit(Batch((as_tensor("inputs", x),), {}, labels if labels.is_floating_point() else labels.long()))


def as_tensor(name: str, array: npt.NDArray[Any]) -> torch.Tensor:
    """In a type that torch computes with: fractions as float32 or float64, whole numbers beyond a byte as they are
    signed."""
    kind, dtype = array.dtype.kind, array.dtype
    if kind == "f":
        dtype = np.dtype(np.float64 if dtype.itemsize > 4 else np.float32)
    elif kind == "u" and dtype.itemsize > 1:
        if array.size and array.max() > np.iinfo(np.int64).max:
            raise UserError(f"data: the {name} reach {array.max()}, beyond int64; give them as floats")
        dtype = np.dtype(np.int64)
    with np.errstate(over="ignore"):  # what becomes infinite is found as such
        return torch.from_numpy(np.ascontiguousarray(array, dtype.newbyteorder("=")))


def names_of_classes(data: object) -> tuple[str, ...] | None:
    """The attribute `classes` (torchvision has it) or `class_names` of a dataset, or of what it is a part of."""
    for _ in range(DEEPEST):
        data = getattr(data, "dataset", data)
        several = getattr(data, "datasets", None)  # one behind the other
        data = several[0] if isinstance(several, list | tuple) and several else data
    for attribute in ("classes", "class_names"):
        names = getattr(data, attribute, None)
        names = names.tolist() if isinstance(names, np.ndarray) else names
        if isinstance(names, list | tuple) and names and all(type(name) in (str, int) for name in names):
            told = tuple(map(str, names))
            if len(set(told)) == len(told):  # those of each sample repeat
                return told
    return None


def told_lost(what: str, mean: float, std: float, key: str) -> str:
    """What is told of numbers that float32 does not tell apart."""
    return (
        f"in float32 {what} loses differences (mean {mean:.6g}, standard deviation {std:.4g}): data.args.{key}: true "
        "keeps them"
    )


def why(error: Exception) -> str:
    """Why a file cannot be read, on one line, with what mends it where the cause says that."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    mended = advice(error) if isinstance(error, OSError) else ""
    return " ".join(f"{text}{f'; {mended}' if mended else ''}".split())
