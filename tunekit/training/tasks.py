"""Tasks: the loss and the metric that belong to a kind of target, and the loss that an untrained network has."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tunekit.recipe.tasks import LOSSES, of_classes_in_words
from tunekit.training.axes import Reading, any_label_will_do, counts_beyond, find_reading, left_out
from tunekit.training.losses import are_shares, check_positions, check_shares, comparable
from tunekit.training.meaning import (
    averages_over_samples,
    judges_each,
    looks_at_targets,
    pairs,
    prefers_wrong,
    takes_probabilities,
)
from tunekit.training.metrics import METRICS, Metric, Shares
from tunekit.training.outputs import (
    Outputs,
    Unfit,
    any_tensor,
    has_logits,
    main_tensor,
    of_machine,
    refusable,
    with_main,
)
from tunekit.training.streaming import Streamed
from tunekit.training.structure import by_rows, changed, rows, tensors
from tunekit.training.untaught import untaught
from tunekit.vocabulary import UserError

Loss = Callable[[Any, Any], Tensor]

SUMS_TO_ONE = 1e-3  # how far probabilities of classes may be from it
DECIMALS = 12  # of probabilities: equal scores stay equal, whichever way the processor took their exponential


@dataclass(frozen=True)
class Kind:
    """What a task's name decides: default loss and metric."""

    loss: str
    metric: str


KINDS: dict[str, Kind] = {
    task: Kind(losses[0], "mae" if task == "regression" else "accuracy") for task, losses in LOSSES.items()
}


