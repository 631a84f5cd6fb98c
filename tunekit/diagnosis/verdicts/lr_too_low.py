"""A straight line down that has not got far, at a rate that does not change by plan."""

import numpy as np

from tunekit.citations import NOTES
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import REST, Measures, movement, warm_up_ends
from tunekit.diagnosis.odds import Tried
from tunekit.diagnosis.verdict import (
    Outcome,
    Verdict,
    course,
    late_start,
    losses_lacking,
    percent,
    shown,
    silent,
    unasked,
)
from tunekit.telling import span
from tunekit.vocabulary import Code, Remedy

STRAIGHT = 0.90  # R^2 of a line through the whole curve (NOTES: a low rate gives a line; noise costs some)
HALVES = (0.40, 0.60)  # share of the fall that a straight line has in its first half
SLOW_DROP = 0.5  # share of the loss that a slow run has lost at its end, at most
SLOW_LEAST = 0.03  # ... and at least
BELOW = 2.0  # times by which a rate lies below the sweep's range: its rates lie a third or half of a decade apart
SLOW_POINTS = 15  # points below which a short log is straight by chance


def judge(m: Measures) -> Outcome:
    train = m.train
    lacks = losses_lacking(train, SLOW_POINTS)
    if train is None or lacks:
        return unasked(lacks)
    swept = m.working_range
    if swept is not None:
        rate, low, high = swept
        if rate >= low / BELOW:
            return silent(f"the rate {shown(rate)} lies within the range that works, or close below it")
        text = f"the rate {shown(rate)} lies below the range that works ({span(shown(low), shown(high))})"
        return Outcome(True, text, {"lr": rate, "range": [low, high]})
    if not m.begins:
        return unasked(late_start(train))
    if m.score is not None and m.score.moved:
        return silent(f"{m.score.name} got far: {course(m.score.log)}")
    straight = curves.linearity(train.place, train.smoothed)
    fallen = float(train.smoothed[0] - train.smoothed[-1])
    middle = float(np.interp((train.place[0] + train.place[-1]) / 2, train.place, train.smoothed))
    first = (float(train.smoothed[0]) - middle) / fallen if fallen > 0 else 0.0
    change, z, _ = movement(train.place, train.y, REST)
    evidence = {"r_squared": straight, "drop": m.drop, "first_half": first}
    slow = SLOW_LEAST < m.drop < SLOW_DROP
    even = HALVES[0] <= first <= HALVES[1]
    if straight > STRAIGHT and slow and even and change < 0 and curves.falls(z) and warm_up_ends(m) < 0.2:
        text = f"the training loss falls along a straight line, and has not got far: {course(train.log)}"
        return Outcome(True, text, evidence)
    return silent(f"the training loss follows no straight line, or got far: {course(train.log)}")


VERDICT = Verdict(
    Code(
        name="lr_too_low",
        severity="warn",
        meaning="The loss falls along a straight line: the rate is too low.",
        measured=f"A line explains {percent(STRAIGHT)} of the curve, {100 * HALVES[0]:g} to {percent(HALVES[1])} of "
        f"the fall lie in its first half, less than {percent(SLOW_DROP)} of the loss is gone, still falling; or a rate "
        "below the range that the sweep found.",
        causes="The rate.",
        advice=(
            Tried("multiply the rate by 3 to 10", "higher_rate"),
            "`tunekit lr-sweep RECIPE` finds the range that works",
        ),
        source=f"{NOTES} (effects of different learning rates)",
    ),
    judge,
    changed_by="a run at three times the rate that ends no lower",
    remedies=(Remedy("fine-run", {"steps.fine-run.lr_factors": [2, 4]}),),
    explains=frozenset({"underfit"}),
    of_the_loss=True,
    near_misses=(
        Drawn("a line that got far", lambda done: 2.3 - 1.9 * done, lambda done: 2.3 - 1.9 * done),
        Drawn("a fall that slows down", fall(2.3, 1.5, 3), fall(2.3, 1.5, 3)),
    ),
)
