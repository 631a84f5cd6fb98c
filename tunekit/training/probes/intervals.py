"""Between which values a metric of samples lies that were drawn anew, about 95 %: numbers for a report, no verdict."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tunekit.shares import Z, wilson
from tunekit.training.metrics import Metric

RESAMPLES = 200  # of the samples, for a metric that needs all of them at once
Interval = tuple[float, float]


def of_mean(values: Tensor, mean: float | None = None) -> Interval | None:
    """Of a mean over samples [n], by their standard deviation; NaN is none. `mean`: where it is known otherwise, as of
    batches of which the last is shorter."""
    values = values[~values.isnan()].double()
    if len(values) < 2:
        return None
    middle, error = float(values.mean()) if mean is None else mean, float(values.std()) / math.sqrt(len(values))
    return middle - Z * error, middle + Z * error


def of_ratio(metric: Metric, top: Tensor, bottom: Tensor) -> tuple[Interval | None, str]:
    """Of a metric that is a ratio of sums over samples, [n] each: Wilson's where every sample is one right or wrong
    answer; else by what each sample leaves of the ratio (the delta method: answers of one sample hang together, so that
    samples are counted, not answers), which is the error of a normal interval. Of a share it tells how many independent
    answers would have this error, p (1 - p) / error^2, no more than there are answers: Wilson's of so many. Where all
    are right, or none, there is no error to go by, and each sample counts as one answer."""
    top, bottom = top.double().cpu(), bottom.double().cpu()
    size, total = len(top), float(bottom.sum())
    if metric.counts and bool((bottom == 1).all()) and bool(((top == 0) | (top == 1)).all()):
        return wilson(int(top.sum()), size), "Wilson"
    if size < 2 or total <= 0:
        return None, ""
    ratio = float(top.sum()) / total
    error = math.sqrt(float((top - ratio * bottom).square().sum()) * size / (size - 1)) / total
    if metric.share:
        alone = min(total, ratio * (1 - ratio) / error**2) if error and 0 < ratio < 1 else size
        return wilson(ratio * alone, alone), "Wilson, by samples"
    low, high = ratio - Z * error, ratio + Z * error
    if metric.root:
        low, high = math.sqrt(max(0.0, low)), math.sqrt(max(0.0, high))
    return (low, high), "normal"


def of_whole(score: Callable[[Tensor], float], size: int, share: bool) -> tuple[Interval | None, str]:
    """Of a metric that needs all samples at once, by the percentile bootstrap. `score`: over the samples of these
    places. Nothing where it cannot be asked of a part of them. A share that is 0 or 1 in every draw has Wilson's, each
    sample being one answer."""
    draw = np.random.default_rng(0)
    values = []
    for _ in range(RESAMPLES):
        try:
            value = score(torch.from_numpy(draw.integers(0, size, size)))
        except Exception:  # of a draw that the metric does not take: one class alone, for example
            continue
        if math.isfinite(value):
            values.append(value)
    if len(values) < RESAMPLES // 2:
        return None, ""
    if share and min(values) == max(values) in (0.0, 1.0):
        return wilson(size * values[0], size), "Wilson, by samples"
    low, high = (float(value) for value in np.quantile(values, [0.025, 0.975]))
    return ((max(0.0, low), min(1.0, high)) if share else (low, high)), "bootstrap"
