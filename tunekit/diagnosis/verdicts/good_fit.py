"""Training and validation improved together and have settled, with grounds for each of it."""

from collections.abc import Iterator

import numpy as np

from tunekit.citations import NOTES
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, fall, level
from tunekit.diagnosis.measures import END, REST, Measures, Points, Score, Side, movement
from tunekit.diagnosis.prospects import GO_ON
from tunekit.diagnosis.verdict import (
    Outcome,
    Verdict,
    course,
    course_by_lowest,
    course_by_tenths,
    eighths,
    jump_of,
    jumps_of,
    late_start,
    percent,
    said,
    shown,
    silent,
)
from tunekit.diagnosis.verdicts.not_converged import SURE, TO_GAIN, still_rises
from tunekit.diagnosis.verdicts.not_learning import DEAD_ACCURACY, PERFECT
from tunekit.diagnosis.verdicts.overfit import GAP, METRIC_FALL, RISE, RISE_BEFORE
from tunekit.diagnosis.verdicts.train_val_mismatch import SAME_POINTS
from tunekit.diagnosis.verdicts.underfit import same_task
from tunekit.logs.log import Array
from tunekit.vocabulary import Code

FEW_VALIDATIONS = 3  # below which curves settle on nothing
FEW_POINTS = 8  # of either loss, below which nothing has settled
LEARNT = 0.05  # share of the training loss that is gone where something was learnt ...
LEARNT_SURELY = 0.5  # ... or where it was whatever validation does
BETWEEN = 0.8  # ... and share of its start and end below which it lay between
PART = 0.02  # share of the validation loss that is gone where it took part ...
LEARNT_BEFORE = 0.8  # ... or share of training's start that it lies below
NOISES = 3.0  # ... and in standard deviations of its noise
POOR = 0.5  # accuracy below which a validation loss that did not lose half is no success
GAINED = 0.03  # or gain of a metric
SLOW = 0.02  # relative change over the last quarter that still matters where it is ...
MOVES = 0.1  # ... this share of the curve's whole fall
LEAST_Z = 1.0  # Kendall's z of a fall that counts against a run
MOVES_ALONE = 0.2  # ... or this share, of training beside a validation that stands at its best
STRAIGHT, LEAST = 0.2, 0.005  # ... or this share, as of a straight line, of a change that can be seen
FAST = 0.25  # ... or this change, where it is the share of not_converged
NEAR = 0.1  # distance from the best validation at which a run ends well, relative ...
NEAR_FALL = 0.05  # ... or of its whole fall
JUMPS = 0.3  # noise from point to point of a validation loss that says little, as a share of its level
WOBBLES = 0.08  # noise from point to point of a metric that says little, as a fraction
TWICE = 2.0  # times the training loss above which validation's ends with a gap worth a word
BEHIND_TWICE = 0.25  # ... the same, where validation ends at more than twice training
BEHIND = 0.5  # gap between the losses at the end, as a share of what training lost, that is wide

ANOTHER = "train longer, or at another rate"
REFINE = "refine around this rate and weight decay, or stop here; evaluate on the test set once"


