"""What every source gives, Parts, and what sources share: arrays as tensors, and why a file cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from tunekit.mending import advice
from tunekit.training.data import Batch, TensorSplit
from tunekit.training.order import Groups
from tunekit.vocabulary import UserError

if TYPE_CHECKING:
    from tunekit.training.sources.columns import Rows


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
    rows: Rows | None = None  # a table: the inputs of the splits are numbers of its rows


def tensors(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> TensorSplit:
    for name, array in (("inputs", x), ("targets", y)):
        if not isinstance(array, np.ndarray):
            raise UserError(f"data: the {name} are no array but {type(array).__name__}")
        if array.dtype.kind not in "biufc" or array.ndim == 0:
            raise UserError(f"data: the {name} must be numbers, one row a sample, not {array.dtype}{array.shape}")
    if len(x) != len(y):
        raise UserError(f"data: {len(x)} inputs and {len(y)} targets")
    if len(x) == 0:
        raise UserError("data: the dataset is empty (its length is 0)")
    inputs = torch.from_numpy(np.ascontiguousarray(x))
    inputs = inputs.float() if inputs.dtype == torch.float64 else inputs
    labels = torch.from_numpy(np.ascontiguousarray(y))
    return TensorSplit(Batch((inputs,), {}, labels.float() if labels.is_floating_point() else labels.long()))


def why(error: Exception) -> str:
    """Why a file cannot be read, on one line, with what mends it where the cause says that."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    mended = advice(error) if isinstance(error, OSError) else ""
    return " ".join(f"{text}{f'; {mended}' if mended else ''}".split())
