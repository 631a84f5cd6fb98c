"""The training loss jumps from point to point by a good part of its level. Only ever a note."""

import numpy as np

from tunekit.citations import NOTES, SURVEY
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import Measures
from tunekit.diagnosis.odds import Tried
from tunekit.diagnosis.verdict import Outcome, Verdict, jumps_of, losses_lacking, percent, silent, unasked
from tunekit.vocabulary import Code

FEW_POINTS = 8  # below which noise is not told from a course
NOISE = 0.3  # noise over level that makes a training loss noisy (SURVEY)


def judge(m: Measures) -> Outcome:
    train = m.train
    lacks = losses_lacking(train, FEW_POINTS, positive=True)
    if train is None or lacks:
        return unasked(lacks)
    half = len(train.smoothed) // 2
    level = float(np.median(train.smoothed[half:]))
    share = curves.sigma((train.y - train.smoothed)[half:]) / level if level > 0 else 0.0
    if share > NOISE:
        return Outcome(True, f"the training loss jumps: {jumps_of(train.log)}", {"noise": share})
    return silent(f"the training loss does not jump: {jumps_of(train.log)}")


VERDICT = Verdict(
    Code(
        name="noisy_train",
        severity="note",
        meaning="The training loss is very noisy from step to step.",
        measured=f"Spread about the smoothed curve above {percent(NOISE)} of its level in the second half.",
        causes="Small batches; normal for a loss logged each iteration.",
        advice=(Tried("a larger batch, if the noise stands in the way", "larger_batch"),),
        source=f"{NOTES} (the wiggle and the batch size); {SURVEY}",
    ),
    judge,
    changed_by="a larger batch with the same spread",
    headline=False,
    beside=True,
    of_the_loss=True,
    near_misses=(
        Drawn("noise of a tenth", lambda done: fall(2.3, 0.5, 9)(done) * (1 + 0.14 * np.sin(900 * done)), epochs=300),
    ),
)