def missing(m: Measures) -> Iterator[tuple[str, str]]:
    """What speaks against calling the run good, with what to log or do, the weightiest first."""
    train, val, score = m.train, m.val, m.score
    validations = max(val.points if val is not None else 0, len(score.log.y) if score is not None else 0)
    if m.swapped or train is None:
        yield "there is no training loss beside validation", "log the training loss besides, at each validation"
        return
    if validations < FEW_VALIDATIONS or max(train.points, validations) < FEW_POINTS:
        yield (
            f"{train.points} training and {validations} validation points are too few to say that curves have settled",
            f"validate more often: {FEW_POINTS} times in the run or more",
        )
    if validations < FEW_VALIDATIONS:
        return
    gained = score is not None and _gained(score)
    if not gained and score is not None and score.moved and m.drop < LEARNT:
        yield (
            f"the training loss went {course(train.log)} while {score.name} went {course(score.log)}: the loss does "
            "not show what the metric does",
            "look at the parts of the loss, and judge by the metric over a longer run",
        )
    elif not gained and (m.drop < LEARNT or train.start - train.end < NOISES * train.sigma):
        late = "" if m.begins else f"; {late_start(train)}"
        kind = "a finished model that goes on" + ("" if m.beats_guessing else ", or of one that learns nothing")
        told = f"went {course_by_tenths(train.log)}, as of {kind}"
        if train.positive and train.low < BETWEEN * min(train.start, train.end):
            told = f"does not end below its start, and lay lower between: {course_by_lowest(train.log)}"
        logged = "log a metric besides, and the loss before the first iteration"
        yield f"the training loss {told}{late}", logged if m.foreign else ANOTHER
    elif not gained and val is not None and _took_no_part(m, val):
        yield (
            f"the validation loss went {course(val.log)}: it took no part in what training gained after its first "
            f"point, and {_no_better(score)}",
            "log validation from before the first iteration on, and a metric besides" if m.foreign else ANOTHER,
        )
    stands = val is not None and len(val.y) >= FEW_POINTS and val.end - val.low <= NEAR_FALL * abs(val.low)
    if _moves(train, MOVES_ALONE if stands and val is not None and not _moves(val) else MOVES):
        unknown = m.foreign and not len(m.lr[1])
        rate = ", or log the learning rate: a decay may still settle it" if unknown else ""
        yield "the training loss has not settled", f"train on{rate}"
    yield from _of_one_value(m.val, m.score)
    if m.val is not None:
        yield from _of_validation(m, train, m.val)
    if m.score is not None:
        yield from _of_the_metric(m, train, m.score)


def _of_one_value(val: Side | None, score: Score | None) -> Iterator[tuple[str, str]]:
    """Validation that says the same each time."""
    stands = val is not None and val.relative(val.start - val.low, val.start) < PART
    least = FEW_VALIDATIONS if stands else SAME_POINTS
    if score is not None and len(score.log.y) >= least and score.is_accuracy and _same(score.log) < PERFECT:
        yield (
            f"{score.name} is {said(score.log, score.log.last)} at each of its {len(score.log.y)} points, as that of "
            "one answer to everything",
            "count the answers: one class alone tells nothing",
        )
    if val is not None and len(val.log.y) >= SAME_POINTS and _same(val.log) < np.inf:
        yield (
            f"the validation loss is {shown(val.log.last)} at each of its {len(val.log.y)} points",
            "see that validation is computed anew each time, and log more digits",
        )


def _of_validation(m: Measures, train: Side, val: Side) -> Iterator[tuple[str, str]]:
    score = m.score
    if val.bad >= FEW_VALIDATIONS and not val.bad_end:
        yield (
            f"{val.bad} of {val.points} validation losses are not finite",
            "look at the validation batches that are not finite",
        )
    if val.bad_end:
        yield "the last validation loss is not finite", "look at the validation batch that is not finite"
    above = -_end(-val.y) - val.low
    perfect = score is not None and score.bounded and score.end >= PERFECT  # a loss near zero falls on for ever
    late = val.low_at >= RISE_BEFORE * (len(val.y) - 1)  # what rose behind it is a value or two
    if not late and above > max(NEAR * abs(val.low), NEAR_FALL * (val.start - val.low), 2 * val.jitter):
        yield (
            f"the validation loss does not end at its best: {course_by_lowest(val.log)}",
            "validate on more samples, or average several validations: one value may be chance",
        )
    elif _moves(val) and len(val.y) >= FEW_POINTS and not perfect:
        yield "the validation loss has not settled", "train on until validation stands still"
    step, level = jump_of(val.log)
    if (
        step > JUMPS * abs(level)
        and level > NEAR * val.log.median(0.0, END)
        and not (score is not None and _gained(score))
    ):
        yield (
            f"the validation loss jumps {jumps_of(val.log)}",
            "validate on more samples, or average several validations: one value may be chance",
        )
    apart = score is not None and score.gap is not None and score.bounded and score.gap <= GAP
    share = BEHIND_TWICE if _apart(m) else BEHIND
    lost = max(max(train.start, val.start) - train.end, 0.0)
    if val.end - train.end > share * lost and not apart:
        much = "half" if val.end - train.end > BEHIND * lost else "a quarter"
        yield (
            f"there is a gap of more than {much} of what training lost: {shown(val.log.ending)} in validation and "
            f"{shown(train.log.ending)} in training over the last tenth",
            "log the training loss in eval mode, over the same mean as validation's"
            if m.foreign
            else "regularise more, or add data",
        )


