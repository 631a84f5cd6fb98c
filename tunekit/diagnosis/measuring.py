"""`measure`: the numbers of a log, taken once. No threshold and no verdict lives here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tunekit.diagnosis import curves
from tunekit.diagnosis.measures import EARLY, END, START, Measures, Points, Score, Side
from tunekit.logs.log import Array, Log, Metric, finite, floats
from tunekit.vocabulary import Curve


def measure(log: Log) -> Measures:
    """The numbers of a log. Where it has metrics alone, the losses are the errors of the first."""
    given, log = log, _taken(log)
    train_curve, val_curve, derived = log.train, log.val, False
    if train_curve is None and val_curve is None:
        pair = next((item for item in log.metrics if item.bounded and item.maximize), None)
        if pair is not None:
            train_curve, val_curve, derived = _error(pair.train), _error(pair.val), True
    swapped = train_curve is None and val_curve is not None
    if swapped:
        train_curve = val_curve
    train_u, val_u = _common(train_curve, val_curve)
    train = _side(train_curve, train_u, smooth_low=True)
    val = _side(val_curve, val_u, smooth_low=False) if val_curve is not None and len(val_curve.x) >= 2 else None
    return Measures(
        log=log,
        train=train,
        val=val,
        score=_score(log.metrics, train_curve),
        train_at_val=np.interp(val.place, train.place, train.smoothed) if train and val else np.empty(0),
        lr=_rates(log, train_curve),
        swapped=swapped,
        derived=derived,
        blank=(given.blank or given.val) if log.val is None and not _reinforces(given) else None,
    )


def _taken(log: Log) -> Log:
    """The log without what is no validation: a loss that was never computed, and values of states."""
    if _reinforces(log):
        return replace(log, val=None, metrics=())
    val = floats(log.val.y) if log.val is not None else np.empty(0)
    trained = finite(log.train)[1]
    if len(val) >= 2 and len(trained) and not np.any(val) and float(np.median(trained)) > 0:
        return replace(log, val=None)
    return log


def _reinforces(log: Log) -> bool:
    return log.objective is not None and log.objective.kind == "reinforcement"


def _error(source: Curve | None) -> Curve | None:
    if source is None:
        return None
    wrong = 1.0 - floats(source.y)
    return Curve(f"1 - {source.name}", source.x, wrong.tolist(), source.unit)


def _common(train: Curve | None, val: Curve | None) -> tuple[Array, Array]:
    """Places of the finite points of both curves: on their common clock, or each on its own."""
    x, other = finite(train)[0], finite(val)[0]
    if not len(x) or not len(other):
        return curves.shares(x), curves.shares(other)
    if train is not None and val is not None and train.unit != val.unit:
        count = len(other)  # validation counted in epochs: the k-th of n stands at k/n of the run
        return curves.shares(x), np.arange(1, count + 1) / count
    return curves.places(x, other)


def _side(source: Curve | None, place: Array, smooth_low: bool) -> Side | None:
    """Levels of one curve; None where it has no finite point and none that is not."""
    if source is None or not len(source.x):
        return None
    whole = floats(source.y)
    x, y = finite(source)
    bad = int(np.sum(~np.isfinite(whole)))
    first = float(floats(source.x)[np.argmin(np.isfinite(whole))]) if bad else None
    if not len(y):
        x, y, place = np.zeros(1), np.full(1, np.nan), np.zeros(1)
    index, thin_y = curves.thin(y)
    smooth = curves.smooth(thin_y)
    lows = smooth if smooth_low else curves.running_median(thin_y, 3)
    at = int(np.argmin(lows)) if np.all(np.isfinite(lows)) else 0
    return Side(
        name=source.name,
        log=Points(x, y),
        points=len(whole),
        bad=bad,
        bad_end=not np.isfinite(whole[-1]),
        bad_x=first,
        x=x[index],
        y=thin_y,
        place=place[index],
        smoothed=smooth,
        start=curves.head(thin_y, START),
        early=float(smooth[min(len(smooth) - 1, int(np.ceil(EARLY * len(smooth))))]),
        end=curves.tail(thin_y, END, 3 if smooth_low else 2),
        last=float(y[-1]),
        low=float(lows[at]),
        low_at=at,
        sigma=curves.sigma(thin_y - smooth),
        jitter=curves.step_noise(thin_y),
        unit=source.unit,
    )


def _score(metrics: tuple[Metric, ...], train: Curve | None) -> Score | None:
    """The first metric that has a validation curve of two points or more."""
    for metric in metrics:
        x, y = finite(metric.val)
        if len(y) < 2:
            continue
        place, _ = _common(metric.val, train)
        sign = 1.0 if metric.maximize else -1.0
        logged = y
        index, y = curves.thin(sign * y)
        middle = curves.running_median(y, 3)
        late = curves.smooth(y)[int(np.ceil(EARLY * len(y))) :]
        trained_x, trained = finite(metric.train)
        return Score(
            name=metric.name,
            log=Points(x, logged, metric.share),
            trained=Points(trained_x, trained, metric.share) if len(trained) else None,
            bounded=metric.bounded,
            sign=sign,
            place=place[index],
            y=y,
            start=curves.head(y, START),
            end=curves.tail(y, END, 2),
            best=float(np.max(middle)),
            best_at=int(np.argmax(middle)),
            spread=float(np.percentile(late, 95) - np.percentile(late, 5)) if len(late) else 0.0,
            jitter=curves.step_noise(y),
            train_end=sign * curves.tail(trained, END, 2) if len(trained) else None,
        )
    return None


def _rates(log: Log, train: Curve | None) -> tuple[Array, Array]:
    """Learning rates over the run, thinned; empty where the log has none."""
    x, rates = finite(log.lr)
    if not len(x):
        return np.empty(0), np.empty(0)
    place, _ = _common(log.lr, train)
    index, rates = curves.thin(rates)
    return place[index], rates
