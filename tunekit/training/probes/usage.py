"""What model, loss and metric make of real batches, input by input and position by position."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from tunekit.measured import UsageMeasured
from tunekit.training.data import Batch, LoaderSplit
from tunekit.training.loop import Session
from tunekit.training.probes.asking import answered
from tunekit.training.probes.attention import measure_order, measure_weighing
from tunekit.training.probes.contracts import measure_misused
from tunekit.training.probes.gradients import stirred
from tunekit.training.probes.inputs import measure_inputs
from tunekit.training.probes.regrouping import measure_regrouped
from tunekit.training.probes.scoring import measure_columns, measure_direction
from tunekit.training.probes.sequences import measure_copied, measure_ignored, measure_later, measure_padded
from tunekit.training.probes.subject import Subject
from tunekit.training.probes.tokens import measure_hidden, measure_merged

SAMPLES = 64  # of one batch


def measure_usage(subject: Subject) -> UsageMeasured:
    """Each question by itself: one that this model, loss or metric does not take costs its own answer alone."""
    session = Session(replace(subject.config, precision="fp32"), subject.bench)
    batch = _batch(session)
    with stirred(session.model):
        later, padded = answered(measure_later, session, batch), answered(measure_padded, session, batch)
        copied = answered(measure_copied, session, batch)
        weighing, order = answered(measure_weighing, session, batch), answered(measure_order, session, batch)
        hidden, merged = answered(measure_hidden, session, batch), answered(measure_merged, session, batch)
    every = answered(_targets, session)
    return UsageMeasured(
        inputs=answered(measure_inputs, session, batch) or (),
        later=later,
        copied=copied,
        padded=padded,
        hidden=hidden,
        merged=merged,
        weighing=weighing,
        order=order,
        ignored=answered(measure_ignored, session, batch),
        misused=answered(measure_misused, session, batch) or (),
        regrouped=answered(measure_regrouped, session, batch) or (),
        direction=answered(measure_direction, session, batch),
        columns=None if every is None else answered(measure_columns, session, batch, every),
    )


def _batch(session: Session) -> Batch:
    """Some real samples without augmentation, drawn from all of them."""
    train = session.splits.train
    if isinstance(train, LoaderSplit):
        return session.batch(0)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    return train.batch(order[:SAMPLES]).to(session.device)


def _targets(session: Session) -> Tensor | None:
    train = session.splits.train
    if session.task.kind != "regression":
        return None
    targets = session.splits.val.targets() if isinstance(train, LoaderSplit) else train.targets()
    return targets if isinstance(targets, Tensor) else None