def _of_the_metric(m: Measures, train: Side, score: Score) -> Iterator[tuple[str, str]]:
    val = m.val
    if score.is_accuracy and score.end < POOR:
        side, words = (val, "validation") if val is not None else (train, "training")
        little = side.relative(side.start - side.low, side.start) < LEARNT_SURELY and same_task(m, score)
        if little or not _gained(score):
            yield (
                f"the {words} loss went {course(side.log)}, and {score.name} is poor: {course(score.log)}",
                "log validation from before the first iteration on: it may be at what guessing gives"
                if m.foreign
                else ANOTHER
                if m.beats_guessing
                else "compare with the baselines of step 3: it may be at what guessing gives",
            )
    if score.is_accuracy or val is None:
        allowed = METRIC_FALL if score.bounded else 0.2 * (score.best - score.start)
        end = _end(score.y)
        by_chance = max(2.0, np.sqrt(2 * np.log(len(score.y)))) * score.jitter  # the best of many that jump
        falls = score.best - end > max(allowed, by_chance)
        if falls or score.start - end > 2 * score.jitter:
            rises = score.sign > 0
            best = said(score.log, score.reached) + (" at its highest" if rises else " at its lowest")
            yield (
                f"{score.name} got worse: {course(score.log)}, {best}",
                "look at the samples that the metric is measured on: it does not say what the loss says",
            )
    if val is None and score.bounded and score.jitter > WOBBLES:
        yield (
            f"{score.name} jumps {jumps_of(score.log)}",
            "validate on more samples" + (", and log the validation loss besides" if m.foreign else ""),
        )
    if val is None and still_rises(score):
        yield f"{score.name} has not settled: {eighths(score.log)}", "train on until validation stands still"


def _end(y: Array) -> float:
    """Where a curve whose high values are good ends. Of a short one the last three points are more than its end: then
    the last counts, where it is better."""
    end = curves.tail(y, END, 3)
    return end if len(y) * END >= 3 else max(end, float(y[-1]))


def _no_better(score: Score | None) -> str:
    return "no metric says how good it is" if score is None else f"{score.name} went {course(score.log)}"


def _took_no_part(m: Measures, val: Side) -> bool:
    """Whether validation stands where it began, beside a training loss that lost less than half: a dead run does so."""
    train = m.train
    fell = val.relative(val.start - val.low, val.start) >= PART
    fell = fell or (train is not None and train.positive and val.low < LEARNT_BEFORE * train.start)
    knows = m.score is not None and m.score.is_accuracy and m.score.end >= DEAD_ACCURACY
    return not fell and not knows and m.drop < LEARNT_SURELY


def _gained(score: Score) -> bool:
    return score.bounded and score.best - score.start >= max(GAINED, 3 * score.jitter)


def _same(points: Points) -> float:
    """The value of all points; infinite where they differ."""
    return points.last if points.lowest == points.highest else np.inf


