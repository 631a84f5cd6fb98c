"""A recipe rehearsed before anything is kept: one step of a training, and a look at its validation."""

from __future__ import annotations

import math
from itertools import islice

import torch

from tunekit.training.evaluation import Tally
from tunekit.training.indices import checked_indices
from tunekit.training.loop import Session
from tunekit.training.outputs import any_tensor
from tunekit.training.probes.losses import labels_fit, target_range
from tunekit.vocabulary import UserError


def rehearse(session: Session) -> str:
    """Model, loss and optimizer on a batch of training, model, loss and metric on one of validation. What is worth a
    word: a metric that is no number on that batch. Errors: UserError for labels that the outputs do not fit; what else
    does not fit raises as it would in a run."""
    with checked_indices(session.device):
        return _rehearsed(session)


def _rehearsed(session: Session) -> str:
    batch = session.batch(0)
    outputs = any_tensor(session.answer(session.model, batch))
    if not labels_fit(session.task, outputs, batch.targets):
        known = target_range(batch.targets)
        reach = f" from {known.lowest:g} to {known.highest:g}" if known else ""
        how = " (`classes: true` under `data.args` does)" if session.config.data.target == "table" else ""
        raise UserError(
            f"data: the loss does not take labels{reach} with outputs of shape {list(outputs.shape)}; number the "
            f"classes from 0{how} and give the model as many outputs, or say `task: regression` for numbers"
        )
    for _ in session.run(1):
        pass
    model = session.model
    model.eval()
    tally = Tally(session.task, session.config.batch_size)
    with torch.no_grad():
        for one in islice(session.in_batches(session.splits.val), 1):
            batch = one.to(session.device)
            tally.add(session.answer(model, batch), batch.targets, len(batch))
        score = tally.evaluation().score
    metric, where = session.task.metric, "on the first batch of validation"
    if not metric.is_loss and not math.isfinite(score) and session.task.streamed is not None:
        score, where = session.evaluate().score, "over the whole validation split"  # one batch may hold one class
    odd = not metric.is_loss and not math.isfinite(score)
    return f"{metric.name} is {score} {where}" if odd else ""
