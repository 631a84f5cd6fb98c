"""The fixed halves of a validation set."""

import numpy as np
import pytest

from tunekit.halves import half_means, halves
from tunekit.vocabulary import SPLITS


@pytest.mark.parametrize("samples", [2, 3, 40, 1001])
def test_each_split_halves_the_samples_and_differs_from_the_others(samples):
    members = halves(samples)
    assert members.shape == (SPLITS, samples)
    assert (members.sum(1) == samples // 2).all()
    if samples >= 40:
        assert len({row.tobytes() for row in members}) == SPLITS


def test_a_split_depends_on_the_number_of_samples_alone():
    before = halves(50).copy()
    halves.cache_clear()
    np.random.seed(3)
    assert (halves(50) == before).all()


def test_means_of_both_halves_stand_beside_each_other():
    values = np.random.default_rng(0).random((3, 41))
    means = half_means(values)
    assert means.shape == (3, 2 * SPLITS)
    for split, first in enumerate(halves(41)):
        np.testing.assert_allclose(means[:, 2 * split], values[:, first].mean(1))
        np.testing.assert_allclose(means[:, 2 * split + 1], values[:, ~first].mean(1))


@pytest.mark.parametrize("samples", [0, 1])
def test_too_few_samples_have_no_halves(samples):
    assert half_means(np.zeros((4, samples))).shape == (4, 0)
