"""What must be known before any step: sizes, classes, metric, and what `auto` means here."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from tunekit.configuration import WIDER
from tunekit.diskroom import Sizes, sizes_of
from tunekit.measured import DescribeArgs
from tunekit.recipe import module_digests
from tunekit.recipe.optimizers import states
from tunekit.recipe.tasks import of_classes_in_words
from tunekit.training.data import Batch, LoaderSplit, Splits, TensorSplit
from tunekit.training.device import pick_precision, pick_threads
from tunekit.training.indices import checked_indices
from tunekit.training.joining import with_validation
from tunekit.training.loop import Session
from tunekit.training.meaning import follows_batch_size
from tunekit.training.models import has_convolutions, weights_digests, widened
from tunekit.training.optimizers import check_optimizer
from tunekit.training.outputs import Outputs, any_tensor
from tunekit.training.probes.asking import asked
from tunekit.training.probes.dataset import class_numbers
from tunekit.training.probes.final import check_views
from tunekit.training.probes.losses import axis_of, labels_fit, unfit_labels
from tunekit.training.probes.subject import Subject
from tunekit.training.sources import data_digests
from tunekit.training.tasks import Task
from tunekit.vocabulary import Facts, UserError

ASKED = 100_000  # validation samples on which it is asked whether a metric is a number there


def describe(subject: Subject) -> Facts:
    """What a command must know before its first step; `subject.args` are DescribeArgs."""
    config, bench, asked = subject.config, subject.bench, DescribeArgs.from_json(subject.args)
    session = Session(config, bench)
    check_optimizer(config.optimizer, session.model)
    _check_classes(config.task, session.splits)
    parameters = sum(parameter.numel() for parameter in session.model.parameters())
    train = session.splits.train
    batch = session.batch(0)
    with torch.no_grad(), checked_indices(bench.device):
        outputs = _outputs(session, batch)
        if labels_fit(session.task, any_tensor(outputs), batch.targets):  # where they do not, step 1 says it by name
            session.task.loss(outputs, batch.targets)  # what else does not fit is said here
        strange = _strange_labels(session, any_tensor(outputs))
        loss_of_batches = follows_batch_size(session.task.loss, outputs, batch.targets)
    session.augment(batch)
    targets = session.splits.val.targets() if isinstance(train, LoaderSplit) else train.targets()
    weights = weights_digests((config.model.weights, *asked.weights), bench.folder)
    sizes = _sizes(session)
    check_views(session, batch, asked.test_time)
    if asked.with_validation:
        with_validation(session.splits)
    return Facts(
        n_train=len(train),
        n_val=len(session.splits.val),
        iterations_per_epoch=session.iterations_per_epoch,
        metric=session.task.metric.name,
        maximize=session.task.metric.maximize,
        share=session.task.metric.share,
        classes=_classes(session.task, [targets, *session.splits.known_targets().values()]),
        parameters=parameters,
        threads=pick_threads(asked.threads, bench.device, parameters),
        precision=pick_precision(asked.precision, bench.device, parameters, has_convolutions(session.model)),
        device=str(bench.device),
        sources={**module_digests(bench.folder), **data_digests(config.data, bench.folder), **weights},
        shareable=session.splits.shareable,
        notes=(
            *session.splits.notes,
            *session.task.notes,
            *session.notes,
            *strange,
            *_speechless(session, outputs),
            *_idle(session, outputs),
        ),
        checkpoint_bytes=sizes.checkpoint,
        weights_bytes=sizes.best,
        wider={f"model.args.{name}": value for name, value in widened(config.model, bench.folder, WIDER).items()},
        loss_of_batches=loss_of_batches,
        trainable=sum(p.numel() for p in session.model.parameters() if p.requires_grad),
    )


def _strange_labels(session: Session, outputs: Tensor) -> list[str]:
    """What is told of labels of the test split that the model has no output for. Errors: UserError where validation has
    them: nothing could be judged. (Of training step 1 says it by name.)"""
    known, classes = session.splits.known_targets(), outputs.shape[axis_of(session.task)] if outputs.dim() > 1 else 1
    reaches = {name: unfit_labels(session.task, outputs, targets) for name, targets in known.items()}
    told: list[str] = []
    for name, reach in reaches.items() if reaches.get("training") is None else ():
        if reach is None:
            continue
        line = (
            f"data: the labels of the {name} split reach from {reach.lowest:g} to {reach.highest:g}, and the model "
            f"gives {list(outputs.shape)}: {of_classes_in_words(reach.lowest, reach.highest, classes)}"
        )
        if name == "validation":
            raise UserError(line)
        told.append(f"{line}, or the final model cannot be scored on it")
    return told


def _check_classes(task: str, splits: Splits) -> None:
    """Errors: UserError where a table's target has names of classes and the task is another."""
    if splits.columns is None or splits.classes is None:
        return
    targets = splits.val.targets()
    if not isinstance(targets, Tensor) or targets.dim() != 1:
        return
    few = ", ".join(splits.classes[:3]) + (", ..." if len(splits.classes) > 3 else "")
    if task == "regression":
        raise UserError(f"data.args.target: holds classes ({few}), and the task is regression; task: classification")
    if task == "binary" and len(splits.classes) > 2:
        count = len(splits.classes)
        raise UserError(
            f"data.args.target: holds {count} classes ({few}), and the task is binary; task: classification"
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


def _speechless(session: Session, outputs: Outputs) -> list[str]:
    """A metric that is no number on this validation split, whatever the model says: asked with outputs at random."""
    task, val = session.task, session.splits.val
    if task.streamed is None or not isinstance(val, TensorSplit):
        return []
    some = val.targets()[:ASKED]
    main = any_tensor(outputs)
    drawn = torch.randn(len(some), *main.shape[1:], generator=torch.Generator().manual_seed(0)).to(main.device)
    value = asked(lambda: float(task.score(drawn, some)), 0.0)  # what it does not take is told elsewhere
    if math.isfinite(value) or len(val) > len(some):
        return []
    same = len(some.unique()) == 1 if isinstance(some, Tensor) else False
    why = f": all its targets are {float(some.flatten()[0]):g}" if same else ""
    name = task.metric.name
    return [f"{name} is no number on this validation split{why}; take another metric, or split the data otherwise"]


def _idle(session: Session, outputs: Outputs) -> list[str]:
    """Outputs below the first class, where classes are numbered from 1."""
    main = any_tensor(outputs)
    if session.task.own_loss or session.splits.classes or session.task.kind != "classification" or main.dim() < 2:
        return []
    known = session.splits.known_targets()
    scored = known.get("validation")
    labels = class_numbers(scored, session.task.kind) if isinstance(scored, Tensor) else None
    if labels is None:
        return []
    low = int(min(part.min() for part in (labels, known.get("training")) if isinstance(part, Tensor)))
    if low < 1 or main.shape[1] <= int(labels.max()):
        return []
    which = "output 0 has" if low == 1 else f"outputs 0 to {low - 1} have"
    return [f"labels begin at {low}: the model's {which} no class; number the classes from 0"]


def _sizes(session: Session) -> Sizes:
    """What the weights of a training will take of the disk, before there are any."""
    tensors = [value for value in session.model.state_dict().values() if isinstance(value, Tensor)]
    numbers = sum(value.numel() * value.element_size() for value in tensors)
    return sizes_of(numbers, len(tensors), states(session.config.optimizer), session.averaged is not None)


def _classes(task: Task, known: Sequence[object]) -> int | None:
    """The classes of all splits, without what the loss leaves out."""
    labels = [part for part in known if isinstance(part, Tensor) and part.dim() == 1]
    if task.kind != "classification" or not labels or labels[0] is not known[0]:
        return None
    occurring = torch.cat([part.unique() for part in labels]).tolist()
    return len(set(occurring) - {getattr(task, "ignored", None)})
