"""Too few points for any other verdict, unless the last of them says that the run diverged."""

from tunekit.citations import SURVEY
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import Measures
from tunekit.diagnosis.verdict import FOREIGN, Outcome, Verdict
from tunekit.vocabulary import Code

FEW_TRAIN = 5  # training points below which ...
FEW_VAL = 8  # ... and validation points below which nothing is said of a run (SURVEY)


def judge(m: Measures) -> Outcome:
    train = 0 if m.train is None or m.swapped else m.train.points
    held = m.log.val if m.log.val is not None else m.blank
    val = 0 if held is None else len(held.x)
    score = 0 if m.score is None else len(m.score.log.y)
    counts = {"train_points": train, "val_points": max(val, score)}
    if m.train is not None and m.train.bad_end:
        return FOREIGN
    returns = m.log.objective.curves.get("reward") if m.log.objective is not None else None
    if returns is not None and len(returns.x) >= FEW_TRAIN:
        return FOREIGN
    if m.train is None and score >= FEW_VAL:
        return FOREIGN
    if m.train is None:
        return Outcome(True, "the log holds no curve of a loss", counts)
    if train < FEW_TRAIN and max(val, score) < FEW_VAL:
        text = f"{train} training and {max(val, score)} validation points are too few to judge"
        return Outcome(True, text, counts)
    return FOREIGN


MORE_OFTEN = "log more often, or come back later"


VERDICT = Verdict(
    Code(
        name="insufficient_data",
        severity="warn",
        meaning="There are too few points to judge.",
        measured=f"Fewer than {FEW_TRAIN} training and {FEW_VAL} validation points.",
        causes="A run that has just begun, or a log that keeps only the last value.",
        advice=(MORE_OFTEN,),
        source=SURVEY,
    ),
    judge,
    advice=lambda m: (MORE_OFTEN if m.foreign else "train longer, or come back later",),
    changed_by=f"{FEW_TRAIN} training points or more, or a validation curve of {FEW_VAL}",
    alone=True,
    final=True,
    open=True,
    near_misses=(Drawn("a log of just enough points", fall(2.3, 0.3, 2), epochs=FEW_TRAIN),),
)
