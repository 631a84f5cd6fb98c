"""What guessing reaches on the validation targets, and what the model reaches as it came: numbers, no verdicts.

A guess is a constant answer (the most frequent class, the mean, the median) where loss and metric are tunekit's own,
which take outputs that look like the targets. A person's own takes what this model gives, and no more is known of it:
there a guess is the untrained model's answers held against targets of other samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tunekit.halves import by_batch, half_means, halves
from tunekit.measured import ChanceMeasured, Guess, UntouchedMeasured
from tunekit.training.data import Batch, TensorSplit
from tunekit.training.evaluation import mean_loss
from tunekit.training.foreign import is_foreign
from tunekit.training.loop import Session
from tunekit.training.losses import LOSSES
from tunekit.training.metrics import METRICS
from tunekit.training.probes.asking import asked
from tunekit.training.probes.subject import Subject
from tunekit.training.structure import rows, tensors

SAMPLES = 4096  # validation samples that guesses are scored on: the first of them
VALUES = 2**22  # of the outputs of these samples, at most
PERMUTATIONS = 8  # of the targets
HOW = {
    "zero": "outputs of zero",
    "prior": "how often each target occurs",
    "majority": "always the most frequent class",
    "mean": "always the targets' mean",
    "median": "always the targets' median",
}
SHUFFLED = "the untrained model's answers on targets of other samples"

Score = Callable[[Any, Any], float]


def measure_chance(subject: Subject) -> ChanceMeasured:
    """What guessing reaches by the metric and by the loss. What cannot be asked costs its answer alone."""
    session = Session(replace(subject.config, precision="fp32"), subject.bench)
    session.model.eval()
    with torch.no_grad():
        batch = _validation(session)
        answer = session.answer(session.model, batch)
        by_loss = session.task.metric.is_loss
        loss = _guess(session, batch, answer, False, LOSSES, subject.config.loss.target, _loss(session))
        if by_loss:
            return ChanceMeasured(loss, loss, len(batch))
        own = subject.config.metric.target
        score = _guess(session, batch, answer, session.task.metric.maximize, METRICS, own, _score(session))
        return ChanceMeasured(score, loss, len(batch))


def measure_untouched(subject: Subject) -> UntouchedMeasured:
    """Loss and metric of the model as it came over the validation samples, with both over the halves of the splits."""
    session = Session(subject.config, subject.bench)
    evaluation = session.evaluate()
    loss_halves = tuple(half_means(by_batch(evaluation.sample_losses[None])).ravel().tolist())
    if session.task.metric.is_loss:
        return UntouchedMeasured(evaluation.loss, evaluation.loss, len(session.splits.val), loss_halves, loss_halves)
    return UntouchedMeasured(
        loss=evaluation.loss,
        score=evaluation.score,
        samples=len(session.splits.val),
        loss_halves=loss_halves,
        score_halves=tuple(evaluation.halves.tolist()),
    )


def _validation(session: Session) -> Batch:
    """The validation samples that are looked at, in one batch."""
    val = session.splits.val
    first = val.batch(torch.arange(min(len(val), 64))).to(session.device)
    values = max(1, session.forward(session.model, first).numel() // max(1, len(first)))
    return val.batch(torch.arange(max(1, min(len(val), SAMPLES, VALUES // values)))).to(session.device)


def _loss(session: Session) -> Score:
    """The loss over batches of the recipe's size: one that depends on the batch means the same as in validation."""
    size = session.config.batch_size

    def loss(answer: Any, targets: Any) -> float:
        count = len(next(tensors(targets)))
        parts = [slice(start, start + size) for start in range(0, count, size)]
        batches = [(rows(answer, part), rows(targets, part)) for part in parts]
        losses = [session.task.loss(*batch) for batch in batches]
        counts = [session.task.counts(*batch, len(next(tensors(batch[1])))) for batch in batches]
        return mean_loss(torch.stack(losses), torch.stack(counts))

    return loss


def _score(session: Session) -> Score:
    return lambda answer, targets: float(session.task.score(answer, targets))


def _guess(  # noqa: PLR0913 - what is asked, of what, and by what
    session: Session, batch: Batch, answer: Any, maximize: bool, known: Any, name: str, measure: Score
) -> Guess | None:
    """The best guess by a measure. `known`: tunekit's own of its kind; `name`: the recipe's."""
    guesses: list[Guess] = []
    whole = len(batch) == len(session.splits.val)
    if name == "auto" or name in known or name.startswith("torch.") or is_foreign(name.split(" ")[-1]):
        for how, constant in _constants(session, answer, batch.targets, decides=known is METRICS):
            value = _value(measure, constant, batch.targets)
            if value is not None:
                parts = _over_halves(measure, constant, batch.targets) if whole else ()
                guesses.append(Guess(value, HOW[how], halves=parts))
    if not guesses:
        shuffled = _shuffled(measure, answer, batch.targets)
        guesses = [] if shuffled is None else [shuffled]
    return max(guesses, key=lambda guess: guess.value if maximize else -guess.value, default=None)


def _value(measure: Score, answer: Any, targets: Any) -> float | None:
    """None where the measure does not take this, or gives nothing finite."""
    value = asked(lambda: measure(answer, targets), math.nan)
    return value if math.isfinite(value) else None


def _constants(session: Session, answer: Any, targets: Any, decides: bool) -> Iterator[tuple[str, Tensor]]:
    """Constant answers for targets that the outputs look like, each with its name in HOW. `decides`: they are scored by
    a metric, for which the classes' shares are an answer, the most frequent one."""
    if not isinstance(answer, Tensor) or not isinstance(targets, Tensor):
        return
    train = session.splits.train
    seen = train.targets() if isinstance(train, TensorSplit) else targets
    if not isinstance(seen, Tensor) or seen.shape[1:] != targets.shape[1:]:
        seen = targets
    try:
        some = answer[:1].expand(len(seen), *answer.shape[1:])
        constants = dict(session.task.constant_outputs(some, seen.to(answer.device)))
    except Exception:  # targets that no constant stands for
        constants = {}
    shares = "majority" if decides else "prior"
    names = {"regression": "mean", "classification": shares, "binary": shares, "multilabel": shares}
    for name, constant in sorted(constants.items(), key=lambda item: item[0] == "zero"):  # the last to be named
        how = names.get(session.task.kind, name) if name == "prior" else name
        one = constant if constant.shape == answer.shape else constant[:1].expand_as(answer)
        yield how, one.clone()


def _shuffled(measure: Score, answer: Any, targets: Any) -> Guess | None:
    """Mean and spread over permutations of the targets."""
    draw = torch.Generator().manual_seed(0)
    count = len(next(tensors(targets)))
    values = []
    for _ in range(PERMUTATIONS):
        try:
            value = _value(measure, answer, rows(targets, torch.randperm(count, generator=draw)))
        except Exception:  # targets of a structure of the person's own
            return None
        if value is not None:
            values.append(value)
    if len(values) < 2:
        return None
    found = torch.tensor(values, dtype=torch.float64)
    return Guess(float(found.mean()), SHUFFLED, float(found.std()))


def _over_halves(measure: Score, answer: Any, targets: Any) -> tuple[float, ...]:
    """The measure over both halves of each split; () where it cannot be asked of one."""
    values: list[float] = []
    for first in halves(len(next(tensors(targets)))):
        for half in (first, ~first):
            picks = torch.tensor(half.nonzero()[0], device=next(tensors(targets)).device)
            value = _value(measure, rows(answer, picks), rows(targets, picks))
            if value is None:
                return ()
            values.append(value)
    return tuple(values)
