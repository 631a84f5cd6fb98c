"""The decision order, in one table, and `judge`. The rules themselves are in faults, generalisation and progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunekit.diagnosis import faults, generalisation, progress
from tunekit.diagnosis.advice import CHANGES, advice_for
from tunekit.diagnosis.log import Log
from tunekit.diagnosis.measures import Measures, measure
from tunekit.diagnosis.verdict import Diagnosis, Dismissed, Outcome, shown
from tunekit.findings import CATALOGUE, finding
from tunekit.vocabulary import Finding, Severity, Verdict


@dataclass(frozen=True)
class Rule:
    """One row of the decision order: a code and what speaks for it. `headline` False: only ever a note."""

    code: str
    judge: Callable[[Measures], Outcome]
    headline: bool = True


ORDER: tuple[Rule, ...] = (
    # Whether there is anything to judge, and whether the run broke. Thresholds: faults.py
    Rule("insufficient_data", faults.insufficient_data),  # < 5 training and < 8 validation points
    Rule("diverged", faults.diverged),  # not finite; or end > 2 x lowest and above the start
    Rule("discontinuity", faults.discontinuity),  # step of > 2 x, medians 2.5 x apart, never below 1.8 x again
    Rule("not_learning", faults.not_learning),  # < 2 % of the loss, or less than its noise, behind the first 5 %
    # Whether validation can be believed. Thresholds: generalisation.py
    Rule("train_val_mismatch", generalisation.train_val_mismatch),  # training -50 %, validation not -20 %
    Rule("noisy_val", generalisation.noisy_val),  # two spikes of > 5 x the local median or > 20 x the lowest
    Rule("val_suspicious", generalisation.val_suspicious),  # metric >= 0.999 for 80 % of the run
    # Whether it generalises
    Rule("metric_loss_disagree", generalisation.metric_loss_disagree),  # loss +5 %, metric gains and holds, no gap
    Rule("overfit", generalisation.overfit),  # validation +5 %, or stalled 25 % behind, or metrics 0.2 apart
    # How training goes. Thresholds: progress.py
    Rule("unstable", progress.unstable),  # jumps of > 3 x, 6 sigma and 0.3 x the start that recover
    Rule("lr_too_high", progress.rough_level),  # epochs' means that jump by 20 % about a level reached fast
    Rule("no_validation", faults.no_validation),  # nothing below may be said as a headline without it
    Rule("lr_too_low", progress.lr_too_low),  # R^2 of a line > 0.9, equal halves, less than half of the loss gone
    Rule("not_converged", progress.not_converged),  # last quarter: -2 % and 3 % of the fall, validation too
    Rule("underfit", progress.underfit),  # settled, no gap, accuracy < 0.6 or < 20 % of the loss gone
    Rule("plateau_then_drop", progress.plateau_then_drop),  # 8 % of the run within 3 % of the start, then -12 %
    Rule("lr_too_high", progress.lr_too_high, headline=False),  # above the sweep's range; -10 % at a decay
    Rule("noisy_train", progress.noisy_train, headline=False),  # noise of 30 % of the level
)
"""First that speaks is the headline, later ones are notes; `good_fit` is what remains."""

ALONE = frozenset({"insufficient_data", "diverged", "discontinuity", "not_learning"})
"""Headlines after which the shape of the curves says little: only `COMPATIBLE` notes stand beside them."""
COMPATIBLE = frozenset({"no_validation", "noisy_train", "discontinuity"})

CONTRADICTED: Mapping[str, frozenset[str]] = {
    "overfit": frozenset({"not_converged", "underfit", "lr_too_low"}),
    "metric_loss_disagree": frozenset({"overfit", "underfit"}),
    "train_val_mismatch": frozenset({"overfit", "underfit", "not_converged", "metric_loss_disagree"}),
    "noisy_val": frozenset({"overfit", "metric_loss_disagree", "not_converged"}),
    "val_suspicious": frozenset({"overfit", "not_converged"}),
    "lr_too_low": frozenset({"underfit"}),
    "lr_too_high": frozenset({"underfit", "noisy_train"}),
}
"""Notes that a headline already explains, or explains away."""

CLEAR, EDGE = 1.6, 1.15
"""Margins (deciding number over its threshold) from which a verdict is clear, and below which it is close."""
MANY, FEW = 20, 10
"""Points from which curves carry a clear verdict, and below which they carry none."""


def judge(log: Log) -> Diagnosis:
    """The verdict on a log, with its numbers, what was dismissed, and what to do."""
    with np.errstate(all="ignore"):  # losses of 1e300 are judged too; what overflows compares as infinite
        return _judged(log, measure(log))


def _judged(log: Log, m: Measures) -> Diagnosis:
    spoken: list[tuple[Rule, Outcome]] = []
    silences: dict[str, list[str]] = {}
    for rule in ORDER:
        outcome = rule.judge(m)
        if outcome.speaks:
            spoken.append((rule, outcome))
        else:
            silences.setdefault(rule.code, []).append(outcome.text)
        if rule.code == "insufficient_data" and outcome.speaks:
            break
    head = next((pair for pair in spoken if pair[0].headline), None)
    if head is None:
        head = (Rule("good_fit", _never), _good_fit(m))
    code, outcome = head[0].code, head[1]
    notes = _notes(code, spoken)
    best_x, best_epoch = _best(m)
    said = {code, *(note.code for note in notes)}
    return Diagnosis(
        code=code,
        verdict=_verdict(code),
        summary=outcome.text[:1].upper() + outcome.text[1:] + ".",
        notes=notes,
        evidence={**_levels(m), **outcome.evidence},
        advice=advice_for(code, m, best_epoch, best_x),
        confidence=_confidence(code, outcome, m),
        dismissed=tuple(Dismissed(item, "; ".join(texts)) for item, texts in silences.items() if item not in said),
        change_if=(CHANGES[code],),
        best_epoch=best_epoch,
        best_x=best_x,
        source={"format": log.format, "files": list(log.files), "name": log.name, "notes": list(log.notes)},
    )


def _never(m: Measures) -> Outcome:
    return Outcome(False, "")


def _good_fit(m: Measures) -> Outcome:
    """What remains: the levels at which both curves settled."""
    parts = []
    for label, side in (("training", None if m.swapped else m.train), ("validation", m.val)):
        if side is not None:
            parts.append(f"{label} loss from {shown(side.start)} to {shown(side.end)}")
    if m.score is not None:
        parts.append(f"validation {m.score.name} at {shown(m.score.sign * m.score.end)}")
    return Outcome(True, ", ".join(parts) + "; the curves have settled and no fault shows", {}, 1.3)


def _notes(code: str, spoken: list[tuple[Rule, Outcome]]) -> tuple[Finding, ...]:
    found: dict[str, Finding] = {}
    hidden = CONTRADICTED.get(code, frozenset())
    for rule, outcome in spoken:
        allowed = rule.code in COMPATIBLE if code in ALONE else rule.code not in hidden
        if rule.code != code and allowed and code != "insufficient_data":
            found.setdefault(rule.code, finding(rule.code, outcome.text, outcome.evidence))
    return tuple(found.values())


def _verdict(code: str) -> Verdict:
    severity: Severity = CATALOGUE[code].severity
    return "pass" if severity == "note" else severity


def _levels(m: Measures) -> dict[str, Any]:
    """The numbers that every verdict shows, where the log has them."""
    levels: dict[str, Any] = {}
    train = None if m.swapped else m.train
    if train is not None:
        levels |= {"train_points": train.n, "train_start": train.start, "train_end": train.end}
    if m.val is not None:
        levels |= {"val_points": m.val.n, "val_start": m.val.start, "val_best": m.val.low, "val_end": m.val.end}
    if m.score is not None:
        levels |= {"metric": m.score.name, "metric_end": m.score.sign * m.score.end}
        levels["metric_best"] = m.score.sign * m.score.best
    best_x, best_epoch = _best(m)
    if best_x is not None:
        levels["best_x"] = best_x
    if best_epoch is not None:
        levels["best_epoch"] = best_epoch
    return levels


def _best(m: Measures) -> tuple[float | None, float | None]:
    """x and epoch of the best validation loss (of medians of three), where there is one."""
    if m.val is None or not np.any(np.isfinite(m.val.y)):
        return None, None
    around = slice(max(0, m.val.low_at - 1), m.val.low_at + 2)
    index = max(0, m.val.low_at - 1) + int(np.argmin(m.val.y[around]))
    return float(m.val.x[index]), m.epoch_at(m.val, index)


def _confidence(code: str, outcome: Outcome, m: Measures) -> str:
    """high, medium or low: by how far the deciding number lies from its threshold and how many points there are."""
    points = max((side.n for side in (m.train, m.val) if side is not None), default=0)
    if code in ("insufficient_data", "no_validation") or (m.train is not None and m.train.bad_end):
        return "high"
    if points < FEW or outcome.margin < EDGE or m.swapped:
        return "low"
    return "high" if outcome.margin >= CLEAR and points >= MANY else "medium"
