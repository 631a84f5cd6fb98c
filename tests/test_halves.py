import warnings

import numpy as np
import pytest

from tunekit.halves import by_batch, half_means, halves
from tunekit.steps.noise import paired
from tunekit.vocabulary import SPLITS


def test_halves_are_as_large_as_can_be_and_the_same_each_time():
    members = halves(11)
    assert members.shape == (SPLITS, 11)
    assert members.sum(axis=1).tolist() == [5] * SPLITS
    assert np.array_equal(members, halves(11))
    assert halves(1).shape == (0, 1)


def test_means_of_halves_by_hand():
    values = np.arange(22.0).reshape(2, 11)
    means = half_means(values)
    for split, first in enumerate(halves(11)):
        assert means[1, 2 * split] == pytest.approx(values[1, first].mean())
        assert means[1, 2 * split + 1] == pytest.approx(values[1, ~first].mean())


def test_a_sample_that_never_has_a_result_is_in_no_mean_and_a_diverged_validation_has_none():
    values = np.arange(22.0).reshape(2, 11)
    values[:, 3] = np.nan
    first = halves(11)[0]
    there = first & (np.arange(11) != 3)
    assert half_means(values)[0, 0] == pytest.approx(values[0, there].mean())
    values[1] = np.nan
    means = half_means(values)
    assert np.isfinite(means[0]).all()
    assert np.isnan(means[1]).all()


def test_losses_that_batches_have_together_count_once_a_batch():
    """The mean of ten independent losses is known as well as ten are, however many samples share each."""
    draw = np.random.default_rng(0)
    batches = draw.normal(1.0, 0.2, (3, 10))
    repeated = np.repeat(batches, 8, axis=1)[:, :77]  # the last batch is short
    assert np.array_equal(by_batch(repeated), batches)
    assert np.array_equal(by_batch(np.repeat(batches[:, :1], 5, axis=1)), batches[:, :1])


@pytest.mark.parametrize("columns", [1, 2, 40])
def test_losses_of_samples_stay_as_they_are(columns):
    values = np.random.default_rng(1).normal(size=(2, columns))
    values[0, : columns // 2] = 0.0  # a hinge that half of them satisfy, at one validation
    assert by_batch(values) is values
    assert by_batch(np.zeros((0, 0))).shape == (0, 0)


def test_what_is_not_finite_is_in_the_half_of_its_sample_alone():
    values = np.ones((3, 6))
    values[1, 2], values[2, 4] = np.inf, np.nan
    with warnings.catch_warnings(action="error"):
        means = half_means(values).reshape(3, -1, 2)
    assert np.array_equal(means[0], np.ones_like(means[0]))
    for split, first in enumerate(halves(6)):
        assert means[1, split].tolist() == ([np.inf, 1.0] if first[2] else [1.0, np.inf])
        assert np.isnan(means[2, split]).tolist() == [first[4], not first[4]]


def test_pairs_are_those_of_which_both_are_finite():
    with warnings.catch_warnings(action="error"):
        difference = paired([np.inf, np.inf, 1.0, 2.0], [np.inf, 1.0, 0.0, 1.5])
        assert paired([np.inf] * 4, [np.inf] * 4).pairs == 0
    assert (difference.mean, difference.pairs) == (0.75, 2)
