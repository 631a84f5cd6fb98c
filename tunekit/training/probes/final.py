"""The final model on the samples of a split, and what it must be built with again: numbers and pictures, no verdict."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.measured import Input, Missed, Mistake, OfClass, Package, PackageArgs, Scaling, SplitArgs, SplitScored
from tunekit.recipe import module_digests
from tunekit.telling import raised
from tunekit.training.data import Batch, DatasetSplit, LoaderSplit, Normalize, Split, Splits, TensorSplit
from tunekit.training.decisions import Form, decide, form_of
from tunekit.training.evaluation import Evaluation, Tally
from tunekit.training.loop import Session
from tunekit.training.losses import together
from tunekit.training.models import found_in_data, has_convolutions
from tunekit.training.outputs import any_tensor
from tunekit.training.probes.asking import asked, undisturbed
from tunekit.training.probes.intervals import Interval, of_mean, of_ratio, of_whole
from tunekit.training.probes.subject import Subject
from tunekit.training.structure import by_rows, joined, rows
from tunekit.training.test_time import BACK, SINGLE, answer_at_test_time, mirrors, views_at
from tunekit.vocabulary import UserError

WORST = 25  # samples that are shown
POINTS = 2000  # pairs of true and predicted values that are kept
MOST_CLASSES = 200  # for a table of which is taken for which
MOST_TOLD = 1000  # classes of which each is told how often it is found
FEWEST_BATCHES = 10  # by whose losses the spread of a mean is told
SIDE = 96  # pixels of a picture that is kept


def measure_split(subject: Subject) -> SplitScored:
    """Loss and metric over a split, with the metric's interval, and where the model is wrong."""
    args = SplitArgs.from_json(subject.args)
    session = Session(subject.config, subject.bench)
    if subject.checkpoint is not None:
        session.load_weights(subject.checkpoint)
    split = session.splits.test if args.split == "test" else session.splits.val
    if split is None:
        return SplitScored(0)
    tally, seen = Tally(session.task, session.config.batch_size, len(split)), _Seen()
    kept: list[tuple[Any, Any]] = []
    ask = _asking(session, session.judged, args.test_time)
    with torch.no_grad():
        for batch, outputs in session.answers(split, ask=ask):
            if seen.form is None:
                seen.form = form_of(session.task, outputs, batch.targets, session.config.metric.target)
            tally.add(outputs, batch.targets, len(batch))
            seen.add(session, outputs, batch)
            if session.task.streamed is not None:  # which remembers sums alone: samples are drawn anew from outputs
                kept.append((outputs, batch.targets))
        evaluation = tally.evaluation()
        interval, how = _interval(tally, evaluation, kept or [(one[0], one[1]) for one in tally.kept])
    metric = session.task.metric
    decided, by_class = seen.single(session.splits), seen.by_class(session.splits)
    return SplitScored(
        samples=len(evaluation.sample_losses),
        metric=metric.name,
        value=evaluation.loss if metric.is_loss else evaluation.score,
        loss=evaluation.loss,
        share=metric.share,
        interval=interval,
        how=how,
        errors=seen.errors,
        answers=seen.count,
        classes=decided.classes,
        confusion=decided.confusion,
        true=decided.true,
        predicted=decided.predicted,
        worst=_worst(session, split, tally, decided, args.split),
        missed=tuple(Missed(one.name, one.count) for one in by_class if one.count and not one.said),
        by_class=by_class,
    )


def check_views(session: Session, batch: Batch, test_time: str) -> None:
    """A batch asked about as the final model will be. Errors: UserError where model, loss or metric do not take it."""

    def judged(outputs: Any) -> bool:
        tally = Tally(session.task, session.config.batch_size, len(batch))
        tally.add(outputs, batch.targets, len(batch))
        tally.evaluation()
        return True

    if test_time == SINGLE:
        return
    session.model.eval()
    with torch.no_grad(), undisturbed():
        in_one_pass = asked(lambda: judged(session.answer(session.model, batch)))  # what fails there is told elsewhere
        outputs = _asking(session, session.model, test_time)(batch)
        try:
            judged(outputs)
        except Exception as error:
            told = error if isinstance(error, UserError) else raised(error)
            if in_one_pass:
                raise UserError(
                    f"train.test_time: {test_time}: loss or metric do not take the average of the views' outputs: "
                    f"{told}; {BACK}"
                ) from None


