"""Hand-made curves: one shape a verdict, of any length and noise. Used by the tests beside it; no test here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tunekit.logs import Log, Metric
from tunekit.logs.log import Array, curve
from tunekit.vocabulary import Curve


@dataclass(frozen=True)
class Shape:
    """Noise-free curves over a run; `t` is the share of the run that is done."""

    train: Array
    val: Array | None = None
    train_metric: Array | None = None
    val_metric: Array | None = None
    metric: str = "accuracy"


def log_of(shape: Shape, noise: float = 0.0, seed: int = 0, shift: float = 0.0, scale: float = 1.0) -> Log:
    """The shape as a log: multiplicative noise on the losses, that of a count on the metrics."""
    source = np.random.default_rng(seed)

    def noisy(y: Array, size: float) -> Array:
        return y * np.exp(size * source.standard_normal(len(y)))

    def series(name: str, y: Array | None, size: float, factor: float) -> Curve | None:
        if y is None:
            return None
        return curve(name, shift + np.arange(1, 1 + len(y)), factor * noisy(y, size), "epoch")

    def rate(name: str, y: Array | None) -> Curve | None:
        if y is None:
            return None
        jitter = 0.2 * noise * np.sqrt(y * (1.0 - y)) * source.standard_normal(len(y))
        return curve(name, shift + np.arange(1, 1 + len(y)), np.clip(y + jitter, 0.0, 1.0), "epoch")

    pair = (
        rate("train_accuracy", shape.train_metric),
        rate("val_accuracy", shape.val_metric),
    )
    metrics = (Metric(shape.metric, True, *pair, bounded=True, share=True),) if any(pair) else ()
    return Log(
        format="test",
        files=("hand-made",),
        name="hand-made",
        train=series("train_loss", shape.train, noise, scale),
        val=series("val_loss", shape.val, noise, scale),
        metrics=metrics,
    )


def times(n: int) -> Array:
    return np.linspace(0.0, 1.0, n)


def fall(n: int, start: float, floor: float, speed: float) -> Array:
    """An exponential from `start` towards `floor`."""
    return floor + (start - floor) * np.exp(-speed * times(n))


def good_fit(n: int) -> Shape:
    rate = 1.0 - fall(n, 0.9, 0.08, 9)
    return Shape(fall(n, 2.3, 0.30, 9), fall(n, 2.3, 0.33, 9), rate, rate - 0.01)


def good_fit_losses_only(n: int) -> Shape:
    return Shape(fall(n, 2.3, 0.30, 9), fall(n, 2.3, 0.33, 9))


def good_fit_augmented(n: int) -> Shape:
    """Validation below training all run long: augmentation and dropout act on training alone."""
    return Shape(fall(n, 2.3, 0.80, 9), fall(n, 2.1, 0.40, 9))


def overfit_turn(n: int) -> Shape:
    t = times(n)
    return Shape(fall(n, 2.3, 0.02, 5), 0.5 + 1.8 * np.exp(-12 * t) + 0.8 * np.maximum(t - 0.3, 0))


def overfit_stall(n: int) -> Shape:
    return Shape(fall(n, 2.3, 0.05, 4), fall(n, 2.3, 0.90, 12))


def overfit_metrics(n: int) -> Shape:
    """Training 95 %, validation 70 %."""
    train, val = 1.0 - fall(n, 0.9, 0.05, 6), 1.0 - fall(n, 0.9, 0.30, 10)
    return Shape(fall(n, 2.3, 0.15, 6), fall(n, 2.3, 0.95, 10), train, val)


def underfit(n: int) -> Shape:
    rate = 1.0 - fall(n, 0.9, 0.68, 9)
    return Shape(fall(n, 2.3, 1.85, 9), fall(n, 2.3, 1.87, 9), rate, rate - 0.005)


def not_converged(n: int) -> Shape:
    rate = 1.0 - fall(n, 0.9, 0.1, 1.6)
    return Shape(fall(n, 2.3, 0.1, 1.6), fall(n, 2.32, 0.15, 1.6), rate, rate - 0.02)


def diverged_nan(n: int) -> Shape:
    y = fall(n, 2.3, 0.5, 5)
    y[int(0.7 * n) :] = np.nan
    return Shape(y, fall(n, 2.3, 0.5, 5))


def diverged_growth(n: int) -> Shape:
    t = times(n)
    y = np.where(t < 0.3, 2.3 - 3 * t, 1.4 * np.exp(7 * (t - 0.3)))
    return Shape(y, 1.05 * y)


def collapsed(n: int) -> Shape:
    t = times(n)
    y = np.where(t < 0.5, 0.3 + 2.0 * np.exp(-10 * t), 2.303)
    return Shape(y, np.where(t < 0.5, y + 0.05, 2.303))


def discontinuity(n: int) -> Shape:
    t = times(n)
    return Shape(np.where(t < 0.5, 1.0, 4.0) * fall(n, 2.3, 0.3, 9), None)


def not_learning(n: int) -> Shape:
    return Shape(np.full(n, 2.303), np.full(n, 2.304), np.full(n, 0.1), np.full(n, 0.1))


def train_val_mismatch(n: int) -> Shape:
    return Shape(fall(n, 2.3, 0.1, 6), np.full(n, 2.4), 1.0 - fall(n, 0.9, 0.03, 6), np.full(n, 0.1))


def noisy_val(n: int) -> Shape:
    val = fall(n, 2.3, 0.33, 9)
    val[[int(n * place) for place in (0.3, 0.5, 0.62, 0.8)]] *= 60.0
    rate = 1.0 - fall(n, 0.9, 0.08, 9)
    return Shape(fall(n, 2.3, 0.30, 9), val, rate, rate - 0.01)


def val_suspicious(n: int) -> Shape:
    val_rate = np.where(times(n) < 0.1, 0.9, 1.0)
    return Shape(fall(n, 2.3, 0.1, 20), fall(n, 1.5, 0.004, 30), 1.0 - fall(n, 0.9, 0.02, 9), val_rate)


def metric_loss_disagree(n: int) -> Shape:
    t = times(n)
    val = 0.5 + 1.8 * np.exp(-12 * t) + 0.25 * np.maximum(t - 0.35, 0)
    val_rate = np.minimum(0.93, 0.2 + 2.2 * t) + np.where(t > 0.35, 0.05 * (t - 0.35), 0)
    return Shape(fall(n, 2.3, 0.1, 6), val, np.minimum(1.0, val_rate + 0.03), val_rate - 0.02)


def unstable(n: int) -> Shape:
    y, val = fall(n, 2.3, 0.1, 12), fall(n, 2.3, 0.12, 12)
    for place in (0.4, 0.55, 0.7, 0.85):
        y[int(n * place)] = val[int(n * place)] = 2.0
    return Shape(y, val)


def lr_too_high(n: int) -> Shape:
    bounce = np.exp(1.4 * (np.arange(n) * 0.618034 % 1.0 - 0.5))  # spread evenly, so that no trend comes by chance
    level = np.where(times(n) < 0.04, 1.0, bounce)
    return Shape(fall(n, 8.0, 2.9, 60) * level, fall(n, 8.0, 3.0, 60) * level)


def lr_too_low(n: int) -> Shape:
    return Shape(2.3 - 0.4 * times(n), 2.31 - 0.4 * times(n))


def plateau_then_drop(n: int) -> Shape:
    t = times(n)
    y = np.where(t < 0.35, 2.3, 0.3 + 2.0 * np.exp(-14 * np.maximum(t - 0.35, 0)))
    return Shape(y, 1.03 * y)


def no_validation(n: int) -> Shape:
    return Shape(fall(n, 2.3, 0.3, 9))


SHAPES: dict[str, tuple[str, Callable[[int], Shape]]] = {
    function.__name__: (code, function)
    for code, functions in {
        "good_fit": (good_fit, good_fit_losses_only, good_fit_augmented),
        "overfit": (overfit_turn, overfit_stall, overfit_metrics),
        "underfit": (underfit,),
        "not_converged": (not_converged,),
        "diverged": (diverged_nan, diverged_growth, collapsed),
        "discontinuity": (discontinuity,),
        "not_learning": (not_learning,),
        "train_val_mismatch": (train_val_mismatch,),
        "noisy_val": (noisy_val,),
        "val_suspicious": (val_suspicious,),
        "metric_loss_disagree": (metric_loss_disagree,),
        "unstable": (unstable,),
        "lr_too_high": (lr_too_high,),
        "lr_too_low": (lr_too_low,),
        "plateau_then_drop": (plateau_then_drop,),
        "no_validation": (no_validation,),
    }.items()
    for function in functions
}
"""Name of the shape -> the verdict it must give, and the function that draws it at n points."""
