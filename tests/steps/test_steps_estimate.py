"""The honest number: on noise it is right on average, where the raw best is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunekit.halves import half_means
from tunekit.steps.estimate import counting_error, cross_fitted, standard_error


def grid_of_equal_cells(draw, cells, epochs, samples, truth, share):
    """Per-sample results, [cells * epochs, samples]: what is hard in a sample is hard for all; epochs of a cell are
    alike, cells are not better than each other."""
    hard = draw.normal(size=samples)
    rows = []
    for _ in range(cells):
        own = draw.normal(size=samples)
        for _ in range(epochs):
            latent = 0.7 * hard + 0.5 * own + 0.51 * draw.normal(size=samples)
            rows.append(latent)
    values = np.array(rows)
    if not share:
        return truth + values
    threshold = np.sqrt(0.7**2 + 0.5**2 + 0.51**2) * 1.2815515655446004  # 90 %
    return (values < threshold).astype(float)


@pytest.mark.parametrize(
    ("cells", "epochs", "samples", "share"), [(12, 1, 171, True), (12, 10, 60, True), (7, 10, 400, False)]
)
def test_on_a_grid_of_equal_cells_the_estimate_is_right_and_the_raw_best_is_not(cells, epochs, samples, share):
    draw = np.random.default_rng(0)
    truth = 0.9 if share else 3.0
    errors, raws, scale = [], [], []
    for _ in range(200):
        values = grid_of_equal_cells(draw, cells, epochs, samples, truth, share)
        halves = half_means(values)
        estimate = cross_fitted(halves, halves, maximize=True)
        errors.append(estimate.value - truth)
        raws.append(values.mean(1).max() - truth)
        scale.append(estimate.error)
    error = np.mean(scale)
    assert abs(np.mean(errors)) < error / 4
    assert np.mean(raws) > error / 2
    assert np.std(errors) == pytest.approx(error, rel=0.35)
    covered = np.abs(errors) < 2 * np.array(scale)
    assert covered.mean() > 0.88


def test_a_clearly_better_candidate_keeps_its_value_and_a_loss_is_chosen_downward():
    draw = np.random.default_rng(1)
    values = np.array([1.0, 0.5, 1.5])[:, None] + 0.01 * draw.normal(size=(3, 100))
    halves = half_means(values)
    assert cross_fitted(halves, halves, maximize=False).value == pytest.approx(values[1].mean())
    assert cross_fitted(halves, halves, maximize=True).value == pytest.approx(values[2].mean())


def test_a_candidate_without_a_finite_value_is_never_chosen():
    halves = half_means(np.array([[np.nan] * 10, [1.0] * 10]))
    estimate = cross_fitted(halves, halves, maximize=True)
    assert (estimate.value, estimate.candidates) == (1.0, 1)
    assert cross_fitted(halves[:1], halves[:1], maximize=True) is None


@given(st.integers(20, 400), st.integers(0, 1000))
def test_the_error_is_that_of_a_mean(samples, seed):
    values = np.random.default_rng(seed).normal(size=samples)
    expected = values.std(ddof=1) / np.sqrt(samples)
    assert standard_error(half_means(values[None])[0]) == pytest.approx(expected, rel=0.75)


def test_a_share_of_which_all_agree_has_an_error():
    assert 0.004 < counting_error(1.0, 171) < 0.02
    assert counting_error(0.5, 10_000) == pytest.approx(0.005, rel=0.01)
