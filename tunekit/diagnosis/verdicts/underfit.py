"""Settled, no gap, and poor: by accuracy where there is one, else by how little of the loss is gone."""

from tunekit.citations import AUTOTRAINER, NOTES, SURVEY
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import REST, Measures, Score, movement
from tunekit.diagnosis.odds import Tried
from tunekit.diagnosis.prospects import GO_ON
from tunekit.diagnosis.verdict import (
    Outcome,
    Verdict,
    course,
    eighths,
    losses_lacking,
    percent,
    said,
    shown,
    silent,
    unasked,
)
from tunekit.diagnosis.verdicts.not_converged import FALLING
from tunekit.diagnosis.verdicts.not_learning import DEAD_ACCURACY, DEAD_DROP
from tunekit.logs.log import Procedure
from tunekit.vocabulary import Code, Remedy

UNDER_DROP = 0.5  # share of the loss that a network with too little capacity has lost at its end, at most (SURVEY)
UNDER_DROP_ALONE = 0.2  # the same where no accuracy tells a poor end from a good beginning (fine-tuning starts low)
UNDER_RATIO = 1.25  # validation over training loss: above it the trouble is a gap, not capacity (SURVEY)
UNDER_ACCURACY = 0.6  # accuracy below which a converged network is poor (AUTOTRAINER: 0.6 to 0.7)
OTHER_TASK = 4.0  # times the share of errors that is gone, by which the loss of another task than the accuracy's falls
FEW_POINTS = 8  # below which nothing has settled
NOISES = 3.0  # standard deviations of its noise, from point to point, that a fall measures
POOR = 0.3  # level below which a metric that is no accuracy is poor
SETTLED_SLOPE = 0.05  # relative change over the last quarter below which a curve has settled
HALF_SLOPE = 0.06  # the same over the second half of the run, which noise hides less


def judge(m: Measures) -> Outcome:
    train, val, score = m.train, m.val, m.score
    lacks = losses_lacking(None if m.swapped else train, FEW_POINTS)
    if train is None or lacks:
        return unasked(lacks)
    change, z, _ = movement(train.place, train.y, REST)
    relative = train.relative(change, max(abs(train.end), abs(train.end - change)))
    drop = max(m.drop, train.relative(train.log.first - train.log.ending, train.log.first))
    evidence: dict[str, object] = {"drop": drop, "train_change": relative}
    moves = SETTLED_SLOPE if abs(z) < curves.SIGNIFICANT else -FALLING
    half, half_z, _ = movement(train.place, train.y, 0.5)
    falls = train.relative(half, train.end) < -HALF_SLOPE and curves.falls(half_z)
    if falls or (abs(relative) > moves * (1 if z < 0 else 2.5) and abs(z) > 1.0):
        return silent(f"training has not settled: {eighths(train.log)}")
    if val is not None and val.positive and val.end > UNDER_RATIO * train.end:
        ends = f"{shown(val.log.ending)} in validation and {shown(train.log.ending)} in training over the last tenth"
        return silent(f"there is a gap: {ends}")
    few = train.start - train.end < max(train.sigma, NOISES * train.jitter)
    late = train.relative(train.behind - train.end, train.behind)
    nothing = drop < DEAD_DROP or few or late < DEAD_DROP
    if nothing and (score is None or not score.bounded or not (score.gained or score.best >= DEAD_ACCURACY)):
        kind = "a finished" if m.beats_guessing else "a finished or a dead"
        return silent(f"the training loss went {course(train.log)}, as that of {kind} model does")
    limit = UNDER_DROP_ALONE if m.begins else 0.0
    words = f"the training loss settled: {course(train.log)}"
    if score is not None and score.bounded:
        level = max(score.best, score.train_end or 0.0)
        if level >= UNDER_ACCURACY:
            return silent(
                f"{score.name} reaches {said(score.log, score.reached)} in validation, or as much in training"
            )
        if score.is_accuracy and same_task(m, score):
            limit = 0.9 if drop < 0.9 else 0.0
        elif not score.is_accuracy and level < POOR:
            limit = UNDER_DROP
        evidence["metric_level"] = level
        words += f", {score.name} reaches {said(score.log, score.reached)} in validation"
    elif score is not None and score.moved:
        return silent(f"{score.name} got far: {course(score.log)}")
    if drop >= limit:
        return silent(f"the training loss fell {course(train.log)}")
    text = words + (", with no gap to validation" if val is not None else "") + ": it may be too little capacity"
    return Outcome(True, text, evidence)


def same_task(m: Measures, score: Score) -> bool:
    """Whether the accuracy is of what the loss is of: it hardly moves where it is of another task."""
    wrong = 1.0 - score.start
    fell = max(m.drop, m.val.relative(m.val.start - m.val.end, m.val.start) if m.val is not None else 0.0)
    return wrong <= 0 or fell < OTHER_TASK * (score.best - score.start) / wrong


def remedies(_m: Measures, known: Procedure) -> tuple[Remedy, ...]:
    """A sweep where there was none, and no dropout where the model has it."""
    sweep = () if known.sweep_range is not None else (Remedy("lr-sweep"),)
    return (*sweep, Remedy("run", {"model.args.dropout": 0.0})) if any(known.dropout or ()) else sweep


VERDICT = Verdict(
    Code(
        name="underfit",
        severity="warn",
        meaning="Training itself ends high, with no gap to validation.",
        measured=f"Training settled, validation within {percent(UNDER_RATIO - 1)} of it, and an accuracy below "
        f"{UNDER_ACCURACY:g}; without an accuracy, less than {percent(UNDER_DROP_ALONE)} of the loss gone.",
        causes="Too little capacity, too much regularisation, or noise that nothing can learn.",
        advice=(
            Tried("a higher rate: a sweep tells a poor rate from a small model", "higher_rate"),
            GO_ON,
            Tried("more capacity: a wider or deeper model, or features that carry more", "wider"),
            "less regularisation: weight decay, dropout and augmentation down",
            "if nothing helps, the labels may hold noise that nothing can learn",
        ),
        source=f"{NOTES} (no gap: too small a model); {AUTOTRAINER} (0.6 to 0.7); {SURVEY}",
    ),
    judge,
    changed_by="a larger model, or a rate from a sweep, that ends no lower: then it is noise in the data",
    remedies=remedies,
    of_the_loss=True,
    near_misses=(
        Drawn("an accuracy that is good", fall(2.3, 1.9, 9), fall(2.3, 1.9, 9), fall(0.1, 0.8, 9), fall(0.1, 0.8, 9)),
        Drawn("a gap to validation", fall(2.3, 1.9, 9), lambda done: 2.5 + 0 * done),
    ),
)
