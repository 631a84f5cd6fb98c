"""The rate is too high: both splits jump about a level; as a note, a rate above the range."""

import numpy as np

from tunekit.citations import NOTES, SURVEY
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import Measures, movement
from tunekit.diagnosis.odds import Tried
from tunekit.diagnosis.verdict import (
    FOREIGN,
    GENTLER,
    NO_VALIDATION_LOSS,
    Outcome,
    Verdict,
    jumps_of,
    losses_lacking,
    percent,
    shown,
    silent,
    unasked,
)
from tunekit.diagnosis.verdicts.underfit import SETTLED_SLOPE
from tunekit.telling import span
from tunekit.vocabulary import Code

ROUGH = 0.2  # noise over level of an epoch's mean loss that speaks of a rate too high
FEW_POINTS = 12  # below which two levels are not told from jumps
HIGH = 0.25  # share of the starting loss that such a level lies above: near zero, noise over level means nothing


def judge(m: Measures) -> Outcome:
    """A fast fall, then a level that both splits jump about: the rate bounces out of what it should settle in."""
    train, val = m.train, m.val
    lacks = losses_lacking(train, FEW_POINTS, positive=True)
    if train is None or lacks:
        return unasked(lacks)
    if val is None or m.derived:
        return unasked(NO_VALIDATION_LOSS)
    if train.points > curves.BINS:
        return unasked("no means of epochs")
    half = len(train.y) // 2
    level = float(np.median(train.y[half:]))
    rough = curves.step_noise(train.y[half:]) / level
    change, z, _ = movement(train.place, train.y, 0.5)
    settled = change > -SETTLED_SLOPE * level or not curves.falls(z)
    fast = train.start - level > 3 * level * rough and train.early < train.start - 0.3 * (train.start - level)
    rough_val = curves.ratio(val.jitter, val.end)
    high = level > HIGH * train.start
    by_epoch = 2 * len(val.y) >= len(train.y)  # single batches are rough by nature; means of epochs are not
    if by_epoch and rough > ROUGH and rough_val > rough / 2 and settled and fast and high:
        text = f"after a fast start the training loss jumps {jumps_of(train.log)}"
        return Outcome(True, text, {"noise": rough, "level": level})
    return silent(f"the training loss jumps {jumps_of(train.log)}")


def note(m: Measures) -> Outcome:
    """A rate above the sweep's working range. A fall behind a decay is what the decay was planned for."""
    train = m.train
    if train is None or len(train.y) < 6:
        return FOREIGN
    swept = m.working_range
    if swept is not None and swept[0] > 1.01 * swept[2]:
        rate, low, high = swept
        text = f"the rate {shown(rate)} lies above the range that works ({span(shown(low), shown(high))})"
        return Outcome(True, text, {"lr": rate, "range": [low, high]})
    return FOREIGN


VERDICT = Verdict(
    Code(
        name="lr_too_high",
        severity="warn",
        meaning="The rate is too high: the loss jumps about a level from which it does not come down.",
        measured=f"Means of epochs that jump by {percent(ROUGH)} about a level reached fast, in both curves; "
        "or a rate above the range that the sweep found.",
        causes="The rate.",
        advice=(
            Tried("divide the rate by 3 to 10, or decay it earlier", "lower_rate"),
            "`tunekit lr-sweep RECIPE` finds the range that works",
        ),
        source=f"{NOTES} (effects of different learning rates); {SURVEY}",
    ),
    judge,
    changed_by="a run at a third of the rate that ends no lower",
    note=note,
    remedies=GENTLER,
    explains=frozenset({"underfit", "noisy_train"}),
    of_the_loss=True,
    near_misses=(
        Drawn(
            "a fall at a decay of the rate",
            lambda done: np.where(done < 0.5, 0.50 + 1.8 * np.exp(-30 * done), 0.1),
            lr=lambda done: np.where(done < 0.5, 0.1, 0.01),
        ),
        Drawn("a level with little noise", *(lambda done: fall(8, 3, 60)(done) * (1 + 0.05 * np.sin(300 * done)),) * 2),
    ),
)
