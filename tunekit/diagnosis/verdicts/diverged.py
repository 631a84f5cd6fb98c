"""The loss blew up: not finite, far above its best and its start, or back at its start after it had learnt."""

import numpy as np

from tunekit.citations import DEEP_CHECKER, DEEP_LOCALIZE, NOTES
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import Measures, Side, movement
from tunekit.diagnosis.odds import Tried
from tunekit.diagnosis.verdict import (
    GENTLER,
    Outcome,
    Verdict,
    course_by_lowest,
    losses_lacking,
    percent,
    place,
    shown,
    silent,
    unasked,
)
from tunekit.diagnosis.verdicts.insufficient_data import FEW_TRAIN
from tunekit.logs.log import Array
from tunekit.vocabulary import Code

BAD_POINTS = 3  # losses that are not finite: this many anywhere, or one at the end (DEEP_LOCALIZE: one)
GROWTH = 2.0  # times the lowest level that the end of a diverged curve lies at (DEEP_CHECKER: growth of 2)
SHORT = 20  # points below which two are a level: the smoothed curve never comes down to it
COLLAPSE = 0.8  # ... or share of the starting loss that a collapsed network's loss returns to, and stays at
BLOW_UP = 10.0  # times the start that a single last loss lies at when a run ends by blowing up
GAINS = 0.1  # gain of a metric, as a fraction, of a run that cannot have blown up at its first point
NOISES = 6.0  # standard deviations of its noise by which a collapsed loss rises, unless its whole end lies there


def judge(m: Measures) -> Outcome:
    train = m.train
    if train is None:
        return unasked(losses_lacking(train))
    if train.bad_end or train.bad >= BAD_POINTS:
        evidence = {"not_finite": train.bad, "first_not_finite_x": train.bad_x, "points": train.points}
        where = f"{train.unit} {place(train.bad_x or 0.0)}"
        text = f"the last of {train.points} training losses, at {where}, is not finite"
        if train.bad > 1:
            many = "the last one among them" if train.bad_end else "and it went on"
            text = f"{train.bad} of {train.points} training losses are not finite, first at {where}, {many}"
        return Outcome(True, text, evidence)
    if m.log.objective is not None:
        return silent("all finite, and a loss that grows is no fault here")
    finite = f"all but {train.bad} of {train.points}" if train.bad else "all"
    levels = course_by_lowest(train.log)
    rise, span = train.end - train.low, max(train.start - train.low, 0.0)
    times = train.end / train.low if train.positive else 1.0 + curves.ratio(rise, max(span, train.sigma))
    if _first_is_other(m, train):
        return silent("the first loss alone is low, as of one batch beside sums over many, and the metric rises")
    if m.derived and abs(rise) < GAINS:
        return silent(f"{finite} training losses are finite: {levels}")
    if len(train.y) >= FEW_TRAIN and times > GROWTH and train.end - train.start > 3 * train.sigma:
        return Outcome(True, f"the training loss grew: {levels}", {"times_the_lowest": times})
    if train.positive and train.last > BLOW_UP * max(train.start, float(np.max(train.y[:-1], initial=0.0)) / 2):
        text = f"the last training loss is {shown(train.log.last)}: {levels}"
        return Outcome(True, text, {"last": train.last})
    low = float(np.sort(train.y)[1]) if FEW_TRAIN <= len(train.y) < SHORT else train.low
    fell = train.positive and low < train.start / GROWTH
    change, _, _ = movement(train.place, train.y, 0.10)
    flat = abs(train.relative(change, train.end)) < 0.10
    last = train.y[-max(3, len(train.y) // 10) :]
    stays = float(np.min(last)) >= COLLAPSE * train.start or (flat and rise > NOISES * train.sigma)
    if fell and train.end >= COLLAPSE * train.start and stays:
        return Outcome(True, f"the training loss fell, and rose again for good: {levels}", {"rise": rise})
    return silent(f"{finite} training losses are finite: {levels}")


def _advice(first: str) -> tuple[str, ...]:
    return (
        Tried("divide the rate by 10", "lower_rate"),
        Tried("add a warm-up and clip gradients at 1.0", "clipped"),
        f"look at the batch at {first}, the first that is not finite",
        "look for log, sqrt and division near zero, and for fp16 (bf16 does not overflow)",
    )


def advice(m: Measures) -> tuple[str, ...]:
    """With the first batch that is not finite, where there is one."""
    if m.train is None or m.train.bad_x is None:
        return tuple(line for line in VERDICT.code.advice if "first that is not finite" not in line)
    return _advice(f"{m.train.unit} {place(m.train.bad_x)}")


def _first_is_other(m: Measures, train: Side) -> bool:
    """A first loss below all others, which fall while a metric rises: no run that blew up gains."""
    gains = m.score is not None and m.score.bounded and m.score.best - m.score.start > GAINS
    return (
        gains
        and train.low_at == 0
        and len(train.y) > 1
        and float(np.median(train.y[1:4])) > max(GROWTH * float(train.y[0]), train.end)
    )


def _sums(done: Array) -> Array:
    return np.where(done == 0, 40.0, 2200.0 - 900.0 * done)


VERDICT = Verdict(
    Code(
        name="diverged",
        severity="fail",
        meaning="The loss blew up.",
        measured=f"Training loss not finite at the end (or {BAD_POINTS} times), at its end above {GROWTH:g} times its "
        f"minimum and its start, or back at {percent(COLLAPSE)} of its start after it had halved; or a last loss "
        f"{BLOW_UP:g} times the start.",
        causes="A rate that is too high, a numerical fault, bad samples.",
        advice=_advice("the iteration"),
        source=f"{NOTES}; {DEEP_CHECKER} (factor 2); {DEEP_LOCALIZE} (not finite)",
    ),
    judge,
    changed_by="losses that are finite to the end and end near their lowest",
    advice=advice,
    remedies=GENTLER,
    alone=True,
    near_misses=(
        Drawn("a loss that rises again, but not above its start", lambda done: 0.5 + 2 * np.abs(done - 0.6)),
        Drawn("a first loss of one batch beside sums over many", _sums, None, None, fall(0.1, 0.9, 5), epochs=8),
        Drawn("noise of a loss near zero", lambda done: fall(2.3, 1e-3, 20)(done) * (1.5 + np.sin(40 * done))),
    ),
)
