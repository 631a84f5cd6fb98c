"""Intervals against SciPy's, and against how often they hold what they are of."""

import numpy as np
import pytest
import torch
from scipy import stats

from tunekit.shares import wilson
from tunekit.training.metrics import METRICS
from tunekit.training.probes.intervals import of_mean, of_ratio, of_whole


@pytest.mark.parametrize(("right", "count"), [(9897, 10000), (0, 20), (20, 20), (1, 2), (341, 359)])
def test_wilsons_is_that_of_scipy(right, count):
    wanted = stats.binomtest(right, count).proportion_ci(0.95, "wilson")
    assert wilson(right, count) == pytest.approx((wanted.low, wanted.high), abs=1e-6)


def test_one_answer_a_sample_is_wilsons_and_several_are_counted_by_samples():
    right = torch.tensor([1.0] * 90 + [0.0] * 10)
    (low, high), how = of_ratio(METRICS["accuracy"], right, torch.ones(100))
    assert how == "Wilson"
    assert (low, high) == pytest.approx(wilson(90, 100))
    # Answers of a sample that are all right or all wrong say no more than one answer of it.
    many, how = of_ratio(METRICS["accuracy"], right * 7, torch.full((100,), 7.0))
    assert how == "Wilson, by samples"
    assert many == pytest.approx(wilson(90, 100), abs=1e-3)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_answers_that_are_all_right_or_all_wrong_say_no_more_than_a_sample_each(share):
    lengths = torch.arange(1.0, 41.0)
    assert of_ratio(METRICS["accuracy"], share * lengths, lengths)[0] == wilson(share * 40, 40)
    assert of_whole(lambda _picks: share, 40, share=True)[0] == wilson(share * 40, 40)


@pytest.mark.parametrize("wrong", [0.06, 0.3])
def test_a_share_of_answers_that_hang_together_is_held_as_often_as_it_says(wrong):
    """Half of the answers of a sample are one answer that is repeated."""
    draw = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        lengths = draw.integers(2, 30, 200)
        apart = [draw.random(length) >= wrong for length in lengths]
        right = [np.where(np.arange(len(one)) % 2, one[0], one).sum() for one in apart]
        low, high = of_ratio(METRICS["accuracy"], torch.tensor(right), torch.from_numpy(lengths))[0]
        assert high > low
        held += low <= 1 - wrong <= high
    assert 0.91 <= held / 400 <= 0.99


def test_the_root_of_a_mean_has_the_roots_of_its_ends():
    squares = torch.tensor([1.0, 4.0, 9.0, 16.0])
    low, high = of_ratio(METRICS["rmse"], squares, torch.ones(4))[0]
    ends = of_mean(squares)
    assert (low, high) == pytest.approx((max(0.0, ends[0]) ** 0.5, ends[1] ** 0.5), rel=1e-6)


def test_a_mean_absolute_error_holds_the_truth_as_often_as_it_says():
    draw = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        off = torch.from_numpy(draw.exponential(2.0, 80))
        low, high = of_ratio(METRICS["mae"], off, torch.ones(80))[0]
        held += low <= 2.0 <= high
    assert 0.90 <= held / 400 <= 0.98


def test_the_bootstrap_of_a_mean_is_near_the_normal_interval_and_the_same_each_time():
    values = torch.from_numpy(np.random.default_rng(1).normal(3.0, 1.0, 400))

    def mean(picks):
        return float(values[picks].mean())

    found, how = of_whole(mean, 400, share=False)
    assert how == "bootstrap"
    assert found == pytest.approx(of_mean(values), abs=0.03)
    assert of_whole(mean, 400, share=False)[0] == found


def test_what_cannot_be_said_is_none():
    def refuses(_picks):
        raise ValueError("one class alone")

    assert of_whole(refuses, 10, share=True) == (None, "")
    assert of_mean(torch.ones(1)) is None
    assert of_ratio(METRICS["mae"], torch.ones(1), torch.ones(1)) == (None, "")
