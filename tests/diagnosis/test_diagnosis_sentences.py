"""Every number in a sentence, read out of it and computed again from the rows, by what the sentence says it is."""

import inspect
import re
from pathlib import Path

import diagnosis_shapes
import numpy as np
import pytest

from tunekit import logs
from tunekit.diagnosis import judge
from tunekit.logs.log import curve as curve_of
from tunekit.logs.objectives import Objective
from tunekit.vocabulary import UserError

LABELLED = Path(__file__).resolve().parents[3] / "shared" / "logs"
N = r"(-?(?:\d++\.?+\d*+(?:e[+-]?\d++)?+|inf|nan))"
NUMBER = re.compile(r"(?<![A-Za-z_\d.])-?\d+\.?\d*(?:e[+-]?\d+)?(?![A-Za-z_\d])")


def rows(curve):
    x, y = np.asarray(curve.x, float), np.asarray(curve.y, float)
    good = np.isfinite(x) & np.isfinite(y)
    return x[good], y[good]


def part(y, begin, end):
    """The points of a share of a curve, counted from its end, where a share that is no whole number takes one more."""
    count = len(y)
    taken = [count - int(np.ceil(round((1 - share) * count, 9))) for share in (begin, end)]
    first = min(taken[0], count - 1)
    return y[first : count if end >= 1 else max(taken[1], first + 1)]


def first(x, y):
    return y[0]


def last(x, y):
    return y[-1]


def lowest(x, y):
    return y.min()


def ending(x, y):
    return np.median(part(y, 0.9, 1.0))


def halves(x, y):
    return np.median(part(y, 0.75, 0.875)), np.median(part(y, 0.875, 1.0))


