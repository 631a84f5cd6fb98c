"""Training works and validation takes no part in it: the two are not the same task."""

from tunekit.citations import GOODFELLOW, SURVEY
from tunekit.diagnosis.drawn import Drawn, fall, level
from tunekit.diagnosis.measures import Measures
from tunekit.diagnosis.verdict import Outcome, Verdict, course, percent, shown, silent
from tunekit.vocabulary import Code, Remedy

LEARNT = 0.5  # share of the training loss that is gone when training surely worked (SURVEY)
UNMOVED = 0.2  # share of the validation loss whose loss would show that it followed (SURVEY)
UNMOVED_METRIC = 0.02  # gain of a metric, as a fraction, below which it did not move
FAR = 0.9  # share of the starting training loss that validation stays above where the two are not the same task


def judge(m: Measures) -> Outcome:
    train, val, score = m.train, m.val, m.score
    if train is None or val is None or m.swapped or val.points < 4:
        return silent("needs both losses")
    if 2 * val.bad >= val.points and val.bad_end and not train.bad:
        text = f"{val.bad} of {val.points} validation losses are not finite while training is"
        return Outcome(True, text, {"val_not_finite": val.bad, "val_points": val.points}, 2.0)
    fell = val.relative(val.start - val.low, val.start)
    gained = None if score is None else score.best - score.start
    evidence = {"train_drop": m.drop, "val_drop": fell, "metric_gain": gained}
    text = (
        f"the training loss went {course(train.log)}, validation's from {shown(val.log.first)} at the start to "
        f"{shown(val.log.lowest)} at its lowest"
    )
    if m.drop <= LEARNT or fell >= UNMOVED or val.low < FAR * train.start:
        return silent(text)
    if score is not None and score.bounded:
        chance = score.best < 0.5 or (score.gap is not None and score.gap > 0.3)
        if gained is None or gained >= UNMOVED_METRIC or not chance:
            return silent(f"{score.name} reaches {shown(score.reached)} in validation")
    elif val.end > (1 + UNMOVED) * val.start:
        return silent("validation rises: it follows training, the wrong way")
    return Outcome(True, text + ": they are not the same task", evidence, m.drop / LEARNT)


VERDICT = Verdict(
    Code(
        name="train_val_mismatch",
        severity="fail",
        meaning="Training improves and validation does not move: the two are not the same task.",
        measured=f"Training loss down by {percent(LEARNT)}, validation loss by less than {percent(UNMOVED)} and never "
        f"below {percent(FAR)} of training's start, metric unmoved (less than {UNMOVED_METRIC:g}); or half of the "
        "validation losses not finite.",
        causes="Other transforms, normalisation or label order in validation; train mode left on.",
        advice=(
            "give both splits the same deterministic transforms and label map",
            "call model.eval() in validation",
        ),
        source=f"{GOODFELLOW}, section 11.5; {SURVEY}",
    ),
    judge,
    changed_by=f"a validation loss, from the same transforms and in eval mode, that falls by {percent(UNMOVED)}",
    remedies=(Remedy("inspect"),),
    explains=frozenset({"overfit", "underfit", "not_converged", "metric_loss_disagree"}),
    near_misses=(
        Drawn("a metric that follows", fall(2.3, 0.1, 6), level(2.4), fall(0.1, 0.97, 6), fall(0.1, 0.8, 6)),
        Drawn("overfitting from the first epoch on", fall(2.3, 0.05, 6), lambda done: 2.1 + done),
    ),
)
