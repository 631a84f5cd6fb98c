"""Spikes of the validation loss that training does not share and the metric does not feel."""

import numpy as np

from tunekit.citations import PLAYBOOK, SURVEY
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, fall, jumps
from tunekit.diagnosis.measures import Measures, Side
from tunekit.diagnosis.odds import Tried
from tunekit.diagnosis.verdict import (
    NO_VALIDATION_LOSS,
    Outcome,
    Verdict,
    losses_lacking,
    percent,
    place,
    shown,
    silent,
    unasked,
)
from tunekit.diagnosis.verdicts.overfit import METRIC_FALL
from tunekit.vocabulary import Code, Remedy

SPIKE = 5.0  # times the local median of the validation loss that makes a spike (SURVEY)
TOWER = 20.0  # times the lowest validation loss so far that makes one (SURVEY)
TALL = 0.5  # ... and, as a share of the starting validation loss: near zero, large ratios mean nothing
FEW_POINTS = 6  # validations below which spikes are not told from a course
SPIKES = 2  # spikes that make validation noisy; one may be a bad batch
SETTLED = 0.1  # share of the run in which validation may jump: averages and BatchNorm statistics warm up


def judge(m: Measures) -> Outcome:
    train, val, score = m.train, m.val, m.score
    if train is None:
        return unasked(losses_lacking(train))
    if val is None:
        return unasked(NO_VALIDATION_LOSS)
    if len(val.y) < FEW_POINTS:
        return unasked(f"fewer than {FEW_POINTS} validations")
    if not val.positive:
        return unasked(losses_lacking(val, positive=True))
    up = np.flatnonzero(train.y[1:] > 2.0 * train.y[:-1]) + 1
    shared = train.place[up[train.y[up] > 0.3 * train.start]]
    reach = 1.5 / len(val.y)
    own = [index for index in _val_spikes(val) if not np.any(np.abs(shared - val.place[index]) <= reach)]
    if len(own) < SPIKES:
        return silent("no spikes of the validation loss by itself, or a single one")
    x, highest = val.log.highest_about(val.x, max(own, key=lambda index: float(val.y[index])))
    evidence = {"spikes": len(own), "highest": highest, "val_lowest": val.low}
    ends_high = own[-1] >= len(val.y) - 2 and curves.tail(val.y, 0.1, 3) > TOWER * val.low
    if score is not None and score.best - score.end > METRIC_FALL and ends_high:
        return silent(f"{score.name} falls with the spikes")
    text = (
        f"the validation loss has spikes, the highest at {val.unit} {place(x)}, to {shown(highest)}; its lowest value "
        f"is {shown(val.log.lowest)}"
    )
    return Outcome(True, text, evidence)


def _val_spikes(val: Side) -> list[int]:
    """Points behind the settling time far above their neighbours, or above all that came before."""
    first = max(1, int(np.ceil(SETTLED * len(val.y))))
    spikes = []
    for index in range(first, len(val.y)):
        around = np.concatenate([val.y[max(0, index - 3) : index], val.y[index + 1 : index + 4]])
        returns = np.min(val.y[index + 1 :], initial=np.inf) < val.y[index] / 2
        far = val.y[index] > min(TOWER * np.min(val.y[:index]), SPIKE * np.median(around))
        if far and returns and val.y[index] >= TALL * val.start:
            spikes.append(index)
    return spikes


VERDICT = Verdict(
    Code(
        name="noisy_val",
        severity="warn",
        meaning="The validation loss jumps so much that single values mean little.",
        measured=f"At least {SPIKES} spikes above {SPIKE:g} times the local median (or {TOWER:g} times the lowest) and "
        f"{percent(TALL)} of the start, behind the first {percent(SETTLED)}, that training does not share.",
        causes="A small validation split, BatchNorm statistics, a rate that is too high.",
        advice=(
            Tried("a larger validation split, averaged weights (`ema: 0.999`) or a smaller rate", "larger_validation"),
        ),
        source=f"{PLAYBOOK} (late step-to-step variance); {SURVEY}",
    ),
    judge,
    changed_by="the same curve over a larger validation split, or with averaged weights",
    remedies=(Remedy("run", {"data.val_fraction": 0.3}), Remedy("run", {"ema": 0.999})),
    explains=frozenset({"overfit", "metric_loss_disagree", "not_converged"}),
    near_misses=(
        Drawn("a single spike", fall(2.3, 0.3, 9), jumps(fall(2.3, 0.33, 9), 40, 0.5)),
        Drawn("jitter while averages warm up", fall(2.3, 0.3, 9), jumps(fall(2.3, 0.33, 9), 40, 0.02, 0.06)),
        Drawn("spikes that training shares", *(jumps(fall(2.3, 0.3, 9), 9, 0.4, 0.7),) * 2),
    ),
)