def _asking(session: Session, model: nn.Module, test_time: str) -> Callable[[Batch], Any]:
    mirrored = mirrors(session.config.data)
    one_pass = partial(session.answer, model)
    return partial(answer_at_test_time, one_pass, task=session.task, how=test_time, mirrored=mirrored)


def _interval(tally: Tally, evaluation: Evaluation, kept: list[tuple[Any, Any]]) -> tuple[Interval | None, str]:
    """`kept`: outputs and targets by batches, of a metric of a whole split."""
    metric = tally.task.metric
    if metric.is_loss and tally.of_batches:
        if len(tally.losses) < FEWEST_BATCHES:
            return None, f"no interval: this loss is one of batches, and there are {len(tally.losses)}"
        return of_mean(torch.stack(tally.losses), evaluation.loss), "normal, by batches"
    if metric.is_loss:
        return of_mean(torch.from_numpy(evaluation.sample_losses), evaluation.loss), "normal"
    if tally.kept and tally.shares:
        return None, ""
    if tally.shares:
        top, bottom = (torch.cat([part.double() for part in column]) for column in zip(*tally.shares, strict=True))
        return of_ratio(metric, top, bottom)
    size = len(evaluation.sample_losses)
    try:
        wanted = [one[1] for one in kept]
        marked = tally.task.streamed is not None and tally.task.kind == "classification"
        targets = together(wanted) if marked else joined(wanted)
        outputs = joined([one[0] for one in kept], 0.0 if marked else None)
    except (RuntimeError, TypeError, IndexError):  # batches of different widths
        return None, ""
    if not (by_rows(outputs, size) and by_rows(targets, size)):
        return None, ""
    device = any_tensor(outputs).device

    def score(picks: Tensor) -> float:
        picks = picks.to(device)
        return float(tally.task.score(rows(outputs, picks), rows(targets, picks)))

    return of_whole(score, size, metric.share)


@dataclass(frozen=True)
class _Decided:
    """Answers of a split of which each sample has one; empty lists where it has several or none."""

    form: Form
    wanted: Sequence[float] = ()
    said: Sequence[float] = ()
    sure: Sequence[float] = ()
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    true: tuple[float, ...] = ()
    predicted: tuple[float, ...] = ()


