"""What counts as learned: the loss and the accuracy that the tiny set allows, and which attempt came nearest."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tunekit.measured import RESIDUAL, Fit, TinySet
from tunekit.shares import percent
from tunekit.vocabulary import Record, StopRule

NEAR_FLOOR = 0.03  # of the way from the start down to the floor
NEAR_FIT = 0.10  # the same way, where the floor is the best linear map's or code's: the last part of it takes long
NEAR_SCORE = 0.9  # of the best linear map's accuracy, for models with few parameters
DENSE = 0.99  # share of the right answers where a sample has many (tokens, pixels): a few of them may be ambiguous
LINEAR = 1e-3  # of the way from constant outputs to the floor, below which a residual of the targets costs nothing
KNOWS = 0.1  # of that way, which a model that draws in train mode must go: what it draws it cannot learn by heart
LEAST = 1e-12  # a loss above its floor that is as good as none
FEW_INPUTS = 3  # numbers a sample, along which noisy targets are no smooth function
MAIN = 0.5  # of what there is to learn
APART = 0.25  # of the way from the start to the best constant outputs, that training without inputs leaves
MEAN_OF = 10  # last iterations that are averaged where the model draws


def stop_rule(start: TinySet) -> StopRule:
    """A training on the set ends where it is learned; where the model draws, a lucky iteration does not end it."""
    if start.random:
        return StopRule()
    return StopRule(solved_loss=wanted_loss(start), solved_metric=wanted_score(start))


def without_knowledge(start: TinySet) -> float:
    """The loss of the best outputs that are the same for every sample; of the untrained model where that is unknown."""
    constant = start.free.constant if start.free is not None else start.constant
    return _finite(start) if constant is None or not constant > start.floor else constant


def _finite(start: TinySet) -> float:
    """The loss of the untrained model or, where that is none, a little more than the floor."""
    return start.start if math.isfinite(start.start) else start.floor + 1 + abs(start.floor)


def way(start: TinySet) -> float:
    """What there is to learn: the loss without knowledge of the samples, above the floor."""
    return abs(without_knowledge(start) - start.floor)


def wanted_loss(start: TinySet) -> float:
    """The loss that counts as learned: regression a hundredth of the variance, else near the floor; and always below
    that of outputs that are the same for every sample, where there is more to learn."""
    if start.random or (is_below_linear(start) and not tells_nothing(start)):
        return start.floor + (1 - KNOWS) * way(start)
    if start.bottleneck is not None:
        return start.floor + NEAR_FIT * way(start)
    above = _allowed(start)
    return start.floor + max(above if tells_nothing(start) else min(above, MAIN * way(start)), LEAST)


def _allowed(start: TinySet) -> float:
    """The loss above the floor that is near it. Of a linear map's errors a tenth more is near."""
    if start.spread is None:
        near = NEAR_FLOOR if start.best_score is None else NEAR_FIT
        return near * abs(_finite(start) - start.floor)
    residual = start.spread.residual
    if start.linear is not None and start.free is not None:
        residual = max(residual, NEAR_FIT * (start.floor - start.free.loss))
    return residual if residual > LINEAR * way(start) else NEAR_FLOOR * way(start)


def is_below_linear(start: TinySet) -> bool:
    """Whether the model has fewer parameters than the linear map that it is held to, and need not come near it."""
    return start.linear is not None and start.parameters < start.linear.parameters


def tells_nothing(start: TinySet) -> bool:
    """Whether outputs that are the same for every sample reach the floor: of a loss that compares no samples, or of
    a linear map where there is nothing linear."""
    constant = start.free.constant if start.free is not None else start.constant
    if constant is None:
        return False
    lowest = start.free.loss if start.free is not None and start.linear is not None else start.floor
    return constant - start.floor <= LINEAR * max(constant - lowest, abs(_finite(start) - start.floor))


def wanted_score(start: TinySet) -> float | None:
    """The accuracy that counts as learned, or None where the loss alone is judged by."""
    if not judged_by_accuracy(start) or is_below_linear(start):
        return None
    if start.best_score is not None:
        return NEAR_SCORE * start.best_score
    return DENSE if start.targets > start.samples else 1.0


