"""What names a training: its configuration with its parts, its key, and how a rate is written. Stdlib only."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

Values = Mapping[str, Any]
"""JSON data: a hand-off, the evidence of a finding, a trial's parameters."""

FORMAT = 4
"""Part of every key: raise it when the training loop changes what a configuration computes."""

DEVICES = "auto|cpu|mps|cuda(:[0-9]{1,3})?"
"""Where a training runs, as a person names it, and the same in words."""
DEVICES_TOLD = "auto, cpu, mps, cuda or one of several, such as cuda:1"

TINY_VALIDATION = 16
"""Passes between validations on a frozen subset, whose epoch is a single iteration."""

LONGER = 2
"""Times as long that a training is to be, which was still getting better when it ended."""

WIDER = 4
"""Times as wide that advice makes a model: as often as the corpus tried it."""


@dataclass(frozen=True)
class LossSpec:
    """The loss of a training: `auto` (from the task), a built-in name or module:callable, and arguments for it."""

    target: str = "auto"
    args: Values = field(default_factory=dict)


@dataclass(frozen=True)
class MetricSpec:
    """What validation is judged by: `auto` (from the task), a built-in name, `torchmetrics:Name` or a person's own with
    its direction (`max module:callable`), and arguments for it."""

    target: str = "auto"
    args: Values = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSpec:
    target: str
    args: Values = field(default_factory=dict)
    pretrained: bool = False
    weights: str | None = None  # a file of them, from the recipe's folder
    freeze: int | str = 0  # epochs for which the body does not train, or `always`


@dataclass(frozen=True)
class Subset:
    """The few samples of step 2: so many of each class or, where there are no classes, so many in all."""

    per_class: int | None = None
    samples: int | None = None


@dataclass(frozen=True)
class DataSpec:
    """The data of a training. `seed` draws the split; `subset` and `blank` (inputs of zeros) are step 2's;
    `with_validation`: the validation samples are trained on too, so that nothing is left to validate on."""

    target: str
    args: Values = field(default_factory=dict)
    val_fraction: float = 0.2
    split: str = "stratified"  # stratified | random | group | time
    augment: Sequence[str | Values] = ()  # names, or {name: arguments}
    augment_strength: float = 1.0  # times all magnitudes of these; 0: none
    seed: int = 0
    subset: Subset | None = None
    blank: bool = False
    with_validation: bool = False


@dataclass(frozen=True)
class OptimizerSpec:
    target: str
    args: Values = field(default_factory=dict)
    decay_on: str = "all"  # all | weights: none on biases and normalisation


@dataclass(frozen=True)
class ScheduleSpec:
    """A schedule that depends on the end carries its `total` iterations among its arguments."""

    name: str = "constant"
    args: Values = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that changes a number of one training; its key names the training.

    The budget (iterations), the device, the executor and the cadence of checkpoints are not part of it.
    """

    task: str
    loss: LossSpec
    metric: MetricSpec
    model: ModelSpec
    data: DataSpec
    optimizer: OptimizerSpec
    lr: float
    weight_decay: float
    batch_size: int
    schedule: ScheduleSpec
    seed: int
    precision: str = "fp32"  # as resolved: fp32 | bf16
    threads: int = 1  # as resolved
    clip_grad_norm: float | None = None
    ema: float | None = None
    l1: float = 0.0  # times the sum of the weights' magnitudes: part of the gradient, in no loss that is told
    regularize: bool = True  # False: weight decay, L1, dropout, augmentation and label smoothing are off
    sources: Mapping[str, str] = field(default_factory=dict)  # the person's modules and data files, by digest
    format: int = FORMAT

    def as_dict(self) -> dict[str, Any]:
        """The configuration as JSON data, as config.json holds it and the key is made from."""
        fields = asdict(self)
        fields["data"]["augment"] = list(self.data.augment)
        if self.data.subset is not None:  # says only what it counts by
            fields["data"]["subset"] = {name: n for name, n in vars(self.data.subset).items() if n is not None}
        return fields

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainingConfig:
        """The configuration of which these are the JSON data. Errors: KeyError, TypeError where they are of none."""
        subset = data["data"].get("subset")
        parts = {
            "loss": LossSpec(**data["loss"]),
            "metric": MetricSpec(data["metric"]) if isinstance(data["metric"], str) else MetricSpec(**data["metric"]),
            "model": ModelSpec(**data["model"]),
            "data": DataSpec(**{**data["data"], "subset": subset and Subset(**subset)}),
            "optimizer": OptimizerSpec(**data["optimizer"]),
            "schedule": ScheduleSpec(**data["schedule"]),
        }
        return cls(**{**data, **parts})

    @cached_property
    def key(self) -> str:
        """Twelve hex digits of the SHA-256 of the configuration's canonical JSON."""
        return digest(self.as_dict())

    @property
    def runs_persons_code(self) -> bool:
        """Whether code of a person's own runs in each iteration, which may draw from NumPy and `random`."""
        parts = (self.task, self.metric.target, self.loss.target, self.model.target, self.optimizer.target)
        return any(":" in part for part in parts)

    @property
    def folder(self) -> str:
        """The training's name in a run, and its folder's below trainings/: rate, weight decay, seed, key."""
        return f"lr{short(self.lr)}_wd{short(self.weight_decay)}_s{self.seed}-{self.key}"


def digest(data: Any, length: int = 12) -> str:
    """A short hash of JSON data, independent of the order of keys."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def short(value: float) -> str:
    """A number as a person writes a rate: 3e-3, 0, 1e-4, 2.4e-3.

    >>> short(0.003), short(0.0), short(0.00244)
    ('3e-3', '0', '2.44e-3')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


RATES = ("lr", "weight_decay")


def as_set(name: str, value: object) -> str:
    """The value of a parameter in words: of a rate short, of another as a recipe writes it.

    >>> as_set("lr", 0.01), as_set("model.args.dropout", 0.25), as_set("optimizer.args.eps", 1e-8), as_set("width", 64)
    ('1e-2', '0.25', '1e-8', '64')
    """
    if not isinstance(value, float):
        return str(value)
    return short(value) if name in RATES or 0 < abs(value) < 1e-3 else f"{value:.4g}"


def decimal(value: float) -> float:
    """The value rounded to three significant digits, so that equal rates are equal floats."""
    return float(f"{value:.2e}")