@dataclass
class _Seen:
    """What the model said of the samples so far."""

    form: Form | None = None
    errors: int | None = None
    count: int | None = None
    parts: list[tuple[Tensor, Tensor, Tensor | None]] = field(default_factory=list)
    counts: Tensor | None = None  # [3, classes]: how often each occurs, is found, and is said
    apart: bool = False  # some samples have several answers, or none that can be compared

    def add(self, session: Session, outputs: Any, batch: Batch) -> None:
        assert self.form is not None
        main = any_tensor(outputs).float()
        if self.form.answers == "values":
            wanted = batch.targets.float() if isinstance(batch.targets, Tensor) else None
            if wanted is None or wanted.numel() != len(batch) or main.numel() != len(batch):
                self.apart = True
            else:
                self.parts.append((wanted.reshape(-1), main.reshape(-1), None))
            return
        metric = session.task.metric
        decided = decide(outputs, self.form)
        wanted = session.task.targets(batch.targets, main)
        if self.form.answers == "classes" and session.task.reading is not None:
            _, wanted = session.task.reading.aligned(main, wanted)
        if isinstance(wanted, Tensor) and wanted.is_floating_point() and self.form.answers == "classes":
            wanted = wanted.argmax(1) if wanted.shape == main.shape else wanted.long()
        if not isinstance(wanted, Tensor) or wanted.numel() != decided.predicted.numel():
            self.apart = True
            return
        wanted = wanted.reshape(decided.predicted.shape)
        known = (wanted >= 0) if self.form.answers == "classes" else torch.ones_like(wanted, dtype=torch.bool)
        known &= ~torch.isin(wanted, wanted.new_tensor(session.task.unscored or (-1,)))
        wrong = ((wanted > 0.5).long() if self.form.answers != "classes" else wanted) != decided.predicted
        if metric.counts or not metric.is_loss or self.form.answers in ("classes", "decision"):
            self.errors = (self.errors or 0) + int((wrong & known).sum())
            self.count = (self.count or 0) + int(known.sum())
        self._count(wanted, decided.predicted, known, main.shape)
        if wanted.dim() != 1:
            self.apart = True
        else:
            self.parts.append((wanted, decided.predicted, decided.probability))

    def _count(self, wanted: Tensor, said: Tensor, known: Tensor, shape: Sequence[int]) -> None:
        assert self.form is not None
        wanted = (wanted > 0.5).long() if self.form.answers != "classes" else wanted.long()
        if self.form.answers == "labels":
            counts = torch.stack([wanted, wanted * said, said]) * known
            counts = counts.transpose(1, 2).flatten(2).sum(2)
        else:
            width = 2 if self.form.answers == "decision" else shape[self.form.axis]
            known = known & (wanted < width)
            each = [wanted[known], wanted[known & (wanted == said)], said[known]]
            counts = torch.stack([torch.bincount(one, minlength=width) for one in each])
        self.counts = counts.cpu() if self.counts is None else self.counts + counts.cpu()

    def by_class(self, splits: Splits) -> tuple[OfClass, ...]:
        """How often each class occurs, is found and is said."""
        if self.counts is None or self.counts.shape[1] > MOST_TOLD:
            return ()
        columns = self.counts.T.tolist()
        names = class_names(splits, len(columns))
        names = names[1:] if len(columns) == 1 else names  # one decision: what is told of is yes
        return tuple(OfClass(name, *column) for name, column in zip(names, columns, strict=False))

    def single(self, splits: Splits) -> _Decided:
        """The answers of all samples, where each has one."""
        form = self.form or Form("values")
        if self.apart or not self.parts:
            return _Decided(form)
        wanted, said = (torch.cat([part[place] for part in self.parts]).cpu() for place in (0, 1))  # type: ignore[misc]
        sure = [part[2] for part in self.parts if part[2] is not None]
        if form.answers == "values":
            wanted, said = (in_own_units(values, splits) for values in (wanted, said))
            spaced = torch.linspace(0, len(wanted) - 1, min(POINTS, len(wanted))).round().long()
            pairs = [tuple(values[spaced].tolist()) for values in (wanted, said)]
            return _Decided(form, wanted.tolist(), said.tolist(), true=pairs[0], predicted=pairs[1])
        count = max(int(wanted.max()), int(said.max())) + 1
        names = class_names(splits, count)
        confusion: tuple[tuple[int, ...], ...] = ()
        if 1 < len(names) <= MOST_CLASSES:
            from torchmetrics.functional.classification import multiclass_confusion_matrix

            known = (wanted >= 0) & (wanted < len(names))
            table = multiclass_confusion_matrix(said[known], wanted[known].long(), num_classes=len(names))
            confusion = tuple(tuple(row) for row in table.tolist())
        shares = torch.cat(sure).cpu().tolist() if sure else []
        return _Decided(form, wanted.tolist(), said.tolist(), shares, names, confusion)


def class_names(splits: Splits, least: int) -> tuple[str, ...]:
    """The names of the classes as the data have them, or else their numbers; no fewer than there are answers."""
    names = splits.classes or ()
    return names if len(names) >= least else tuple(map(str, range(max(least, 2))))


def in_own_units(values: Tensor, splits: Splits) -> Tensor:
    """Targets, or what stands for them, as they were before they were standardised."""
    units = splits.units
    if units is None or units.mean.numel() != 1:
        return values
    return values.double() / units.scale.cpu().reshape(()) + units.mean.cpu().reshape(())


