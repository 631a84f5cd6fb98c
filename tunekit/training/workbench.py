"""Where one process trains, and what it keeps from one training to the next: data that were read, models handed out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from weakref import WeakSet

import torch
from torch import nn

from tunekit.configuration import DataSpec, TrainingConfig, digest
from tunekit.training.data import Batch, Splits
from tunekit.training.joining import with_validation
from tunekit.training.models import build_model, check_inputs
from tunekit.training.sources import moved, read_splits, reduced
from tunekit.vocabulary import UserError

Load = Callable[[DataSpec, str, Path], Splits]
"""How a process gets whole splits, named by a key: a worker's shares memory with its siblings."""


class _Recent:
    """The last few splits that were read, by key."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._splits: dict[str, Splits] = {}

    def get(self, key: str, read: Callable[[], Splits]) -> Splits:
        splits = self._splits.pop(key) if key in self._splits else read()
        self._splits[key] = splits  # the newest stands last
        for oldest in list(self._splits)[: -self._size]:
            del self._splits[oldest]
        return splits


class Workbench:
    """The recipe's folder, the device and the readers (processes a training that read ahead, where the data are not in
    memory), with the data and models of this process. It lives as long as what owns it; none of it changes a number."""

    def __init__(self, folder: Path, device: torch.device, readers: int = 0, load: Load | None = None) -> None:
        self.folder = folder
        self.device = device
        self.readers = readers
        self._load: Load = load or (lambda data, _key, place: read_splits(data, place))
        self._whole = _Recent(2)
        self._asked = _Recent(4)
        self._models: WeakSet[nn.Module] = WeakSet()

    def splits(self, config: TrainingConfig, device: torch.device | None = None) -> Splits:
        """The splits of a configuration, on the bench's device unless another is given; the same data are read once,
        whether all of them are asked for or the few of step 2. Errors: UserError."""
        device = device or self.device
        data = replace(config.data, augment=(), augment_strength=1.0)
        whole = replace(data, subset=None, blank=False, with_validation=False)

        def read() -> Splits:
            key = digest([asdict(whole), dict(config.sources)])
            splits = self._whole.get(key, lambda: self._load(whole, key, self.folder))
            return with_validation(splits) if data.with_validation else splits

        key = digest([asdict(data), dict(config.sources), str(device)])
        return self._asked.get(key, lambda: moved(reduced(read(), data), device))

    def model(self, config: TrainingConfig, sample: Batch, outputs: int | None) -> nn.Module:
        """A fresh model: one that comes twice would carry one training's weights into the next. Errors: UserError."""
        every = replace(config, data=replace(config.data, subset=None, blank=False))

        def whole() -> Splits:
            return self.splits(every, torch.device("cpu"))

        check_inputs(config.model.target, sample)
        model = build_model(config.model, self.folder, sample, outputs, config.seed, whole)
        if model in self._models:
            raise UserError(
                f"model.target: {config.model.target} returned the same model twice; build a new one at each call"
            )
        self._models.add(model)
        return model
