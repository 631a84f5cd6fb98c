"""A step up to a level that holds: another state, another loss or another run from there on."""

import math

import numpy as np

from tunekit.citations import SURVEY
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, fall, jumps
from tunekit.diagnosis.measures import END, Measures
from tunekit.diagnosis.verdict import Outcome, Verdict, losses_lacking, percent, place, shown, silent, unasked
from tunekit.diagnosis.verdicts.diverged import BAD_POINTS
from tunekit.vocabulary import Code

STEP = 2.0  # times the level before, in one step, that makes a break (SURVEY)
FEW_POINTS = 12  # below which a level before and one behind are not told
SHIFT = 2.5  # median behind a break over median before it (SURVEY)
STEP_NOISE = 4.0
"""The logarithm of that ratio in standard deviations of the noise of the loss's logarithm: step losses are skewed."""
SIZE = 0.1  # share of the starting loss that the step measures: near zero, large ratios mean nothing
FLOOR = 1.8  # times the level before it that the curve never falls below again (SURVEY)


def judge(m: Measures) -> Outcome:
    train = m.train
    lacks = losses_lacking(train, FEW_POINTS, positive=True)
    if train is None or lacks:
        return unasked(lacks)
    if train.bad_end or train.bad >= BAD_POINTS:
        return silent("the losses that are not finite say more")
    y, window = train.y, max(3, len(train.y) // 20)
    noise = curves.step_noise(np.log(y))
    largest, at = 0.0, -1
    for index in np.flatnonzero(y[1:] > STEP * y[:-1]) + 1:
        before, after = y[max(0, index - window) : index], y[index : index + window]
        if len(before) < 3 or len(after) < max(3, window // 2):
            continue
        level = float(np.median(before))
        ratio = float(np.median(after)) / level
        holds = float(np.min(y[index:])) >= FLOOR * level and curves.tail(y, END, 3) > level * max(
            SHIFT, math.sqrt(ratio)
        )
        holds = holds and float(np.median(after)) - level > SIZE * train.start
        if ratio > max(SHIFT, largest) and holds and math.log(ratio) > STEP_NOISE * noise:
            largest, at = ratio, int(index)
    if at < 0:
        return silent("no step up in the training loss that holds")
    x = float(train.x[at])
    behind = train.log.y[train.log.x >= x]
    text = (
        f"at {train.unit} {place(x)} the training loss steps up: its lowest value is "
        f"{shown(train.log.lowest_until(x))} before, and {shown(float(np.min(behind)))} from there on"
    )
    return Outcome(True, text, {"ratio": largest, "x": x})


VERDICT = Verdict(
    Code(
        name="discontinuity",
        severity="warn",
        meaning="The curve breaks: its level jumps at one point and stays there.",
        measured=f"A step of more than {STEP:g} times whose medians before and after differ by {SHIFT:g} times and "
        f"{STEP_NOISE:g} times the noise, for good (never again below {FLOOR:g} times the level "
        f"before, {SHIFT:g} times it and the root of the step at the end), and measure {percent(SIZE)} of the start.",
        causes="A resumed run with another state, two runs in one log, a changed loss.",
        advice=("judge each part by itself", "check that the optimizer's state was restored"),
        source=SURVEY,
    ),
    judge,
    changed_by="the parts before and after the step, judged each by itself",
    alone=True,
    beside=True,
    of_the_loss=True,
    near_misses=(
        Drawn("a spike that recovers", jumps(fall(2.3, 0.3, 9), 5.0, 0.5)),
        Drawn(
            "a step up that the loss comes back from", lambda done: np.where(done < 0.5, 0.1, 0.95 - 1.7 * (done - 0.5))
        ),
        Drawn("a bump of a loss near zero", lambda done: np.where(done < 0.7, fall(3.3, 0.01, 12)(done), 0.06)),
        Drawn("a fall at a decay of the rate", lambda done: np.where(done < 0.5, 0.5 + 1.8 * np.exp(-30 * done), 0.08)),
    ),
)
