"""What counts as learned: the loss and the accuracy that the tiny set allows, and which attempt came nearest."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tunekit.measured import RESIDUAL, Fit, TinySet
from tunekit.steps.context import percent
from tunekit.vocabulary import Record, StopRule

NEAR_FLOOR = 0.03  # of the way from the start down to the floor
NEAR_FIT = 0.10  # the same way, where the floor is the best linear map's: the last part of it takes long
NEAR_SCORE = 0.9  # of the best linear map's accuracy, for models with few parameters
LEAST = 1e-12  # a loss above its floor that is as good as none


def stop_rule(start: TinySet) -> StopRule:
    """A training on the set ends where it is learned."""
    return StopRule(solved_loss=_wanted_loss(start), solved_metric=_wanted_score(start))


def _wanted_loss(start: TinySet) -> float:
    """The loss that counts as learned: regression a hundredth of the variance, else near the floor."""
    if start.spread is not None:
        return start.floor + max(start.spread.residual, LEAST)
    near = NEAR_FLOOR if start.best_score is None else NEAR_FIT
    return start.floor + near * abs(start.start - start.floor)


def _wanted_score(start: TinySet) -> float | None:
    if not start.accuracy:
        return None
    return 1.0 if start.best_score is None else NEAR_SCORE * start.best_score


def score_column(record: Record) -> str | None:
    return next((name for name in record.rows if name.startswith("train_") and name != "train_loss"), None)


def reached(record: Record) -> Fit:
    """The worst of the last three iterations, which are the whole set each; a score that is not counted is NaN."""
    losses = record.column("train_loss")[-3:]
    name = score_column(record)
    scores = record.column(name)[-3:] if name else []
    return Fit(loss=max(losses, default=math.nan), score=min(scores, default=math.nan))


def solved(record: Record, start: TinySet) -> bool:
    end, wanted = reached(record), _wanted_score(start)
    return end.loss <= _wanted_loss(start) and (wanted is None or end.score >= wanted)


def best(attempts: Sequence[Record], start: TinySet) -> Record:
    """The rate that solved it first, or else came lowest; the first of equals."""

    def order(record: Record) -> tuple[bool, float]:
        if solved(record, start):
            return False, float(record.iterations)
        loss = reached(record).loss
        return True, loss if math.isfinite(loss) else math.inf

    return min(attempts, key=order)


def reached_text(end: Fit, start: TinySet) -> str:
    """What was reached, as a person reads it."""
    spread = start.spread
    if start.kind != "regression":
        return f"{percent(end.score)} accuracy, loss {end.loss:.3g}"
    if spread is None or spread.residual <= 0:
        return f"a loss of {end.loss:.3g}"
    if math.isclose(spread.residual, RESIDUAL * spread.variance, rel_tol=0.01):
        return f"a residual of {100 * end.loss / spread.variance:.2g} % of the variance"
    left = f"{spread.residual + start.floor:.3g} where {100 * RESIDUAL:g} % of the variance is left"
    return f"a loss of {end.loss:.3g} ({left})"