def jumps(x, y):
    half = y[len(y) // 2 :]
    return (np.median(np.abs(half[1:] - half[:-1])) if len(half) > 1 else 0.0), np.median(half)


class Sentence:
    """What a diagnosis says of one log: the numbers of a sentence are taken out of it as they are found right."""

    def __init__(self, log, text):
        self.shares = set()
        text = re.sub(r"(\d+\.\d+) %(?! of)|(?<=by )([\d.e-]+) points(?= from point)", self.as_logged, text)
        self.text, self.wrong = re.sub(r"'[^']*'", lambda found: "#" * len(found[0]), text), []
        self.named = text.lower()
        self.curves = {}
        for name, curve in (("training", log.train), ("validation", log.val)):
            if curve is not None and len(rows(curve)[1]):
                self.curves[name] = rows(curve)
        errors = next((m for m in log.metrics if m.bounded and m.maximize), None)
        self.derived = not self.curves and errors is not None
        if self.derived:  # the losses are one minus the metric
            for name, curve in (("training", errors.train), ("validation", errors.val)):
                if curve is not None and len(rows(curve)[1]):
                    self.curves[name] = rows(curve)[0], 1 - rows(curve)[1]
        self.swapped = log.train is None and "training" not in self.curves
        if self.swapped and "validation" in self.curves:  # the only loss there is
            self.curves["training"] = self.curves["validation"]
        self.log = log
        self.metric = next((m for m in log.metrics if m.val is not None and len(rows(m.val)[1]) > 1), None)
        self.names = {"training": "training", "validation": "validation"}
        if self.metric is not None:
            self.names[self.metric.name.lower()] = "metric"

    def as_logged(self, match):
        """A share in per cent as the fraction that the log has."""
        share = float(match[1] or match[2]) / 100
        if match[1]:
            self.shares.add(share)
        return f"{share!r}"

    def right(self, said, value):
        return same(said, value) or (said in self.shares and abs(said - value) <= 0.00051)

    def subject(self, at):
        """The curve that the words before a place speak of: the last that they name, else the first behind it."""
        before = {self.named.rfind(word, 0, at): kind for word, kind in self.names.items()}
        behind = {self.named.find(word, at): kind for word, kind in self.names.items() if word in self.named[at:]}
        name = before[max(before)] if max(before) >= 0 else behind[min(behind)] if behind else None
        return rows(self.metric.val) if name == "metric" else self.curves.get(name)

    def check(self, pattern, compute):
        for match in re.finditer(pattern, self.text, re.IGNORECASE):
            curve = self.subject(match.start(1))
            said = [float(number) for number in match.groups()]
            if curve is None:
                continue
            wanted = np.atleast_1d(compute(*curve, *said) if compute in BY_PLACE else compute(*curve))
            self.take(match, said, wanted)

    def take(self, match, said, wanted):
        self.wrong += [(match[0], *pair) for pair in zip(said, wanted, strict=True) if not self.right(*pair)]
        self.text = self.text[: match.start()] + "#" * len(match[0]) + self.text[match.end() :]

    def of_several(self):
        """Sentences with numbers of more than one curve, or of points that are not finite."""
        train, val, metric = self.log.train, self.log.val, self.metric
        if match := re.search(rf"{N} training and {N} validation points", self.text):
            losses = val or self.log.blank
            held = [len(x) for x in (losses.x if losses else (), rows(metric.val)[0] if metric else ())]
            own = len(train.x) if train else 0 if self.swapped else len(self.curves["training"][0])
            self.take(match, list(map(float, match.groups())), [own, max(held)])
        if match := re.search(rf"all but {N} of {N} training losses are finite", self.text):
            bad = ~np.isfinite(np.asarray((train or val).y, float))
            self.take(match, list(map(float, match.groups())), [bad.sum(), len(bad)])
        if match := re.search(rf"{N} of {N} training losses are not finite, first at \w+ {N}", self.text):
            bad = ~np.isfinite(np.asarray(train.y, float))
            wanted = [bad.sum(), len(bad), np.asarray(train.x, float)[bad][0]]
            self.take(match, list(map(float, match.groups())), wanted)
        if match := re.search(rf"{N} of {N} validation losses are not finite", self.text):
            bad = ~np.isfinite(np.asarray(val.y, float))
            self.take(match, list(map(float, match.groups())), [bad.sum(), len(bad)])
        if match := re.search(rf"the last of {N} training losses, at \w+ {N}, is not finite", self.text, re.IGNORECASE):
            bad = ~np.isfinite(np.asarray(train.y, float))
            wanted = [len(bad), np.asarray(train.x, float)[-1] if bad.sum() == 1 and bad[-1] else np.nan]
            self.take(match, list(map(float, match.groups())), wanted)
        if match := re.search(rf"(?i)over the last tenth \w+ is {N} in training and {N} in validation", self.text):
            wanted = [ending(*rows(curve)) for curve in (metric.train, metric.val)]
            self.take(match, list(map(float, match.groups())), wanted)
        if match := re.search(rf"is {N} at each of its {N} points", self.text):
            y = self.subject(match.start(1))[1]
            self.take(match, list(map(float, match.groups())), [y.max() if y.max() == y.min() else np.nan, len(y)])
        if match := re.search(rf"the log begins at \w+ {N} only", self.text):
            self.take(match, [float(match[1])], [self.curves["training"][0][0]])
        summed = rf"keeps to about {N} times validation's, as one does that is summed over {N} "
        if match := re.search(summed, self.text):
            times = ending(*self.curves["training"]) / ending(*self.curves["validation"])
            near = float(match[2]) if abs(times / float(match[2]) - 1) < 0.08 else np.nan
            self.take(match, list(map(float, match.groups())), [times, near])
        if match := re.search(rf"\(ln {N} = {N}\)", self.text):
            self.take(match, list(map(float, match.groups())), [float(match[1]), np.log(float(match[1]))])
        for curve in self.log.objective.curves.values() if self.log.objective else ():
            x, y = rows(curve)
            name = rf"(?i)(?<![\w/]){re.escape(curve.name)}"
            tenths = np.median(part(y, 0.0, 0.1)), ending(x, y)
            words = rf"{name} (?:\w+ |does not rise, )?from {N} over its first tenth to {N} over its last"
            if match := re.search(words, self.text):
                self.take(match, list(map(float, match.groups())), tenths)
            if match := re.search(
                rf"{name} falls from {N}, the mean of its best tenth, to {N}, that of its last", self.text
            ):
                means = [part.mean() for part in np.array_split(y, min(10, len(y)))]
                self.take(match, list(map(float, match.groups())), [max(means), means[-1]])
        if match := re.search(rf"{N} in validation and {N} in training over the last tenth", self.text):
            wanted = [ending(*self.curves[name]) for name in ("validation", "training")]
            self.take(match, list(map(float, match.groups())), wanted)
        if match := re.search(
            rf"(?i)over the last tenth the validation loss is {N} and the training loss {N}", self.text
        ):
            wanted = [ending(*self.curves[name]) for name in ("validation", "training")]
            self.take(match, list(map(float, match.groups())), wanted)
        if match := re.search(rf"is 0.999 or more in {N} % of its points", self.text):
            y = rows(metric.val)[1] * (1 if metric.maximize else -1)
            self.take(match, [float(match[1])], [float(f"{100 * np.mean(y >= 0.999):.2g}")])
        if match := re.search(rf"(?:reaches|is|held:) {N} (?:in validation|at best)", self.text):
            y = rows(metric.val)[1]
            self.take(match, [float(match[1])], [y.max() if metric.maximize else y.min()])


def metric_of(metric):
    return None if metric is None else metric.val


def same(said, value):
    """Equal as three digits show it."""
    return said == value or abs(said - value) <= 0.0051 * abs(value) + 1e-12


def stood(x, y, until, _level):
    return until, np.median(y[x <= until])


def stepped(x, y, at, _before, _behind):
    return at, y[x < at].min(), y[x >= at].min()


def stands_there(x, y, at, value):
    return at, y[np.flatnonzero(x == at)[np.argmin(np.abs(y[x == at] - value))]]


BY_PLACE = (stood, stepped, stands_there)
"""What takes a place out of the sentence."""

PATTERNS = [
    (rf"at \w+ {N} the training loss steps up: its lowest value is {N} before, and {N} from there on", stepped),
    (rf"to \w+ {N} the training loss stood at {N} \(median\)", stood),
    (rf"from {N} at the start to {N} over the last tenth", lambda x, y: (first(x, y), ending(x, y))),
    (
        rf"{N} at the start, {N} at its lowest, {N} over the last tenth",
        lambda x, y: (first(x, y), lowest(x, y), ending(x, y)),
    ),
    (
        rf"from {N} over its first tenth to {N} over its last(?! tenth)",
        lambda x, y: (np.median(part(y, 0.0, 0.1)), ending(x, y)),
    ),
    (rf"from {N} to {N} in the last quarter \(medians of its halves\)", halves),
    (rf"by {N} from point to point about {N} \(medians of the second half\)", jumps),
    (rf"from {N} at the start to {N} at its lowest", lambda x, y: (first(x, y), lowest(x, y))),
    (rf"from {N} at its lowest to {N} over the last tenth", lambda x, y: (lowest(x, y), ending(x, y))),
    (
        rf"from {N}, its lowest value, at \w+ {N} to {N} over the last tenth",
        lambda x, y: (lowest(x, y), x[int(np.argmin(y))], ending(x, y)),
    ),
    (rf"(?<=at ){N}(?= and training at)", ending),
    (rf"training fell on to {N}", ending),
    (rf"{N} over the last tenth", ending),
    (rf"{N} at its lowest", lowest),
    (rf"{N} at its highest", lambda x, y: y.max()),
    (rf"its lowest value is {N}(?! before)", lowest),
    (rf"at \w+ {N}, to {N}", stands_there),
    (rf"the last training loss is {N}", last),
    (rf"the only validation loss is {N}", last),
]


def left(sentence):
    return NUMBER.findall(sentence.text)


def sentences(diagnosis):
    yield diagnosis.summary
    yield from (note.message for note in diagnosis.notes)
    yield from (item.reason for item in diagnosis.dismissed)


def labelled():
    return sorted(path.name for path in LABELLED.iterdir() if path.is_dir()) if LABELLED.is_dir() else []


def drawn(made):
    """Whether a function makes a shape of so many points."""
    return made.__annotations__.get("return") == "Shape" and list(inspect.signature(made).parameters) == ["n"]


@pytest.mark.skipif(not LABELLED.is_dir(), reason="the labelled logs are not here")
@pytest.mark.parametrize("name", labelled())
def test_every_number_of_a_labelled_log_is_what_its_sentence_says(name):
    try:
        log, *_ = logs.read(LABELLED / name)
    except UserError as error:
        pytest.skip(f"no log that can be read: {error}")
    wrong, unread, _ = recomputed(log)
    assert wrong == []
    assert unread == []


LEVELS = {
    "train_start": ("training", first),
    "train_lowest": ("training", lowest),
    "train_end": ("training", ending),
    "val_start": ("validation", first),
    "val_best": ("validation", lowest),
    "val_end": ("validation", ending),
}
"""Of the evidence, and what they are of which curve."""


def levels(log, evidence):
    """The numbers of the evidence that are not what the rows give."""
    one = Sentence(log, "")
    for name, (split, compute) in LEVELS.items():
        x, y = one.curves.get(split, ((), np.zeros(0)))
        logged = split not in (one.swapped and "training", log.objective and "validation") and len(y)
        if split == "validation":
            logged = logged and len(y) > 1 and np.any(y)
        if logged and not np.isclose(evidence.get(name, np.nan), compute(x, y), rtol=1e-12, atol=1e-12):
            yield name, evidence.get(name), compute(x, y)
    if one.metric is not None and "metric" in evidence:
        y = rows(one.metric.val)[1]
        wanted = {"metric_end": ending(None, y), "metric_best": y.max() if one.metric.maximize else y.min()}
        yield from ((name, evidence[name], value) for name, value in wanted.items() if evidence[name] != value)


def recomputed(log):
    """Numbers that are wrong, sentences with numbers that were not understood, and how many were recomputed."""
    diagnosis = judge(log)
    wrong, unread, count = list(levels(log, diagnosis.evidence)), [], 0
    for text in sentences(diagnosis):
        one = Sentence(log, text)
        numbers = len(left(one))
        one.of_several()
        for pattern, compute in PATTERNS:
            one.check(pattern, compute)
        wrong += [(text, *item) for item in one.wrong]
        unread += [one.text] if left(one) else []
        count += numbers - len(left(one))
    return wrong, unread, count


DRAWN = [name for name, made in inspect.getmembers(diagnosis_shapes, inspect.isfunction) if drawn(made)]


@pytest.mark.parametrize("points", [12, 60, 900])
@pytest.mark.parametrize("name", DRAWN)
def test_every_number_of_a_drawn_log_is_what_its_sentence_says(name, points):
    made = getattr(diagnosis_shapes, name)(points)
    for noise in (0.0, 0.05):
        wrong, unread, count = recomputed(diagnosis_shapes.log_of(made, noise=noise))
        assert (wrong, unread) == ([], [])
        assert count > 5


def log_curve(name, y):
    return curve_of(name, np.arange(1, 1 + len(y)), y, "epoch")


CALLED = {"reward": 20 + 180 * np.linspace(0, 1, 60), "kl": np.linspace(0.01, 0.2, 60), "lengths": np.full(60, 200.0)}


@pytest.mark.parametrize("collapsed", [False, True])
def test_every_number_of_a_return_is_what_its_sentence_says(collapsed):
    named = zip(("reward", "kl", "completion"), CALLED.items(), strict=True)
    curves = {part: log_curve(name, y) for part, (name, y) in named}
    if collapsed:
        fallen = np.arange(60) > 35
        curves["reward"] = log_curve("reward", np.where(fallen, 4.0, CALLED["reward"]))
        curves["completion"] = log_curve("lengths", np.where(fallen, 2.0, 200.0))
    loss = log_curve("loss", np.linspace(1e-4, 1e-3, 60))
    log = logs.Log("test", train=loss, objective=Objective("reinforcement", curves))
    assert judge(log).code == ("reward_collapse" if collapsed else "other_objective")
    wrong, unread, count = recomputed(log)
    assert (wrong, unread) == ([], [])
    assert count > 3


MORE = {
    "chance": lambda t: (0.6931 + 0.02 * np.exp(-60 * t), None, None),
    "constant": lambda t: (0.62 + 0 * t, 0.62 + 0 * t, 0.89 + 0 * t),
    "half": lambda t: (0.25 + 1.1 * np.exp(-60 * t), None, None),
    "still": lambda t: (5.0 + 0.1 * (t == 0), None, None),
    "multiple": lambda t: (4 * (0.9 + 1.4 * np.exp(-6 * t)), 0.9 + 1.4 * np.exp(-6 * t), None),
    "at chance": lambda t: (1.2 + 1.2 * np.exp(-4 * t), 1.792 + 0.004 * np.sin(90 * t), 0.17 + 0.01 * np.sin(70 * t)),
    "left behind": lambda t: (0.1 + 2.2 * np.exp(-9 * t), 1.5 + 0.8 * np.exp(-9 * t), None),
    "falling accuracy": lambda t: (0.3 + 2 * np.exp(-9 * t), 0.33 + 2 * np.exp(-9 * t), 0.8 - 0.06 * t),
    "poor accuracy": lambda t: (1.1 + 0.7 * np.exp(-9 * t), 1.2 + 0 * t, 0.2 + 0.15 * t),
    "late rise": lambda t: (0.3 + 2 * np.exp(-9 * t), 0.33 + 2 * np.exp(-9 * t) + 0.3 * (t > 0.85), None),
    "zeros": lambda t: (0.3 + 2 * np.exp(-9 * t), 0 * t, None),
}
"""Losses and accuracies that the newer verdicts speak of, or stay silent at by a little."""


@pytest.mark.parametrize("points", [9, 40, 600])
@pytest.mark.parametrize("name", sorted(MORE))
def test_every_number_of_what_knows_nothing_is_what_its_sentence_says(name, points):
    train, val, accuracy = MORE[name](np.linspace(0, 1, points))
    metrics = () if accuracy is None else (logs.Metric("accuracy", True, None, log_curve("acc", accuracy), True),)
    held = None if val is None else log_curve("val_loss", val)
    wrong, unread, _ = recomputed(logs.Log("test", train=log_curve("loss", train), val=held, metrics=metrics))
    assert (wrong, unread) == ([], [])