def _moves(side: Side, limit: float = MOVES) -> bool:
    """Whether a curve still changes by enough to matter over the last quarter."""
    change, z, _ = movement(side.place, side.y, REST)
    relative = abs(side.relative(change, max(abs(side.end), abs(side.end - change))))
    whole = max(side.start - side.low, 0.0)
    share = abs(change) / whole if whole > 0 else 1.0
    moves = (relative > SLOW and share > limit) or (relative > FAST and share > TO_GAIN)
    straight = share > STRAIGHT and z < SURE and relative > LEAST
    return straight or (moves and (z < -LEAST_Z or z > curves.SIGNIFICANT))


def judge(m: Measures) -> Outcome:
    """The levels at which both curves settled."""
    against = next(missing(m), None)
    if against is not None:
        return silent(against[0])
    parts = []
    for label, side in (("training", None if m.swapped else m.train), ("validation", m.val)):
        if side is not None:
            parts.append(f"{label} loss {course(side.log)}")
    if m.score is not None:
        parts.append(f"validation {m.score.name} at {said(m.score.log, m.score.log.ending)} over the last tenth")
    known = m.log.procedure
    text = "the curves have settled and no fault shows"
    if m.val is not None and _at_its_best(m.val):
        text = text.replace("settled", "all but settled")
    if _apart(m):
        text = text.replace("and no fault shows", "with a gap between the losses, and no fault shows")
    if known is not None and known.warned:
        text = text.replace(
            "no fault shows", f"they show no fault beside what was warned of: {', '.join(known.warned)}"
        )
    return Outcome(True, ", ".join(parts) + f"; {text}")


def _at_its_best(val: Side) -> bool:
    """Whether validation falls to its last point, by what can be seen, though little beside its whole fall."""
    change, z, _ = movement(val.place, val.y, REST)
    return curves.falls(z) and val.last == val.log.lowest and -val.relative(change, val.end) > SLOW


def _apart(m: Measures) -> bool:
    """Whether validation ends at more than twice a training loss of the same scale."""
    train, val = m.train, m.val
    if m.swapped or train is None or val is None or not (train.positive and val.positive):
        return False
    return val.log.ending > TWICE * train.log.ending and 1 / TWICE < val.start / train.start < TWICE


def advice(m: Measures) -> tuple[str, ...]:
    metrics = m.score is not None and m.score.gap is not None and m.score.gap > GAP
    if not metrics and not _apart(m):
        return (REFINE,)
    of_what = "metrics" if metrics else "losses"
    return REFINE, f"the gap between the {of_what} leaves room for augmentation and weight decay"


VERDICT = Verdict(
    Code(
        name="good_fit",
        severity="note",
        meaning="Training and validation improved together and have settled.",
        measured=f"Training lost {percent(LEARNT)} of its loss and {NOISES:g} times its noise (or a metric gained "
        f"{GAINED:g}), both curves change by less than {percent(MOVES)} of their fall in the last quarter, validation "
        f"ends within {percent(NEAR)} of its best, the metric does not fall, and no other verdict speaks.",
        causes="A model, data and schedule that fit each other.",
        advice=(GO_ON, REFINE),
        source=NOTES,
    ),
    judge,
    changed_by=f"a longer run in which validation rises by {percent(RISE)} or the loss falls on by {percent(TO_GAIN)}",
    advice=advice,
    otherwise=True,
    open=True,
    of_the_loss=True,
    near_misses=(
        Drawn("curves that still fall", fall(2.3, 0.1, 1.6), fall(2.32, 0.15, 1.6)),
        Drawn("a run that learnt nothing", level(0.6931), level(0.6931), epochs=5),
        Drawn(
            "an accuracy that falls",
            fall(2.3, 0.3, 9),
            fall(2.3, 0.33, 9),
            val_accuracy=lambda done: 0.80 - 0.05 * done,
        ),
        Drawn("a validation loss that rises", fall(0.71, 0.693, 9), lambda done: 1.35 + 2.2 * done),
        Drawn("a loss that falls by a hundredth each epoch", lambda done: 2.3 * 0.99 ** (60 * done), level(2.0)),
        Drawn("levels that are the same throughout", level(0.89), level(0.89)),
    ),
)
