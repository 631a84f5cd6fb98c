"""Columns that say a target, and flags that equal one by chance."""

import pytest
import torch

from tunekit.training.probes.giveaways import find_giveaway


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_a_rare_label_equals_some_rare_word_by_chance(samples):
    """Each set of so many samples is that of some word: each label is one of them."""
    draw = torch.Generator().manual_seed(samples)
    words = torch.zeros(1000, 40)
    words[torch.randperm(1000, generator=draw)[: 40 * samples], torch.arange(40).repeat_interleave(samples)] = 1
    labels = words[:, [3, 17]]
    assert find_giveaway(words, labels, classes=True) is None


@pytest.mark.parametrize("value", [1.0, 5.0])
def test_a_class_that_is_seldom_but_no_coincidence_is_told(value):
    inputs = torch.randn(1000, 5, generator=torch.Generator().manual_seed(1))
    labels = torch.zeros(1000, 2)
    labels[::50, 1] = 1
    inputs[:, 2] = value * labels[:, 1]
    found = find_giveaway(inputs, labels, classes=True)
    assert found is not None
    assert (found.feature, found.target, found.says) == (2, 1, "class")


def test_a_rare_class_among_many_hides_no_column_that_says_all():
    draw = torch.Generator().manual_seed(2)
    labels = torch.randint(5, (1000,), generator=draw)
    labels[7] = 5
    inputs = torch.randn(1000, 5, generator=draw)
    inputs[:, 4] = torch.tensor([3.0, 9.0, 1.0, 7.0, 2.0, 8.0])[labels]
    found = find_giveaway(inputs, labels, classes=True)
    assert found is not None
    assert found.feature == 4