def _worst(session: Session, split: Split, tally: Tally, decided: _Decided, name: str) -> tuple[Mistake, ...]:
    """The samples with the highest losses; of answers that are right or wrong the wrong ones alone."""
    if tally.of_batches:
        return ()
    losses = torch.cat(tally.sample_losses).float().cpu()
    order = torch.argsort(torch.nan_to_num(losses, nan=math.inf), descending=True).tolist()
    exact = decided.form.answers != "values"
    if len(decided.said) == len(losses):
        order = [k for k in order if not exact or decided.said[k] != decided.wanted[k]]
    files = session.splits.files.get(name, ())
    found = []
    for k in order[:WORST]:
        known = len(decided.said) == len(losses)
        found.append(
            Mistake(
                sample=k,
                loss=float(losses[k]),
                true=float(decided.wanted[k]) if known else None,
                predicted=float(decided.said[k]) if known else None,
                probability=decided.sure[k] if known and decided.sure else None,
                name=files[k] if k < len(files) else "",
            )
        )
    return _with_pictures(split, found)


def _with_pictures(split: Split, found: list[Mistake]) -> tuple[Mistake, ...]:
    if not found or not isinstance(split, TensorSplit | DatasetSplit):
        return tuple(found)
    places = torch.tensor([one.sample for one in found])
    plain = split.take(places).stored if isinstance(split, TensorSplit) else split.batch(places)
    first = plain.inputs[0] if plain.inputs else None
    if not isinstance(first, Tensor) or first.dim() != 4 or first.shape[1] not in (1, 3):
        return tuple(found)
    images = first.float().cpu()
    low, high = float(images.min()), float(images.max())
    if first.dtype == torch.uint8 and high > 16:
        low, high = 0.0, 255.0
    scaled = ((images - low) / max(high - low, 1e-12) * 255).round().to(torch.uint8)
    return tuple(replace(one, picture=_png(image)) for one, image in zip(found, scaled, strict=True))


def _png(image: Tensor) -> str:
    """A picture [C, H, W] in bytes as a PNG in base64, no larger than it is looked at."""
    from PIL import Image

    array = image.permute(1, 2, 0).numpy()
    picture = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def measure_package(subject: Subject) -> Package:
    """What the model of a configuration must be built with. Errors: UserError where its inputs are no tensors."""
    config, args = subject.config, PackageArgs.from_json(subject.args)
    session = Session(config, subject.bench)
    splits = session.splits
    train = splits.train
    sample = next(train.batches()) if isinstance(train, LoaderSplit) else _raw(train)
    shown = session.batches.first(min(2, config.batch_size)).to(session.device)
    session.model.eval()
    with torch.no_grad():
        outputs = _asking(session, session.model, args.test_time)(shown)
        form = form_of(session.task, outputs, shown.targets, config.metric.target)
    if not all(isinstance(value, Tensor) for value in sample.inputs):
        raise UserError("the model's inputs are no tensors: it can be loaded by its own code alone, from best.pt")
    size = session.outputs
    columns = splits.columns
    found = found_in_data(config.model.target, config.model.args, sample, lambda: splits)
    return Package(
        target=config.model.target,
        # What it finds besides is in its state.
        args={**{name: value for name, value in found.items() if isinstance(value, int)}, **config.model.args},
        outputs=size,
        seed=config.seed,
        inputs=tuple(
            Input("" if place < len(sample.args) else name, tuple(value.shape[1:]), str(value.dtype).partition(".")[2])
            for place, (name, value) in enumerate(zip(sample.names, sample.inputs, strict=True))
        ),
        answers=form.answers,
        source=config.data.target,
        source_args=dict(config.data.args),
        channels_last=has_convolutions(session.model),
        axis=form.axis,
        probabilities=form.probabilities,
        classes=() if form.answers == "values" else class_names(splits, max(2, size or 0)),
        normalize=_scaling(train.normalize) if isinstance(train, TensorSplit) else None,
        units=_scaling(splits.units),
        columns=None if columns is None else tuple(columns.to_json()),
        views=views_at(args.test_time, session.task, mirrors(config.data)),
        sources=module_digests(subject.bench.folder),
        left_out=session.task.unscored,
    )


def _raw(split: Split) -> Batch:
    """A first sample as the data give it, before it is standardised."""
    first = torch.arange(1)
    return split.take(first).stored if isinstance(split, TensorSplit) else split.batch(first)


def _scaling(normalize: Normalize | None) -> Scaling | None:
    if normalize is None:
        return None
    mean, scale = normalize.mean.cpu(), normalize.scale.cpu()
    return Scaling(tuple(mean.shape), tuple(mean.flatten().tolist()), tuple(scale.flatten().tolist()))