class Task:
    """Loss and metric for a kind of target. A person's own task (module:Class) overrides what it needs.

    `kind` is classification, binary, multilabel or regression; outputs are [B, C], [B, C, ...] or [B, ..., C]
    (classification) or as targets. `settle` is told the outputs of a first batch.
    """

    notes: tuple[str, ...] = ()  # what a person should know of how outputs are read
    own_loss = False  # it is called with all that the model gave
    shape: tuple[int, ...] | None = None  # and with each target in this shape of the data; None: in the outputs'
    asks_metric = True  # the recipe names the metric; else it is the task's, where outputs mean what it takes them for
    of_classes = False  # the loss is built in, and takes a score for each class
    in_shape = False  # the loss compares outputs and targets of one shape
    sample_loss: Loss | None = None  # the same loss with reduction="none", where it is built in
    class_weights: Any = None  # what the loss weighs each class by, or 1 against 0
    ignored: int | None = None  # the label of what the loss leaves out
    weighted = False  # a built-in loss weighs classes: its mean over positions is none that is plain
    counted: Loss | None = None  # what each target counts in a built-in loss that is a mean
    unscored: tuple[int, ...] = ()  # classes that the loss leaves out: they are in no score
    of_samples = True  # the loss of a batch comes of its samples one by one
    averages = False  # a metric of the person's own is a mean over samples
    reading: Reading | None = None
    _middle: float | None = None  # the output at which a binary decision turns, once it is known
    _squashed: bool | None = None  # whether outputs are probabilities of classes, once it is known
    _vectorized = True  # until a loss shows that it is not

    def __init__(self, kind: str, loss: Loss, metric: Metric, sample_loss: Loss | None = None) -> None:
        self.kind = kind
        self.criterion = loss
        self.metric = metric
        self.sample_loss = sample_loss

    def outputs(self, answer: object) -> Outputs:
        """What of a model's answer goes to the loss and the metric: the tensor of outputs or, for a loss of the
        person's own, all parts."""
        return answer if self.own_loss and next(tensors(answer), None) is not None else main_tensor(answer)

    def targets(self, targets: object, outputs: Tensor) -> Any:
        """Targets in the type and the shape that go with these outputs."""
        if not isinstance(targets, Tensor):
            return targets
        if self.kind == "classification":
            if targets.is_floating_point() and self.own_loss:
                return _in_shape_of(outputs, targets.float())
            if targets.is_floating_point() and targets.shape != outputs.shape:
                targets = targets.long()
            if targets.dim() == 2 and targets.shape[1] == 1 and outputs.dim() == 2:
                targets = targets[:, 0]
            return targets.float() if targets.is_floating_point() else targets.long()
        return _in_shape_of(outputs, targets.float())

    def given(self, targets: object, outputs: Tensor) -> Any:
        """Targets as the loss gets them: in the shape that goes with the outputs or, for a loss of the person's own
        that was written for the shape that the data have, in that."""
        if self.shape is None or not isinstance(targets, Tensor):
            return self.targets(targets, outputs)
        if math.prod(self.shape) == math.prod(targets.shape[1:]):
            targets = targets.reshape(len(targets), *self.shape)
        return targets.float() if self.kind != "classification" or targets.is_floating_point() else targets.long()

    def loss(self, outputs: Outputs, targets: object) -> Tensor:
        """The loss over a batch: a scalar."""
        main = any_tensor(outputs)
        wanted = self.given(targets, main)
        if self.own_loss:
            value = self.criterion(outputs, wanted)
            if not isinstance(value, Tensor) or value.numel() != 1 or _is_complex(value):
                raise UserError(f"loss: must return a scalar tensor, and a real one, not {named(value)}")
            return value.reshape(())
        compared = self._compared(main, wanted)
        try:
            return self.criterion(*compared)
        except (IndexError, RuntimeError, ValueError) as error:  # of a class that there is no output for, or of shapes
            if of_machine(error) or not self.of_classes or compared[1].is_floating_point():
                raise
            labels = compared[1][compared[1] != self.ignored] if self.ignored is not None else compared[1]
            low, high = (int(value) for value in torch.aminmax(labels)) if len(labels) else (0, 0)
            check_positions(main, *compared)
            if low >= 0 and high < compared[0].shape[1]:
                raise
            raise UserError(
                f"data: the labels of a batch reach from {low} to {high}, and the model gives {list(main.shape)}; "
                + of_classes_in_words(low, high, compared[0].shape[1])
            ) from error

    def _compared(self, outputs: Tensor, targets: Any) -> tuple[Tensor, Any]:
        return comparable(outputs, targets, self.kind, self.of_classes, self.in_shape)

    def sample_losses(self, outputs: Outputs, targets: object) -> Tensor:
        """The loss of every sample by itself, [B]; the batch's for each where outputs or targets have no rows by
        sample, or the loss compares samples with one another."""
        main = any_tensor(outputs)
        size = len(main)
        wanted = self.given(targets, main)
        if self.sample_loss is not None and isinstance(wanted, Tensor):
            if main.dim() == 2 or self.counted is None:
                return self.sample_loss(*self._compared(main, wanted)).reshape(size, -1).mean(1)
            losses, counts = self.sums(outputs, targets)
            return losses / counts
        if not (self.of_samples and by_rows(outputs, size) and by_rows(wanted, size)):
            return self.loss(outputs, targets).detach().expand(size)
        own = self.criterion if self.own_loss else lambda o, t: self.criterion(*self._compared(o, t))
        if self._vectorized:
            try:
                with warnings.catch_warnings():
                    # One operation of the loss goes sample by sample then: no news for a person.
                    warnings.filterwarnings("ignore", message="There is a performance drop", category=UserWarning)
                    return torch.func.vmap(lambda o, t: own(_alone(o), _alone(t)))(outputs, wanted)
            except Exception:  # data-dependent control flow cannot be vectorised: one sample at a time
                self._vectorized = False
        parts = (slice(k, k + 1) for k in range(size))
        return torch.stack([own(rows(outputs, part), rows(wanted, part)) for part in parts])

    def sums(self, outputs: Outputs, targets: object) -> tuple[Tensor, Tensor]:
        """Of a built-in loss that is a mean (`counted`): what each sample adds to it, and what it counts, [B] each."""
        assert self.sample_loss is not None
        assert self.counted is not None
        main = any_tensor(outputs)
        compared = self._compared(main, self.given(targets, main))
        losses, counts = (part(*compared).reshape(len(main), -1).sum(1) for part in (self.sample_loss, self.counted))
        return losses, counts

    def counts(self, outputs: Outputs, targets: object, count: int) -> Tensor:
        """What a batch of `count` samples counts in the loss of a split, a scalar: where the loss is a weighted mean,
        the sum of its weights."""
        main = any_tensor(outputs)
        wanted = self.given(targets, main)
        if self.counted is None or type(self).loss is not Task.loss or not isinstance(wanted, Tensor):
            return torch.tensor(float(count), device=main.device)
        return self.counted(*self._compared(main, wanted)).sum()

    def settle(self, outputs: Outputs, targets: object) -> None:
        """Learn from a first batch how outputs are read, and whether the metric applies to them. Where it does not, the
        loss takes its place."""
        main = any_tensor(outputs)
        wanted = self.targets(targets, main)
        metric = self.metric
        if self.of_classes:
            check_shares(main, wanted)
        if self.own_loss:
            self._shape_targets(outputs, targets)
            self.of_samples = judges_each(self.loss, outputs, targets)
        if metric.own or type(self).score is not Task.score:
            self.averages = averages_over_samples(self.score, outputs, targets)
        if metric.is_loss or metric.own or type(self).score is not Task.score:
            return

        def of_main(part: Tensor, said: Any) -> Tensor:
            return self.loss(with_main(outputs, part), said)

        wanted = self._as_classes(wanted, main)
        # A single output may decide between no and yes; of other numbers it scores no class.
        single = self.kind == "classification" and (main.dim() < 2 or main.shape[1] == 1) and not _is_decision(wanted)
        fits = isinstance(wanted, Tensor) and wanted.shape == main.shape and not single
        if fits and self.kind == "classification" and self.own_loss:
            fits = are_shares(wanted) or (main.dim() == 2 and main.shape[1] == 1)
        if self.kind == "classification" and isinstance(wanted, Tensor) and not fits and not single:
            if not wanted.is_floating_point():
                self.reading = find_reading(of_main, main, wanted)
            fits = self.reading is not None
            if self.reading is not None and self.own_loss:
                self.unscored = left_out(of_main, self.reading, main, wanted)
        refusal = self._refusal(outputs, targets) if fits else ""
        fits = refusal is None
        if not fits or not (self.asks_metric or not self.own_loss or self._means(outputs, main, wanted)):
            given = list(wanted.shape) if isinstance(wanted, Tensor) else f"that are a {type(wanted).__name__}"
            shapes = f"outputs {list(main.shape)} and targets {given}"
            why = "under this loss" if fits else "where no class has a score" if single else "that do not go together"
            if self._is_of_others():
                why = f"of task {self.kind}, whose targets are no classes"
            told = refusal or f"{metric.name} says nothing of {shapes} {why}"
            self.notes = (*self.notes, f"{told}: validation is judged by the loss")
            self.metric = METRICS["loss"]

    def _shape_targets(self, outputs: Outputs, targets: object) -> None:
        """A loss of the person's own gets targets in the shape of the data, unless it takes them only in the outputs',
        or holds outputs against their own targets only then: [N] against [N, 1] is compared each with each."""
        wanted = self.targets(targets, any_tensor(outputs))
        if not isinstance(targets, Tensor) or not targets.dim() or wanted.shape == targets.shape:
            return
        self.shape = targets.shape[1:]
        given = pairs(self.loss, outputs, targets)
        if given:
            return
        self.shape = None
        if given is not None and not pairs(self.loss, outputs, targets):
            self.shape = targets.shape[1:]

    def _as_classes(self, targets: Any, outputs: Tensor) -> Any:
        """Whole numbers that a loss of the person's own is given as floats, as the classes that a metric counts."""
        if self.kind != "classification" or not isinstance(targets, Tensor) or not targets.is_floating_point():
            return targets
        whole = self.own_loss and targets.shape != outputs.shape and bool((targets == targets.round()).all())
        return targets.long() if whole else targets

    def _is_of_others(self) -> bool:
        return self.metric.classes and self.kind == "regression"

    def _refusal(self, outputs: Outputs, targets: object) -> str | None:
        """None where the built-in metric is of such targets, and takes them; else why not, where it says so."""
        if self._is_of_others() or any_tensor(outputs).is_complex():
            return ""
        with refusable():
            try:
                self.score(outputs, targets)
            except UserError as error:
                if of_machine(error) or isinstance(error, Unfit):
                    raise
                return str(error)
            return None
        return ""

    def _means(self, outputs: Outputs, main: Tensor, targets: Any) -> bool:
        """Whether a loss of the person's own takes outputs for what the task's metric takes them for. Distances,
        embeddings and parts of which none is known to be the prediction are not."""

        def loss(part: Tensor, wanted: Any) -> Tensor:
            return self.loss(with_main(outputs, part), wanted)

        if not looks_at_targets(loss, main, targets):
            return False
        if self.kind == "regression":
            return isinstance(outputs, Tensor) or has_logits(outputs)
        if self.kind == "classification":
            reading = self.reading
            return reading is None or not (
                any_label_will_do(loss, reading, main, targets) or counts_beyond(loss, reading, main, targets)
            )
        return not prefers_wrong(loss, targets)

    def needs_settling(self, targets: object) -> bool:
        """Whether what `settle` finds out is not plain from the start: of a built-in loss of single classes or of
        targets like the outputs it is."""
        plain = isinstance(targets, Tensor) and (self.kind != "classification" or targets.dim() == 1)
        usual = self.kind not in KINDS or self.metric.name == KINDS[self.kind].metric
        return self.own_loss or not usual or not plain

    def score(self, outputs: Outputs, targets: object) -> Tensor:
        """The metric over all that is given: a scalar; NaN where the loss itself is the metric."""
        if self.metric.own:
            return self.metric.over(outputs, self.targets(targets, any_tensor(outputs)))
        return self.metric.over(*self.read(outputs, targets))

    def shares(self, outputs: Outputs, targets: object) -> Shares | None:
        """What each sample adds to the metric's numerator and denominator; None where it is no such ratio."""
        if self.metric.shares is None or type(self).score is not Task.score:
            return None
        return self.metric.shares(*self.read(outputs, targets))

    def read(self, outputs: Outputs, targets: object) -> tuple[Tensor, Any]:
        """Outputs [B, C, ...] or like the targets, and targets, as the built-in metrics take them."""
        main = any_tensor(outputs).float()
        wanted = self._as_classes(self.targets(targets, main), main)
        if self.metric.decides:
            if self._middle is None:
                self._middle = 0.5 if takes_probabilities(self.loss, main, targets) else 0.0
            main = main - self._middle
        elif self.metric.chances and self.kind in ("binary", "multilabel"):
            if self._middle is None:
                self._middle = 0.5 if takes_probabilities(self.loss, main, targets) else 0.0
            main = main if self._middle else torch.sigmoid(_doubled(main)).round(decimals=DECIMALS)
        wanted = self._scored(wanted)
        if self.kind == "classification" and self.reading is not None:
            main, wanted = self.reading.aligned(main, wanted)
        if self.metric.chances and self.kind == "classification" and main.dim() > 1:
            main = self._chances(main)
        if isinstance(wanted, Tensor) and wanted.device != main.device:
            wanted = wanted.to(main.device)
        return main, wanted

    def _scored(self, targets: Any) -> Any:
        """Targets with -1 for the classes that the loss leaves out."""
        if not self.unscored or not isinstance(targets, Tensor) or targets.is_floating_point():
            return targets
        return targets.masked_fill(torch.isin(targets, targets.new_tensor(self.unscored)), -1)

    def _chances(self, scores: Tensor) -> Tensor:
        """Probabilities [B, C, ...] of scores, unless they are some already, which the first ones tell. In double
        precision: sure ones stay apart."""
        if self._squashed is None:
            within = bool(((scores >= 0) & (scores <= 1)).all())
            self._squashed = within and float((scores.sum(1) - 1).abs().max()) < SUMS_TO_ONE
        doubled = _doubled(scores)
        return doubled if self._squashed else torch.softmax(doubled, 1).round(decimals=DECIMALS)

    @property
    def streamed(self) -> Streamed | None:
        """The metric as one that is fed batch by batch, where it is such a one."""
        return self.metric.streamed if type(self).score is Task.score else None

    def output_size(self, targets: object) -> int | None:
        """How many outputs a built-in model needs for these targets; None where they do not tell."""
        if not isinstance(targets, Tensor) or not len(targets):
            return None
        whole = targets.dim() > 1 and not targets.is_floating_point()
        if self.kind == "classification" and (targets.dim() == 1 or whole):
            classes = targets[torch.isfinite(targets)] if targets.is_floating_point() else targets
            classes = classes if self.ignored is None else classes[classes != self.ignored]
            return int(classes.max()) + 1 if len(classes) else None
        return 1 if targets.dim() == 1 else int(targets.shape[1])

    def constant_outputs(self, outputs: Tensor, targets: object) -> dict[str, Tensor]:
        """Outputs of a network that knows nothing, shaped as `outputs`: "zero", and "prior" where it knows the targets'
        distribution. The loss over them is what an untrained network should have, whatever the loss is."""
        return untaught(self.kind, self.reading, outputs, self._scored(self.targets(targets, outputs)), None)

    def untaught_outputs(self, outputs: Tensor, targets: object) -> dict[str, Tensor]:
        """The same as the loss has them, "prior" being the targets' distribution as class weights bend it: how often
        each occurs times its weight, which is what a constant output learns."""
        if self.class_weights is None:
            return self.constant_outputs(outputs, targets)
        known = self._scored(self.targets(targets, outputs))
        return untaught(self.kind, self.reading, outputs, known, self.class_weights)


def _doubled(values: Tensor) -> Tensor:
    """In double precision: on the CPU where the device has none."""
    return (values.cpu() if values.device.type == "mps" else values).double()


def _is_complex(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_complex()


def named(value: object) -> str:
    """What a loss or a metric returned, for a message."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    if _is_complex(value):
        return "a complex one"
    return f"one of shape {list(value.shape)}; average over the batch"


def _is_decision(targets: object) -> bool:
    return isinstance(targets, Tensor) and bool(((targets == 0) | (targets == 1)).all())


def _in_shape_of(outputs: Tensor, targets: Tensor) -> Tensor:
    """[N] against [N, 1] would be compared each with each."""
    if targets.shape != outputs.shape and _without_ones(targets) == _without_ones(outputs):
        return targets.reshape(outputs.shape)
    return targets


def _without_ones(value: Tensor) -> list[int]:
    return [size for size in value.shape if size != 1]


def _alone(value: Any) -> Any:
    """A sample as a batch of one."""
    return changed(value, lambda part: part.unsqueeze(0))
