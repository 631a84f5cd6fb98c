"""Weights that an optimizer has for evaluation: schedule-free ones train at one place and are judged at another.

Such an optimizer has methods `train` and `eval`, which move the weights between the two. They round, so the weights
that train are put back as they were, not computed back: a look at a training leaves no trace in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tunekit.training.data import LoaderSplit
from tunekit.training.normalisations import BatchNorm, averaging
from tunekit.training.order import epoch_order
from tunekit.training.seeds import seed_step

if TYPE_CHECKING:
    from tunekit.training.loop import Session

STATISTICS = 16  # training batches over which BatchNorm's running statistics are taken anew for these weights


def goes_backward(model: nn.Module) -> AbstractContextManager[None]:
    """In which a model is called that may be asked for gradients: in eval mode cuDNN's recurrent layers have none."""
    asked = torch.is_grad_enabled() and not model.training
    if asked and any(isinstance(module, nn.RNNBase) for module in model.modules()):
        return torch.backends.cudnn.flags(enabled=False)
    return nullcontext()


def has_modes(optimizer: object) -> bool:
    """Whether an optimizer has weights of its own for evaluation."""
    return callable(getattr(optimizer, "train", None)) and callable(getattr(optimizer, "eval", None))


def to_train(optimizer: Any) -> None:
    """Where an optimizer has modes it trains from here on: some begin in the other."""
    if has_modes(optimizer):
        optimizer.train()


@contextmanager
def evaluation_weights(session: Session) -> Iterator[None]:
    """The model as its optimizer would have it judged, with BatchNorm's statistics of these weights; afterwards as it
    was. Loaders of a person's own are not asked for more batches: there the statistics stay those of training."""
    optimizer: Any = vars(session).get("optimizer")  # built when first used: before, there is nothing to change
    if optimizer is None or not has_modes(optimizer):
        yield
        return
    training = session.model.training
    norms = averaging(session.model.train())
    with torch.no_grad():
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        buffers = [buffer for norm in norms for buffer in norm.buffers(recurse=False)]
        before = [tensor.detach().clone() for tensor in (*parameters, *buffers)]
    try:
        optimizer.eval()
        if norms and not isinstance(session.splits.train, LoaderSplit):
            with torch.no_grad():
                _take_statistics(session, norms)
        session.model.train(training)
        yield
    finally:
        optimizer.train()
        with torch.no_grad():
            for tensor, value in zip((*parameters, *buffers), before, strict=True):
                tensor.copy_(value)


def _take_statistics(session: Session, norms: Sequence[BatchNorm]) -> None:
    """A plain average over batches as training sees them. What is drawn follows from (seed, number of the batch)."""
    train, config = session.splits.train, session.config
    assert not isinstance(train, LoaderSplit), "such are not asked"
    session.model.train()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    size = min(config.batch_size, len(train))
    order: Tensor = epoch_order(len(train), config.seed, 0)
    try:
        for number in range(min(STATISTICS, session.iterations_per_epoch)):
            batch = train.batch(order[number * size : (number + 1) * size]).to(session.device)
            seed_step(config.seed, number, session.device, config.runs_persons_code)
            session.answer(session.model, session.augment(batch))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
