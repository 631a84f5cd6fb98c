"""Training works and validation takes no part in it, or one loss is a multiple of the other: they are not the same."""

import math

import numpy as np

from tunekit.citations import GOODFELLOW, SURVEY
from tunekit.diagnosis import curves
from tunekit.diagnosis.chance import guess_at
from tunekit.diagnosis.drawn import Drawn, fall, level
from tunekit.diagnosis.measures import Measures, Side
from tunekit.diagnosis.odds import Tried
from tunekit.diagnosis.verdict import (
    NO_VALIDATION_LOSS,
    Outcome,
    Verdict,
    course,
    losses_lacking,
    percent,
    said,
    shown,
    silent,
    unasked,
)
from tunekit.diagnosis.verdicts.diverged import BAD_POINTS
from tunekit.vocabulary import Code, Remedy

LEARNT = 0.5  # share of the training loss that is gone when training surely worked (SURVEY)
UNMOVED = 0.2  # share of the validation loss whose loss would show that it followed (SURVEY)
UNMOVED_METRIC = 0.02  # gain of a metric, as a fraction, below which it did not move
FAR = 0.9  # share of the starting training loss that validation stays above where the two are not the same task
CLIMBED = 0.15  # share of the training loss that is gone where validation stays at what guessing gives
ROUND = 0.03  # relative distance of a ratio of the losses from a whole number ...
ROUND_POWER = 0.06  # ... or from a power of two, as steps and devices are counted; validation is the higher of two
EVEN = 0.06  # relative spread of that ratio over the validations that still makes it one number
MOVED = 0.04  # share of the validation loss that goes meanwhile, or a ratio that stays says nothing
FEW_POINTS = 4  # validations below which nothing is compared
SAME_POINTS = 5  # validations that are the same number by no chance
RISES, LOW = 0.2, 0.5  # gain of training accuracy beside a validation accuracy that stays, below this
SHORT = 12  # validations below which their lowest value counts by itself
TWICE, MANY_TIMES = 1.5, 1e6  # ratios of the losses between which one may be a sum
WHOLE = 12  # whole numbers that count; above them each ratio is near one


def judge(m: Measures) -> Outcome:
    train, val, score = m.train, m.val, m.score
    if train is None or m.swapped:
        return unasked(losses_lacking(None))
    if val is None:
        return unasked(NO_VALIDATION_LOSS)
    if val.points < FEW_POINTS:
        return unasked(f"fewer than {FEW_POINTS} validations")
    special = _multiple(m) or _at_chance(m) or _unmoved(m, train, val) or _unfed(m) or _other_answers(m, train, val)
    if special is not None:
        return special
    if val.bad >= BAD_POINTS and val.bad_end and not train.bad:
        text = f"{val.bad} of {val.points} validation losses are not finite while training is"
        return Outcome(True, text, {"val_not_finite": val.bad, "val_points": val.points})
    fell = val.relative(val.start - val.low, val.start)
    gained = None if score is None else score.best - score.start
    evidence = {"train_drop": m.drop, "val_drop": fell, "metric_gain": gained}
    text = (
        f"the training loss went {course(train.log)}, validation's from {shown(val.log.first)} at the start to "
        f"{shown(val.log.lowest)} at its lowest"
    )
    if len(val.log.y) < SHORT:  # a lowest value alone is no level, but in few points it may be where overfitting begins
        fell = max(fell, val.relative(val.log.first - val.log.lowest, val.log.first))
    if m.drop <= LEARNT or fell >= UNMOVED or val.low < FAR * train.start:
        return silent(text)
    if score is None or not score.bounded:
        return silent(f"{text}, which a fall that was over before the log began looks like")
    chance = score.best < 0.5 or (score.gap is not None and score.gap > 0.3)
    if gained is None or gained >= UNMOVED_METRIC or not chance:
        return silent(f"{score.name} reaches {said(score.log, score.reached)} in validation")
    return Outcome(True, text + ": they are not the same task", evidence)


def _multiple(m: Measures) -> Outcome | None:
    """A training loss that is a whole multiple of validation's all run long: summed where the other is a mean."""
    train, val = m.train, m.val
    if train is None or val is None or len(val.y) < 5 or not (train.positive and val.positive) or m.derived:
        return None
    ratios = m.train_at_val / val.smoothed
    middle = float(np.median(ratios))
    if not TWICE < middle < MANY_TIMES:
        return None
    power = 2 ** round(math.log2(middle))
    is_power = -ROUND_POWER < middle / power - 1 < (ROUND if power == 2 else ROUND_POWER)
    whole = power if is_power else round(middle)
    near = is_power or abs(middle / whole - 1) < ROUND
    spread = float(np.percentile(ratios, 95) - np.percentile(ratios, 5)) / middle
    moved = float(np.max(val.y)) / float(np.min(val.y)) - 1 > max(MOVED, 2 * spread)
    if (whole > WHOLE and not is_power) or not (near and spread < EVEN and moved):
        return None
    times = curves.ratio(train.log.ending, val.log.ending)
    text = (
        f"the training loss keeps to about {shown(times)} times validation's, as one does that is summed over {whole} "
        f"accumulation steps or devices; over the last tenth the validation loss is {shown(val.log.ending)} and the "
        f"training loss {shown(train.log.ending)}, and their gap means nothing before it is divided"
    )
    return Outcome(True, text, {"ratio": middle, "multiple": whole})