def judged_by_accuracy(start: TinySet) -> bool:
    """Whether the metric is an accuracy that goes with the loss: where the loss is least, the answers are right. It is
    not where it counts what the loss leaves out, as padding that is a token like others."""
    reached_by_loss = start.free is None or start.free.score is None or start.free.score >= NEAR_SCORE
    return start.accuracy and reached_by_loss


def disagrees(start: TinySet) -> bool:
    """Whether the answers are wrong where the loss is least, and the loss is no less where they are right: a distance
    that is small for equal pairs, beside an accuracy that takes large outputs for a yes."""
    free = start.free
    if free is None or free.score is None or free.perfect is None or not start.accuracy:
        return False
    return free.score < NEAR_SCORE and free.perfect > free.loss + NEAR_FLOOR * abs(start.start - free.loss)


def score_column(record: Record) -> str | None:
    return next((name for name in record.rows if name.startswith("train_") and name != "train_loss"), None)


def reached(record: Record, start: TinySet | None = None) -> Fit:
    """The worst of the last three iterations, which are the whole set each, or the mean of more where the model draws;
    a score that is not counted is NaN."""
    draws = start is not None and start.random
    count = MEAN_OF if draws else 3
    losses = record.column("train_loss")[-count:]
    name = score_column(record)
    scores = record.column(name)[-count:] if name else []
    if draws and losses:
        return Fit(sum(losses) / len(losses), sum(scores) / len(scores) if scores else math.nan)
    return Fit(loss=max(losses, default=math.nan), score=min(scores, default=math.nan))


def solved(record: Record, start: TinySet) -> bool:
    end, wanted = reached(record, start), wanted_score(start)
    near = math.isfinite(end.loss) and end.loss <= wanted_loss(start)
    return near and (wanted is None or end.score >= wanted)


def learned_in_the_main(record: Record, start: TinySet) -> bool:
    """Of samples of very few numbers most is learned: what is left is their noise, which neighbours disagree on."""
    gained = without_knowledge(start) - reached(record, start).loss
    return 0 < start.features <= FEW_INPUTS and not judged_by_accuracy(start) and gained >= MAIN * way(start)


def of_a_mixture(record: Record, start: TinySet, control: Record | None) -> bool:
    """Of a likelihood without end whose best constant outputs lie far below what the model reaches without inputs: a
    mixture puts all it has on a few targets. There is no floor to reach; most of what was gained must come from the
    inputs."""
    free = start.free
    if free is None or not free.endless or free.constant is None or control is None or judged_by_accuracy(start):
        return False
    end, blank = reached(record, start).loss, reached(control).loss
    if not all(map(math.isfinite, (start.start, end, blank))):
        return False
    spiked = blank - free.constant > APART * (start.start - free.constant)
    return spiked and blank - end >= MAIN * (start.start - end) > 0


def best(attempts: Sequence[Record], start: TinySet) -> Record:
    """The rate that solved it first, or else came lowest; the first of equals."""

    def order(record: Record) -> tuple[bool, float, float]:
        loss = reached(record, start).loss
        if solved(record, start):
            return False, float(record.iterations), loss if start.random else 0.0
        return True, loss if math.isfinite(loss) else math.inf, 0.0

    return min(attempts, key=order)


def reached_text(end: Fit, start: TinySet) -> str:
    """What was reached, as a person reads it."""
    spread = start.spread
    if start.linear is not None and not judged_by_accuracy(start):
        constant = f", the best constant outputs {without_knowledge(start):.3g}"
        return f"a loss of {end.loss:.3g} (the best linear map has {start.floor:.3g}{constant})"
    if judged_by_accuracy(start):
        return f"{percent(end.score)} accuracy, loss {end.loss:.3g}"
    if start.random:
        return f"a mean loss of {end.loss:.3g} ({without_knowledge(start):.3g} without knowledge of the samples)"
    if spread is None or spread.residual <= LINEAR * way(start) or start.bottleneck is not None:
        return f"a loss of {end.loss:.3g} (floor {start.floor:.3g})"
    if math.isclose(spread.residual, RESIDUAL * spread.variance, rel_tol=0.01):
        return f"a residual of {100 * end.loss / spread.variance:.2g} % of the variance"
    left = f"{spread.residual + start.floor:.3g} where {100 * RESIDUAL:g} % of the variance is left"
    return f"a loss of {end.loss:.3g} ({left})"
