"""What must be known before any step: sizes, classes, metric, and what `auto` means here."""

from __future__ import annotations

import torch
from torch import Tensor

from tunekit.configuration import digest
from tunekit.diskroom import Sizes, sizes_of
from tunekit.measured import DescribeArgs
from tunekit.recipe import local_modules
from tunekit.recipe.optimizers import states
from tunekit.training.data import Batch, LoaderSplit
from tunekit.training.device import pick_precision, pick_threads
from tunekit.training.loop import Session
from tunekit.training.models import has_convolutions
from tunekit.training.optimizers import check_optimizer
from tunekit.training.outputs import Outputs, any_tensor
from tunekit.training.probes.losses import labels_fit
from tunekit.training.probes.subject import Subject
from tunekit.training.sources import data_digests
from tunekit.vocabulary import Facts


def describe(subject: Subject) -> Facts:
    """What a command must know before its first step; `subject.args` are DescribeArgs."""
    config, bench, asked = subject.config, subject.bench, DescribeArgs.from_json(subject.args)
    session = Session(config, bench)
    check_optimizer(config.optimizer, session.model)
    parameters = sum(parameter.numel() for parameter in session.model.parameters())
    train = session.splits.train
    batch = session.batch(0)
    with torch.no_grad():
        outputs = _outputs(session, batch)
        if labels_fit(session.task, any_tensor(outputs), batch.targets):  # where they do not, step 1 says it by name
            session.task.loss(outputs, batch.targets)  # what else does not fit is said here
    session.augment(batch)
    targets = session.splits.val.targets() if isinstance(train, LoaderSplit) else train.targets()
    modules = {
        str(path.relative_to(bench.folder)): digest(path.read_text(errors="replace"))
        for path in local_modules(bench.folder)
    }
    sizes = _sizes(session)
    return Facts(
        n_train=len(train),
        n_val=len(session.splits.val),
        iterations_per_epoch=session.iterations_per_epoch,
        metric=session.task.metric.name,
        maximize=session.task.metric.maximize,
        share=session.task.metric.share,
        classes=_classes(session.task.kind, targets),
        parameters=parameters,
        threads=pick_threads(asked.threads, bench.device, parameters),
        precision=pick_precision(asked.precision, bench.device, parameters, has_convolutions(session.model)),
        device=str(bench.device),
        sources={**modules, **data_digests(config.data, bench.folder)},
        shareable=session.splits.shareable,
        notes=(*session.splits.notes, *session.task.notes),
        checkpoint_bytes=sizes.checkpoint,
        weights_bytes=sizes.best,
        trainable=sum(p.numel() for p in session.model.parameters() if p.requires_grad),
    )


def _outputs(session: Session, batch: Batch) -> Outputs:
    """The model's outputs in train mode, or in eval mode where BatchNorm refuses so few values, which step 1 names."""
    try:
        return session.answer(session.model, batch)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
    session.model.eval()
    outputs = session.answer(session.model, batch)
    session.model.train()
    return outputs


def _sizes(session: Session) -> Sizes:
    """What the weights of a training will take of the disk, before there are any."""
    tensors = [value for value in session.model.state_dict().values() if isinstance(value, Tensor)]
    numbers = sum(value.numel() * value.element_size() for value in tensors)
    return sizes_of(numbers, len(tensors), states(session.config.optimizer), session.averaged is not None)


def _classes(kind: str, targets: object) -> int | None:
    if kind != "classification" or not isinstance(targets, Tensor) or targets.dim() != 1:
        return None
    return len(targets.unique())
