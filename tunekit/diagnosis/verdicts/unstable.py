"""Spikes of the training loss that recover."""

import numpy as np

from tunekit.citations import PLAYBOOK, SURVEY
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, fall, jumps
from tunekit.diagnosis.measures import Measures, Side
from tunekit.diagnosis.odds import Tried
from tunekit.diagnosis.verdict import GENTLER, Outcome, Verdict, losses_lacking, percent, place, shown, silent, unasked
from tunekit.vocabulary import Code

JUMP = 3.0  # times the level before it that a spike of the training loss reaches (SURVEY)
JUMP_NOISE = 6.0
"""... in standard deviations of its noise, of the loss and of its logarithm (step losses are skewed). (SURVEY)"""
FEW_POINTS = 6  # below which nothing jumps and recovers
TOWER = 1e3  # times the median of the whole run, and the point before, that is a spike whatever the noise
JUMP_SIZE = 0.3  # ... and as a share of the starting loss: near zero, large ratios mean nothing (SURVEY)
RARE = ((50, 1), (150, 2), (10**9, 3))
"""Up to so many points, so many spikes make a run unstable: in a log of each step single batches are hard."""


def judge(m: Measures) -> Outcome:
    train = m.train
    lacks = losses_lacking(None if m.swapped else train, FEW_POINTS, positive=True)
    if train is None or lacks:
        return unasked(lacks)
    spikes = _spikes(train)
    needed = next(count for limit, count in RARE if len(train.y) <= limit)
    if len(spikes) < needed:
        return silent("no jumps of the training loss that recover, or too few")
    worst = max(spikes, key=lambda index: float(train.y[index]))
    x, top = train.log.highest_about(train.x, worst)
    text = f"the training loss jumps and recovers; most of all at {train.unit} {place(x)}, to {shown(top)}"
    evidence = {"spikes": len(spikes), "highest": top, "x": x}
    return Outcome(True, text, evidence)


def _spikes(train: Side) -> list[int]:
    """First points of jumps above the level just before, which the curve comes back from."""
    y, index, middle = train.y, 1, float(np.median(train.y))
    spikes: list[int] = []
    factor = max(JUMP, float(np.exp(min(JUMP_NOISE * curves.step_noise(np.log(y)), 50.0))))
    while index < len(y):
        before = y[max(0, index - 3) : index]
        level = float(min(np.median(before), before[-1])) if len(before) < 3 else float(np.median(before))
        size = float(y[index]) - level
        towers = y[index] > TOWER * max(float(y[index - 1]), middle)
        high = y[index] > factor * level and size > JUMP_NOISE * train.sigma and size > JUMP_SIZE * train.start
        rest = y[index + 1 :]
        back = np.flatnonzero(rest < level + 0.3 * size)
        if (high or towers) and len(back):
            spikes.append(index)
            index += 1 + int(back[0])
        index += 1
    return spikes


VERDICT = Verdict(
    Code(
        name="unstable",
        severity="warn",
        meaning="The training loss jumps up and recovers.",
        measured=f"Jumps above {JUMP:g} times the level before, {JUMP_NOISE:g} times the noise and "
        f"{percent(JUMP_SIZE)} of the start, which recover: {RARE[0][1]} in a log of up to {RARE[0][0]} points, "
        f"{RARE[1][1]} up to {RARE[1][0]}, else {RARE[2][1]}.",
        causes="A rate near the limit, bad samples, no clipping.",
        advice=(Tried("a smaller rate, a warm-up, or gradients clipped at 1.0", "lower_rate"),),
        source=f"{PLAYBOOK} (training instability); {SURVEY}",
    ),
    judge,
    changed_by="the same run at a third of the rate, or with gradients clipped, without the jumps",
    remedies=GENTLER,
    of_the_loss=True,
    near_misses=(
        Drawn("a jump that is small beside the start", *(jumps(fall(2.3, 0.05, 12), 5.0, 0.6),) * 2),
        Drawn("noise of each step", lambda done: fall(2.3, 0.5, 9)(done) * (1.5 + np.sin(900 * done)), epochs=300),
    ),
)
