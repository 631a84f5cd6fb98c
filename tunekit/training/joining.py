"""Training and validation samples as one split, for a final model that is to learn from both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch.utils.data import ConcatDataset, Dataset

from tunekit.training.data import Batch, DatasetSplit, LoaderSplit, Split, Splits, TensorSplit
from tunekit.vocabulary import UserError

KEY = "train.with_validation"
BACK = f"`--set {KEY}=false` leaves them apart"


def with_validation(splits: Splits) -> Splits:
    """The same splits, the training one with validation's samples behind its own; inputs stay in the units of the
    training samples. Errors: UserError where they cannot be joined."""
    files = dict(splits.files)
    if {"train", "val"} <= files.keys():
        files["train"] = [*files["train"], *files["val"]]
    return replace(splits, train=_joined(splits.train, splits.val), files=files)


def _joined(train: Split | LoaderSplit, val: Split) -> Split:
    if isinstance(train, TensorSplit) and isinstance(val, TensorSplit):
        try:
            return replace(train, stored=Batch.joined([train.stored, val.stored]))
        except RuntimeError:
            raise UserError(f"{KEY}: training and validation samples differ in shape; {BACK}") from None
    if isinstance(train, DatasetSplit) and isinstance(val, DatasetSplit):
        places = torch.cat([train.positions, val.positions + len(_sized(train.dataset))])
        if train.dataset is val.dataset:
            return replace(train, indices=torch.cat([train.positions, val.positions]))
        both: Dataset[Any] = ConcatDataset([train.dataset, val.dataset])
        return replace(train, dataset=both, indices=places, draws=train.draws or val.draws)
    raise UserError(
        f"{KEY}: the training samples come in batches of their own, or in another form than validation's: they cannot "
        f"be joined; give datasets, or {BACK}"
    )


def _sized(dataset: Dataset[Any]) -> Any:
    return dataset
