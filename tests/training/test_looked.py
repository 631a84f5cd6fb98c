"""What inputs come of one column, and what a split's samples show."""

import math

import numpy as np
import pytest
import torch

from tests.conftest import config_of
from tunekit.training.data import Batch, Splits, TensorSplit
from tunekit.training.probes.dataset import measure_duplicates, measure_samples
from tunekit.training.probes.looked import Looked, by_source


def widths(table, of=()):
    return [part.shape[1] for part in by_source(table, of)]


def test_flags_of_which_never_two_are_raised_come_of_one_column():
    draw = torch.Generator().manual_seed(1)
    flags = [torch.nn.functional.one_hot(torch.randint(n, (200,), generator=draw), n).float() for n in (4, 3)]
    numbers = torch.randn(200, 2, generator=draw)
    assert widths(torch.cat([numbers, *flags], 1)) == [1, 1, 4, 3]
    assert widths(torch.cat([flags[0][:, 1:] * 3 - 1, numbers, flags[1]], 1)) == [3, 1, 1, 3]


def test_inputs_that_a_table_made_of_one_column_stay_together():
    table = torch.randn(50, 6, generator=torch.Generator().manual_seed(2))
    assert widths(table, (3, 1, 2)) == [3, 1, 2]


def looked(x, y):
    return Looked(TensorSplit(Batch((x,), {}, y)))


@pytest.mark.parametrize("gaps", [(), (math.nan,), (math.inf, -math.inf)])
def test_moments_are_over_finite_values_in_whichever_batch_they_lie(gaps):
    """By numpy's own, about a base that is far away."""
    x = 1e4 + torch.randn(5000, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for at, gap in enumerate(gaps):
        x[3000 + at, 1] = gap
    known = x.where(x.isfinite(), math.nan).numpy()
    moments = looked(x, torch.zeros(5000)).moments
    assert moments.count.tolist() == x.isfinite().sum(0).tolist()
    for got, expected in (
        (moments.means, np.nanmean(known, 0)),
        (moments.stds, np.nanstd(known, 0)),
        (moments.low, np.nanmin(known, 0)),
        (moments.high, np.nanmax(known, 0)),
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("at", "value", "bytes_"),
    [(0, 7.0, True), (40, 0.5, False), (40, 256.0, False), (40, -1.0, False), (3, math.nan, True)],
)
def test_whole_numbers_from_0_to_255_are_bytes(at, value, bytes_):
    x = torch.randint(256, (50, 4), generator=torch.Generator().manual_seed(4)).float()
    x[at, 2] = value
    assert looked(x, torch.zeros(50)).bytes is bytes_


@pytest.mark.parametrize(
    ("train", "val", "torn"),
    [
        ([0, 1, 2], [0, 2, 2], 1),
        ([[0, 1], [1, 1], [0, 0]], [[0, 1], [-1, 1], [0, 1]], 1),
        ([0.5, 0.25, 0.125], [0.5, 0.25, 0.125], 0),
    ],
)
def test_shared_samples_of_other_targets_are_counted(train, val, torn):
    """A negative class of several is a marker."""
    x = torch.arange(3.0)[:, None]
    found = measure_duplicates(looked(x, torch.tensor(train)), looked(x, torch.tensor(val)))
    assert found.shared.conflicts == torn


def test_a_shared_sample_has_one_of_the_targets_that_training_gives_it():
    x = torch.tensor([[1.0], [1.0], [2.0]])
    found = measure_duplicates(looked(x, torch.tensor([0, 1, 0])), looked(x[1:], torch.tensor([1, 1])))
    assert found.shared.conflicts == 1
    assert found.conflicts is not None
    assert found.conflicts.examples == ((0, 1),)
    assert found.conflicts.share == 2 / 3


def test_known_labels_are_counted_whole_though_few_samples_are_looked_at(monkeypatch):
    monkeypatch.setattr("tunekit.training.probes.looked.WHOLE", 50)
    y = (torch.arange(400) % 8 == 0).long()
    splits = Splits(*(TensorSplit(Batch((torch.randn(len(part), 3),), {}, part)) for part in (y, y[:40])))
    found = measure_samples(Looked(splits.train), Looked(splits.val), splits, config_of())
    assert (found.train.seen, found.labels.whole, found.labels.train) == (50, True, {0: 350, 1: 50})
