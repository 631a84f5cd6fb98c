"""What XGBoost, LightGBM and CatBoost print: a line a round with each set's metrics. CatBoost's files are elsewhere."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from tunekit.logs import printed
from tunekit.logs.forms import Found, Layouts
from tunekit.logs.log import Log, floats
from tunekit.logs.names import SCORES, TRAIN, part, split
from tunekit.logs.printed import NUMBER
from tunekit.logs.roles import assemble
from tunekit.logs.table import Series, from_records, to_series

NAME = "boosting"
DESCRIPTION = (
    "printed rounds of XGBoost ([0] train-rmse:0.5), LightGBM ([1] training's l2: 0.5), CatBoost (0: learn: 0.5)"
)

LEAST = 2
"""Lines of rounds that make a text a log of them."""

_ROUND = re.compile(r"\[(\d{1,9}+)\]:?+\s++(?=[A-Za-z_])")
_CATBOOST = re.compile(r"(?<![\w.:])(\d{1,9}+):\s++(?=(?:learn|test\d*+): )")
_ITEMS = {
    "xgboost": re.compile(rf"(?<!\S)(?P<set>[A-Za-z_][^\s:-]*+)-(?P<metric>[^\s:]++):(?P<value>{NUMBER})(?![\w.])"),
    "lightgbm": re.compile(rf"(?P<set>[A-Za-z_][\w ]*+)'s (?P<metric>[^\t:]{{1,80}}+): (?P<value>{NUMBER})(?![\w.])"),
    "catboost": re.compile(rf"(?<!\S)(?P<set>learn|test\d*+|best)(?P<metric>): (?P<value>{NUMBER})(?![\w.])"),
}
_LOSSES = ("loss", "nlog", "deviance", "entropy")
_ROUNDS = "iteration"
_BEST = "best"


def recognise(path: Path) -> float:
    return printed.recognise(path, knows)


def knows(lines: Sequence[str]) -> float:
    count = len(list(islice(_records(lines), LEAST)))
    return 0.8 if count == LEAST else 0.4 if count else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [read_lines(printed.lines(path), path, train, val)]


def read_lines(lines: Iterable[str], path: Path, train: str | None = None, val: str | None = None) -> Log:
    """One log. Its loss is the first of the metrics that falls and is named like one, else the first that falls."""
    series = to_series(from_records(_records(lines)))
    pairs = _by_metric(series)
    falling = [metric for metric, sides in pairs.items() if not _rises(metric, sides, series)]
    named = [metric for metric in falling if any(word in metric.lower() for word in _LOSSES)]
    loss = pairs.pop((named or falling)[0]) if falling else {}
    if not (train or val):
        train, val = loss.get("train"), loss.get("val")
        curves = {name: series.curves[name] for name in loss.values()}
        for metric, sides in pairs.items():
            for side, name in sides.items():
                curves[_told(name, metric, side, metric not in falling)] = series.curves[name]
        series.curves = curves
    return assemble(series, NAME, [path], name=path.stem, train=train, val=val)


def _told(name: str, metric: str, side: str, rises: bool) -> str:
    """A metric's column as printed, but where its name does not say whose it is or that more of it is better."""
    if rises and not SCORES & set(split(metric)):
        return " ".join(word for word in (side, metric, "score") if word)
    return name if part(name).side in (side, "test") else f"{side} {metric}"


def _records(lines: Iterable[str]) -> Iterator[dict[str, float]]:
    """One record a round. The best round, which is said once more at the end, is none."""
    again = False
    layouts = Layouts(_items)
    for line in lines:
        for state in line.split("\r") if "\r" in line else (line,):
            record = layouts.numbers(state) if ":" in state else {}
            if not record:
                again = ("best iteration" in state.lower()) or (again and not state.strip())
                continue
            if len(record) > 1 and not again:
                yield record
            again = again and len(record) == 1


def _items(line: str) -> Found:
    """The round and its errors; nothing in a line of no round."""
    known = _ROUND.search(line) if "[" in line else _CATBOOST.search(line) if "t" in line else None
    if known is None:
        return
    yield _ROUNDS, (0, 0), known.span(1)
    kind = "catboost" if known.re is _CATBOOST else "lightgbm" if "'s " in line else "xgboost"
    joint = {"xgboost": "-", "lightgbm": " ", "catboost": ""}[kind]
    for item in _ITEMS[kind].finditer(line, known.end()):
        named = item.start("set"), item.end("metric")
        yield f"{item['set'].strip()}{joint}{item['metric'].strip()}", named, item.span("value")


def _sides(series: Series) -> dict[str, str]:
    """Each printed set's part. Names are the script's; scikit-learn's interface numbers them in the order given."""
    sides: dict[str, str] = {}
    for name in dict.fromkeys(_set_and_metric(name)[0] for name in series.curves):
        training = name == "learn" or not TRAIN.isdisjoint(split(name)) or "train" in name.lower()
        sides[name] = "train" if training else (part(name).side or "val")
    for first, second in (("validation_0", "validation_1"), ("valid_0", "valid_1")):
        if "train" not in sides.values() and {first, second} <= set(sides):
            sides[first] = "train"
            series.notes.append(f"{first} is taken for the training set, the first of two that eval_set names")
    others = [name for name, side in sides.items() if side != "train" and name != _BEST]
    chosen = next((name for name in others if sides[name] == "val"), next(iter(others), None))
    if len(others) > 1:
        series.notes.append(f"{len(others)} sets for validation; {chosen!r} is taken (--val chooses another)")
    known = {name: "train" for name, side in sides.items() if side == "train"}
    return known if chosen is None else {**known, chosen: "val"}


def _by_metric(series: Series) -> dict[str, dict[str, str]]:
    """Metric -> split -> the column that holds it."""
    sides = _sides(series)
    pairs: dict[str, dict[str, str]] = {}
    for name in series.curves:
        owner, metric = _set_and_metric(name)
        if owner in sides:
            pairs.setdefault(metric, {}).setdefault(sides[owner], name)
    return pairs


def _set_and_metric(name: str) -> tuple[str, str]:
    owner, joint, metric = name.partition("-")
    if not joint:
        owner, _, metric = name.rpartition(" ")
    return (owner, metric) if owner else (name, "")


def _rises(metric: str, sides: dict[str, str], series: Series) -> bool:
    """Whether larger is better: known by name, else by where training goes, which boosting always betters."""
    words = set(split(metric))
    if SCORES & words:
        return True
    if any(word in metric.lower() for word in (*_LOSSES, "error", "rmse", "mae")):
        return False
    shown = series.curves.get(sides.get("train", ""), series.curves.get(_BEST))
    if shown is None:
        return False
    values = floats(shown.y)
    values = values[np.isfinite(values)]
    return len(values) > 1 and bool(values[-1] > values[0])
