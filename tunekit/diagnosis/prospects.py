"""What curves say of what would help, whatever their verdict. Thresholds were set on the half of the corpus that may be
looked at, 300 subjects of four seeds each."""

import re

import numpy as np

from tunekit.configuration import LONGER
from tunekit.diagnosis import curves
from tunekit.diagnosis.measures import END, Measures, Side, movement
from tunekit.diagnosis.odds import Tried
from tunekit.logs.log import Procedure, finite
from tunekit.telling import spelled
from tunekit.vocabulary import Remedy

OVER = 0.5  # share of the run over which validation is asked whether it improves
IMPROVED = 0.005  # share of its end by which the validation loss fell over it
LATE = 0.8  # share of the run behind which it is at its best
LEARNT = 0.05  # share of its start that is gone
ALIKE = (0.85, 1.25)  # validation over training loss, between which validation follows
PERFECT = 0.999  # of a metric between 0 and 1, above which nothing is left to gain
SMOOTHED = 8  # validations from which on the lowest of medians of three is asked besides the lowest
VALIDATIONS = 5  # below which little can be seen
FALLEN = 0.5  # of its highest, below which a rate has fallen at the end, and an average is near the last weights
ROSE = 0.02  # share of its lowest by which the validation loss ends higher
ROSE_FAR = 0.1  # the same, where no metric says whether decisions, too, grew worse
LEVEL = 0.005  # of a metric between 0 and 1, that is no difference
MOST_EPOCHS = 1e6  # above which a log counts something else

AVERAGED = re.compile(r"(^|[^a-z])(ema|swa|averaged)([^a-z]|$)")  # the name of a validation of averaged weights
GO_ON = Tried(
    f"go on: train {LONGER} times as long, a schedule stretched with it, then look at the curves once more", "longer"
)


def improves(m: Measures) -> bool:
    """Whether validation goes on improving with training: then twice as long most often helps, though the curves look
    settled and a schedule has ended."""
    train, val = m.train, m.val
    if m.swapped or train is None or val is None or not (train.positive and val.positive):
        return False
    if len(val.y) < VALIDATIONS or val.bad or val.low_at <= LATE * (len(val.y) - 1) or _metric_speaks_against(m):
        return False
    change, z, _ = movement(val.place, val.y, OVER)
    stands = curves.tail(val.y, END, 1) >= curves.tail(val.y[: -max(1, round(END * len(val.y)))], END, 1)
    learnt = val.start - val.end > LEARNT * val.start
    follows = ALIKE[0] * train.end < val.end < ALIKE[1] * train.end
    return bool(curves.falls(z) and not stands and -change > IMPROVED * val.end and learnt and follows)


def _metric_speaks_against(m: Measures) -> bool:
    if m.score is None:
        return False
    _, z, _ = movement(m.score.place, m.score.y, OVER)
    return curves.falls(z) or (m.score.bounded and m.score.end > PERFECT)


def go_on(m: Measures) -> tuple[Remedy, ...]:
    """The same run, longer."""
    _, epochs = finite(m.log.epochs)
    if not len(epochs) or epochs[-1] > MOST_EPOCHS:
        return ()
    return (Remedy("fine-run", {"steps.fine-run.epochs": max(2, round(LONGER * float(epochs[-1])))}),)


def best_is_early(m: Measures) -> bool:
    """Whether the weights of the lowest validation loss are better than the last: it rose since, and the metric was no
    worse then than it is at the end; without a metric, it rose far."""
    val, score = m.val, m.score
    if val is None or _rise(val) <= ROSE:
        return False
    if score is None:
        return _rise(val) > ROSE_FAR
    named = float(np.interp(val.log.lowest_x, val.x, val.place))
    places = [named, val.place[val.low_at]] if len(val.y) >= SMOOTHED else [named]
    return bool(np.min(np.interp(places, score.place, score.y)) >= score.end - (LEVEL if score.bounded else 0.0))


def done(m: Measures) -> frozenset[str]:
    """The interventions that a log shows to be carried out already."""
    _, rates = m.lr
    falls = len(rates) >= 2 and rates[-1] < FALLEN * np.max(rates)
    named = m.val is not None and AVERAGED.search(m.val.name.lower()) is not None
    averaged = named or (m.log.procedure is not None and m.log.procedure.averaged)
    return frozenset({"decayed", "averaged"} if falls else {"averaged"} if averaged else ())


def commands(known: Procedure) -> dict[str, str]:
    """What carries interventions out on a run, as on its recipe."""
    sets = "".join(f" --set {path}={spelled(value)}" for path, value in known.wider.items())
    return {"wider": f"`tunekit run RECIPE{sets}`"} if sets else {}


def best_by_metric(m: Measures) -> float | None:
    """x of the best metric, where it is better there than at the lowest validation loss."""
    val, score = m.val, m.score
    if val is None or score is None or not len(score.log.y):
        return None
    turned = score.sign * score.log.y
    best = int(np.argmax(turned))
    at_lowest = float(np.interp(val.log.lowest_x, score.log.x, turned))
    if turned[best] - at_lowest <= max(LEVEL if score.bounded else 0.0, score.jitter):
        return None
    return float(score.log.x[best])


def _rise(val: Side) -> float:
    return val.relative(val.end - val.low, val.low)
