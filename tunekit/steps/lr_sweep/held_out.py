"""Rates of a fine-tuning, judged by validation after whole epochs. Pure arithmetic on records.

The training loss of the first hundred iterations rewards the rate that forgets fastest what the weights knew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunekit.configuration import Values
from tunekit.measured import UntouchedMeasured
from tunekit.steps.context import Context
from tunekit.steps.noise import diverged, finite, last_validation, paired, sample_losses
from tunekit.vocabulary import Record

UNMOVED = 1e-3  # of the untouched model's loss: a rate that changes no more of it moves nothing


@dataclass(frozen=True)
class HeldOutRate:
    """A rate's run at its end. `val_loss`: None where it diverged or has no finite value."""

    rate: float
    val_loss: float | None
    metric: float | None
    samples: Sequence[float]  # validation losses
    diverged: int | None


def value(record: Record) -> float | None:
    """The last validation loss, where it is finite."""
    loss = last_validation(record, "val_loss")
    return loss if finite(loss) else None


def read_rates(context: Context[Any], records: Sequence[Record]) -> Mapping[float, HeldOutRate]:
    """The sweep's runs by rate, in order."""
    rates = {}
    for record in sorted(records, key=lambda record: float(record.params["lr"])):
        gone, rate = diverged(record), float(record.params["lr"])
        metric = last_validation(record, context.metric)
        rates[rate] = HeldOutRate(
            rate,
            None if gone else value(record),
            metric if finite(metric) and not gone else None,
            sample_losses(record),
            gone,
        )
    return rates


def best(context: Context[Any], rates: Mapping[float, HeldOutRate]) -> float | None:
    """The rate that validates best: by the metric, equal ones by the loss. A network that is too sure of itself loses
    less where it forgets, so the loss alone does not decide."""
    sign = -1.0 if context.facts.maximize else 1.0

    def rank(one: HeldOutRate) -> tuple[float, float]:
        return (math.inf if one.metric is None else sign * one.metric, one.val_loss or 0.0)

    sound = [one for one in rates.values() if one.val_loss is not None]
    return min(sound, key=rank).rate if sound else None


def edge(context: Context[Any], rates: Mapping[float, HeldOutRate], untouched: UntouchedMeasured | None) -> str | None:
    """The side on which a better rate may lie. A lowest rate that moves nothing is no edge: below it lies the untouched
    model."""
    chosen = best(context, rates)
    if chosen is None:
        return "lowest"
    if len(rates) > 1 and chosen == max(rates):
        return "highest"
    return "lowest" if chosen == min(rates) and not is_unmoved(rates[chosen].val_loss, untouched) else None


def is_unmoved(loss: float | None, untouched: UntouchedMeasured | None) -> bool:
    """Whether a training left the validation loss where it was."""
    if loss is None or untouched is None:
        return False
    return abs(loss - untouched.loss) <= UNMOVED * abs(untouched.loss)


def working_range(rates: Mapping[float, HeldOutRate], chosen: float) -> tuple[float, float]:
    """The lowest and highest rate around the best of which none is clearly worse on the same samples, or all reach the
    best's metric."""
    ordered = list(rates)
    low = high = ordered.index(chosen)
    while low > 0 and _as_good(rates[ordered[low - 1]], rates[chosen]):
        low -= 1
    while high + 1 < len(ordered) and _as_good(rates[ordered[high + 1]], rates[chosen]):
        high += 1
    return ordered[low], ordered[high]


def _as_good(one: HeldOutRate, other: HeldOutRate) -> bool:
    if one.val_loss is None:
        return False
    same = one.metric is not None and one.metric == other.metric
    return same or not paired(one.samples, other.samples).clear


def table(
    context: Context[Any], rates: Mapping[float, HeldOutRate], untouched: UntouchedMeasured | None
) -> list[Values]:
    """A row a rate, with how far its loss lies below the untouched model's."""
    chosen = best(context, rates)
    works = working_range(rates, chosen) if chosen is not None else None
    rows: list[Values] = []
    for one in rates.values():
        if one.val_loss is None:
            word = f"diverged at {one.diverged}" if one.diverged else "no finite value"
        elif one.rate == chosen:
            word = "taken"
        else:
            word = "works" if works and works[0] <= one.rate <= works[1] else "worse"
        row: dict[str, Any] = {"lr": one.rate, context.metric: one.metric, "val_loss": one.val_loss}
        if untouched is not None and one.val_loss is not None:
            row["gain"] = untouched.loss - one.val_loss
        rows.append({**row, "verdict": word})
    return rows