def _unfed(m: Measures) -> Outcome | None:
    """A part of the loss that only validation has: its targets do not reach training."""
    if not m.log.unfed:
        return None
    names = " and ".join(f"'{name}'" for name in m.log.unfed)
    one = len(m.log.unfed) == 1
    text = (
        f"{names} {'is' if one else 'are'} zero at each point, and validation's {'is' if one else 'are'} not: no "
        f"target of {'it' if one else 'theirs'} reaches training"
    )
    return Outcome(True, text, {"zero_losses": list(m.log.unfed)})


def _unmoved(m: Measures, train: Side, val: Side) -> Outcome | None:
    """A validation loss that is the same number each time, to the last digit, while training moves."""
    if len(val.log.y) < SAME_POINTS or float(np.ptp(val.log.y)) > 0 or m.derived or m.drop <= LEARNT:
        return None
    if m.score is not None and m.score.best - m.score.start >= UNMOVED_METRIC:
        return None
    text = (
        f"the validation loss is {shown(val.log.last)} at each of its {len(val.log.y)} points, while the training loss "
        f"went {course(train.log)}"
    )
    return Outcome(True, text, {"val_loss": val.log.last, "train_drop": m.drop})


def _other_answers(m: Measures, train: Side, val: Side) -> Outcome | None:
    """Validation's accuracy stays, low, from first to last, though its loss falls as training's does, whose accuracy
    rises."""
    score = m.score
    if score is None or score.trained is None or not score.is_accuracy or len(score.y) < SAME_POINTS or m.derived:
        return None
    rose = score.trained.ending - score.trained.first
    stays = float(np.ptp(score.log.y)) < UNMOVED_METRIC + 4 * score.jitter and score.best - score.start < UNMOVED_METRIC
    fell = val.relative(val.start - val.end, val.start) >= UNMOVED and val.low_at >= len(val.y) / 2
    if not (stays and fell and rose >= RISES and score.best < LOW and m.drop >= UNMOVED):
        return None
    text = (
        f"validation {score.name} stays where it was, {course(score.log)}, while both losses fall, training's "
        f"{course(train.log)} and validation's {course(val.log)}, and training {score.name} rises: "
        "validation's labels or their order are others"
    )
    return Outcome(True, text, {"metric_gain": score.best - score.start, "val_drop": m.drop})


def _at_chance(m: Measures) -> Outcome | None:
    """A validation that stays at what guessing gives, loss and accuracy, while training moves."""
    train, val, score = m.train, m.val, m.score
    if train is None or val is None or score is None or not score.is_accuracy or m.derived or len(val.y) < 5:
        return None
    guess = guess_at(m, float(np.median(val.y)))
    if guess is None or guess.classes is None or m.drop < CLIMBED or score.best > 1.6 / guess.classes:
        return None
    if score.gained:
        return None
    if curves.ratio(val.low, guess.loss) < 0.98 or abs(curves.ratio(val.end, guess.loss) - 1) > 0.02:
        return None
    text = (
        f"the training loss went {course(train.log)}, the validation loss {course(val.log)}, and {score.name} is "
        f"{said(score.log, score.log.ending)} over the last tenth: both are what guessing gives "
        f"({guess.words}{shown(guess.loss)})"
    )
    return Outcome(True, text, {"train_drop": m.drop, "guessing": guess.loss})


VERDICT = Verdict(
    Code(
        name="train_val_mismatch",
        severity="fail",
        meaning="Training and validation do not measure the same: one does not move, or is a multiple of the other.",
        measured=f"Training loss down by {percent(LEARNT)}, validation loss by less than {percent(UNMOVED)} and never "
        f"below {percent(FAR)} of training's start, metric unmoved (less than {UNMOVED_METRIC:g}); or validation "
        f"losses not finite ({BAD_POINTS}, the last among them), the same at each point, or at what guessing gives; "
        "or a part of the training loss that is zero throughout, and not of validation's; "
        f"or a training loss that is the same whole multiple of validation's (within {percent(EVEN)}) throughout.",
        causes="Other transforms, normalisation or label order in validation; train mode left on; a loss summed over "
        "accumulation steps.",
        advice=(
            Tried("give both splits the same deterministic transforms and label map", "mended"),
            "call model.eval() in validation",
            "divide the logged training loss by the number of accumulation steps or devices if it is summed over them",
        ),
        source=f"{GOODFELLOW}, section 11.5; {SURVEY}",
    ),
    judge,
    changed_by=f"a validation loss, from the same transforms and in eval mode, that falls by {percent(UNMOVED)}",
    remedies=(Remedy("inspect"),),
    explains=frozenset({"overfit", "underfit", "not_converged", "metric_loss_disagree", "lr_too_high", "lr_too_low"}),
    of_the_loss=True,
    near_misses=(
        Drawn("a metric that follows", fall(2.3, 0.1, 6), level(2.4), fall(0.1, 0.97, 6), fall(0.1, 0.8, 6)),
        Drawn("overfitting from the first epoch on", fall(2.3, 0.05, 6), lambda done: 2.1 + done),
        Drawn("a training loss that dropout doubles as it falls", fall(2.3, 0.6, 6), fall(2.3, 0.3, 6)),
        Drawn("a training loss twice as high and level", level(1.0), level(0.5)),
    ),
)
