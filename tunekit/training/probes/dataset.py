"""What the data are like as the model gets them: values, labels, duplicates within and across the splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tunekit.configuration import TrainingConfig
from tunekit.measured import (
    Conflicts,
    DataMeasured,
    Decisions,
    Duplicates,
    Giveaway,
    Labels,
    Neighbours,
    Samples,
    Shared,
    Shift,
    TargetShift,
)
from tunekit.training.data import LoaderSplit, Splits
from tunekit.training.probes.asking import answered
from tunekit.training.probes.giveaways import find_giveaway
from tunekit.training.probes.looked import EXAMPLES, SAMPLE, WIDE, Looked
from tunekit.training.probes.mirrored import measure_mirrored
from tunekit.training.probes.neighbours import measure_neighbours
from tunekit.training.probes.reading import measure_reading
from tunekit.training.probes.subject import Subject
from tunekit.training.probes.target_shift import measure_target_shift
from tunekit.training.probes.token_targets import are_tokens
from tunekit.training.probes.windows import measure_windows
from tunekit.training.tasks import KINDS

VOID = 255  # the usual marker of pixels without a class
MOST_LABELS = 10_000  # of a sample
AT_ONCE = 2**22  # targets that are compared in one step
MOST_CLASSES = 256  # of tokens or pixels, that are counted one by one


def measure_data(subject: Subject) -> DataMeasured:
    """Statistics of both splits, label counts, and samples that occur twice."""
    splits = subject.bench.splits(subject.config, torch.device("cpu"))
    if isinstance(splits.train, LoaderSplit):
        return DataMeasured(None)
    return DataMeasured(measure_samples(Looked(splits.train), Looked(splits.val), splits, subject.config))


def measure_samples(train: Looked, val: Looked, splits: Splits, config: TrainingConfig) -> Samples:
    """Both splits beside each other."""
    task = config.task
    names, widths = ((), ()) if splits.columns is None else (splits.columns.names, splits.columns.widths)
    return Samples(
        train=train.numbers(),
        val=val.numbers(),
        shift=_shift(train, val),
        labels=_labels(train, val, task, splits.known_targets().get("training")) if task in KINDS else None,
        duplicates=measure_duplicates(train, val, widths),
        reading=answered(measure_reading, splits.train),
        windows=answered(measure_windows, train.batches, val.batches) if train.whole and val.whole else None,
        groups=splits.groups,
        giveaway=answered(_giveaway, train, task),
        target_shift=answered(_target_shift, train, val) if task == "regression" else None,
        neighbours=answered(_neighbours, train, val, task),
        mirrored=answered(measure_mirrored, splits.train, config) or (),
        classes=splits.classes or (),
        features=names if len(names) == train.features else (),
    )


def _giveaway(train: Looked, task: str) -> Giveaway | None:
    """Of tables; of pictures a single value says nothing."""
    if train.targets is None or not 0 < train.features <= WIDE or train.count != len(train.targets):
        return None
    every = max(1, len(train.picks) // SAMPLE)
    targets = torch.cat([part[::every] for part in train.targets_by_batch()])
    found = find_giveaway(train.table(every), targets, task in ("classification", "binary", "multilabel"))
    if found is None:
        return None
    several = targets.numel() > len(targets)
    return Giveaway(found.feature, len(targets), found.says, found.target if several else None)


def _target_shift(train: Looked, val: Looked) -> TargetShift | None:
    return None if train.targets is None or val.targets is None else measure_target_shift(train.targets, val.targets)


def _neighbours(train: Looked, val: Looked, task: str) -> Neighbours | None:
    first, second = train.points(), val.points()
    if first is None or second is None:
        return None
    return measure_neighbours(first, second, task, counted=train.kinds() is not None)


def _shift(train: Looked, val: Looked) -> Shift | None:
    """How far the validation inputs are from the training inputs, overall and for the feature that moved most."""
    if not train.moments.count.any() or not val.moments.count.any() or train.features != val.features:
        return None
    before, after = train.inputs(), val.inputs()
    scale = max(before.std, 1e-12)
    first, second = train.moments, val.moments
    scales = np.maximum(first.stds, 1e-12)
    moved = np.abs(second.means - first.means)
    known = (first.stds > 1e-6 * (1 + np.abs(first.means))) & (second.count > 0)
    error = scales * np.sqrt(1 / np.maximum(1, first.count) + 1 / np.maximum(1, second.count))
    units = np.where(known, moved / scales, 0.0)
    worst = int(units.argmax())
    return Shift(
        mean=abs(after.mean - before.mean) / scale,
        scale=after.std / scale,
        feature=worst,
        feature_shift=float(units[worst]),
        feature_z=float(moved[worst] / error[worst]) if known[worst] else 0.0,
        shifted_features=float(np.mean(units > 0.5)),
    )


def _labels(looked: Looked, held: Looked, task: str, known: object) -> Labels | None:
    """`known`: the targets of all training samples, where none need be read for them; single ones are counted whole."""
    train, val = looked.targets, held.targets
    if train is None or val is None:
        return None
    both = torch.cat([train.flatten().float(), val.flatten().float()])
    both = both[torch.isfinite(both)]
    every = known if isinstance(known, Tensor) and known.dim() == 1 == train.dim() else train
    numbers = [class_numbers(targets, task) for targets in (every, val)]
    positions = task == "classification" and numbers[0] is None and train.dim() > 1 and not train.is_floating_point()
    counts = [_counts(targets) for targets in numbers if targets is not None]
    if positions:
        counts = [_counts(targets[_counted(targets)]) for targets in (train, val)]
    if positions and max(map(len, counts)) > MOST_CLASSES:
        counts = []
    as_classes = task == "classification" and train.is_floating_point() and train.dim() == 1
    finite = train[torch.isfinite(train)] if train.is_floating_point() else train
    return Labels(
        lowest=float(both.min()) if len(both) else None,
        highest=float(both.max()) if len(both) else None,
        train=counts[0] if len(counts) == 2 else None,
        val=counts[1] if len(counts) == 2 else None,
        axes=train.dim() - 1 if positions else 0,
        tokens=len(counts) == 2 and bool(answered(are_tokens, counts[0], looked.batches)),
        same=len(train) > 1 and finite.numel() > 0 and bool((finite == finite.flatten()[0]).all()),
        broken=int((finite != finite.round()).sum()) if as_classes else 0,
        whole=looked.whole or every is not train,
        decided=(_decisions(train), _decisions(val)) if task == "multilabel" and _of_labels(train, val) else None,
    )


def _of_labels(train: Tensor, val: Tensor) -> bool:
    """Whether they are yes or no, of as many labels in both splits."""
    fits = train.dim() > 1 and val.dim() > 1 and train.shape[1] == val.shape[1] <= MOST_LABELS
    return fits and not bool((train > 1).any() or (val > 1).any())


def _decisions(targets: Tensor) -> Decisions:
    """Of targets [N, labels, ...]; what is negative or NaN is neither."""
    each = targets.reshape(*targets.shape[:2], -1)
    on, off = each > 0.5, (each >= 0) & (each <= 0.5)
    return Decisions(*(tuple(kind.any(2).sum(0).tolist()) for kind in (on, off)))


def class_numbers(targets: Tensor, task: str) -> Tensor | None:
    """The class of each sample as a whole number [N], of whatever type it comes. None: a sample has several targets, or
    they are fractions, or the task asks for no class."""
    one = targets.numel() == len(targets)
    return whole_numbers(targets.flatten()) if one and task in ("classification", "binary") else None


def whole_numbers(targets: Tensor) -> Tensor | None:
    """The same as whole numbers; None for fractions, and what is not finite."""
    if targets.is_complex() or (targets.is_floating_point() and not (targets.frac() == 0).all()):
        return None
    return targets.long()


def count_positions(targets: Tensor) -> dict[int, int] | None:
    """Tokens or pixels [N, ...] by class; None where they are too many classes to be counted one by one."""
    counts = _counts(targets[_counted(targets)])
    return None if len(counts) > MOST_CLASSES else counts


def _counted(targets: Tensor) -> Tensor:
    """Which tokens or pixels have a class: no negative one, and no 255 where the classes are fewer ("void")."""
    classes = targets[(targets >= 0) & (targets != VOID)]
    few = not classes.numel() or int(classes.max()) < VOID - 1
    return (targets >= 0) & ((targets != VOID) | (not few))


def _counts(labels: Tensor) -> dict[int, int]:
    values, counts = labels.unique(return_counts=True)
    return {int(value): int(count) for value, count in zip(values.tolist(), counts.tolist(), strict=True)}


def measure_duplicates(train: Looked, val: Looked, widths: Sequence[int] = ()) -> Duplicates:
    """Identical inputs: within the training split (with equal or different targets) and across the splits."""
    before, after = train.hashes(), val.hashes()
    counts = Counter(before)
    known = set(before)
    shared = [index for index, name in enumerate(after) if name in known]
    return Duplicates(
        repeated=sum(count for count in counts.values() if count > 1) / max(1, len(before)),
        largest_group=max(counts.values(), default=0) / max(1, len(before)),
        diversity=train.diversity(len(counts)),
        kinds=answered(train.kinds),
        conflicts=None if train.targets is None else _conflicts(train, train.targets, before, counts),
        shared=Shared(
            share=len(shared) / max(1, len(after)),
            count=len(shared),
            examples=tuple(int(val.picks[i]) for i in shared[:EXAMPLES]),
            conflicts=_torn(train.targets, val.targets, before, after),
        ),
        by_chance=train.by_chance(widths),
        equals=sum(count * (count - 1) for count in counts.values()) / max(1, len(before)),
    )


def _torn(train: Tensor | None, val: Tensor | None, before: list[bytes], after: list[bytes]) -> int:
    """Validation samples whose input training has with another target only."""
    if train is None or val is None or train.shape[1:] != val.shape[1:]:
        return 0
    places: dict[bytes, list[int]] = {name: [] for name in after}
    for index, name in enumerate(before):
        if name in places and len(places[name]) < EXAMPLES:
            places[name].append(index)
    pairs = [(own, other) for own, name in enumerate(after) for other in places[name]]
    alike = {own for (own, _), same in zip(pairs, _agree(val, train, pairs), strict=True) if same}
    return len({own for own, _ in pairs}) - len(alike)


def _conflicts(train: Looked, targets: Tensor, hashes: list[bytes], counts: Counter[bytes]) -> Conflicts:
    firsts: dict[bytes, int] = {}
    pairs = [(firsts.setdefault(name, at), at) for at, name in enumerate(hashes) if counts[name] > 1]
    torn: dict[int, int] = {}
    for (first, other), same in zip(pairs, _agree(targets, targets, pairs), strict=True):
        if not same:
            torn.setdefault(first, other)
    return Conflicts(
        share=sum(counts[hashes[first]] for first in torn) / max(1, len(hashes)),
        examples=tuple((int(train.picks[a]), int(train.picks[b])) for a, b in sorted(torn.items())[:EXAMPLES]),
    )


def _agree(ones: Tensor, others: Tensor, pairs: list[tuple[int, int]]) -> list[bool]:
    """Whether the targets of a pair say the same; of several a sample a negative class is a marker."""
    agree: list[bool] = []
    step = max(1, AT_ONCE * len(ones) // max(1, ones.numel()))
    for start in range(0, len(pairs), step):
        first, second = torch.tensor(pairs[start : start + step]).T
        one, other = ones[first].reshape(len(first), -1), others[second].reshape(len(first), -1)
        same = one == other
        if one.shape[1] > 1 and not one.is_floating_point():
            same |= (one < 0) | (other < 0)
        agree += same.all(1).tolist()
    return agree
