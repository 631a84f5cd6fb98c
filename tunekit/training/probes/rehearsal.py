"""A recipe rehearsed before anything is kept: one step of a training, and a look at its validation."""

from __future__ import annotations

import math
from itertools import islice

import torch
from torch import Tensor

from tunekit.configuration import digest
from tunekit.measured import Rehearsed
from tunekit.recipe.tasks import FROM_ZERO, of_classes_in_words
from tunekit.training.evaluation import Tally
from tunekit.training.loop import Session
from tunekit.training.outputs import any_tensor
from tunekit.training.probes.losses import axis_of, labels_fit, target_range
from tunekit.training.probes.subject import Subject
from tunekit.vocabulary import UserError


def rehearse(subject: Subject) -> Rehearsed:
    """Model, loss and optimizer on a batch of training, model, loss and metric on one of validation. Errors: UserError
    for labels that the outputs do not fit; what else does not fit raises as it would in a run."""
    session, data = Session(subject.config, subject.bench), subject.config.data
    batch = session.batch(0)
    outputs = any_tensor(session.answer(session.model, batch))
    if not labels_fit(session.task, outputs, batch.targets):
        known = target_range(batch.targets)
        reach = f" from {known.lowest:g} to {known.highest:g}" if known else ""
        how = f"{FROM_ZERO} (`classes: true` under `data.args` does)" if data.target == "table" else FROM_ZERO
        advice = (
            of_classes_in_words(known.lowest, known.highest, outputs.shape[axis_of(session.task)], how)
            if known
            else how
        )
        raise UserError(
            f"data: the loss does not take labels{reach} with outputs of shape {list(outputs.shape)}; {advice}"
        )
    losses = [row.train_loss for chunk in session.run(1) for row in chunk.rows]
    model = session.model
    model.eval()
    tally = Tally(session.task, session.config.batch_size)
    with torch.no_grad():
        for one in islice(session.in_batches(session.splits.val), 1):
            batch = one.to(session.device)
            tally.add(session.answer(model, batch), batch.targets, len(batch))
        evaluation = tally.evaluation()
    weights = {name: _summed(value) for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    links = [(link.name, link.args) for link in session.augment.links]
    seen = [repr(model), links, weights, repr(session.optimizer), losses, evaluation.loss, evaluation.score]
    return Rehearsed(_odd(session, evaluation.score), digest(seen))


def _summed(values: Tensor) -> str:
    return repr(values.cpu().to(torch.complex128 if values.is_complex() else torch.float64).sum().item())


def _odd(session: Session, score: float) -> str:
    """A metric that is no number on the first batch of validation, which may hold one class, nor on all of it."""
    metric, where = session.task.metric, "on the first batch of validation"
    if not metric.is_loss and not math.isfinite(score) and session.task.streamed is not None:
        score, where = session.evaluate().score, "over the whole validation split"
    odd = not metric.is_loss and not math.isfinite(score)
    return f"{metric.name} is {score} {where}" if odd else ""
