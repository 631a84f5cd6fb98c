"""Windows of text: pieces that overlap are told from words that come again."""

from pydoc_data.topics import topics

import pytest
import torch

from tunekit.training.data import Batch
from tunekit.training.probes.windows import measure_windows

NAMES = ("assert", "assignment", "atom-literals", "attribute-access", "binary")


def text(words=False):
    letters = "".join(topics[name] for name in NAMES)[:20_000]
    parts = letters.split() if words else list(letters)
    numbers = {part: number for number, part in enumerate(sorted(set(parts)))}
    return torch.tensor([numbers[part] for part in parts])


def share(tokens, length, stride, order="time"):
    windows = tokens.unfold(0, length, stride)
    if order == "random":
        windows = windows[torch.randperm(len(windows), generator=torch.Generator().manual_seed(0))]
    cut = int(0.9 * len(windows))
    splits = ([Batch((part,), {}, torch.zeros(len(part)))] for part in (windows[:cut], windows[cut:]))
    return measure_windows(*splits).share


@pytest.mark.parametrize(("length", "stride"), [(12, 1), (16, 2), (32, 1), (64, 5)])
def test_windows_of_letters_that_overlap_are_told(length, stride):
    assert share(text(), length, stride, "random") > 0.5


@pytest.mark.parametrize("length", [8, 12, 16, 32])
def test_blocks_of_letters_side_by_side_share_words_by_nature(length):
    assert share(text(), length, length) < 0.05


@pytest.mark.parametrize("length", [8, 16, 32])
def test_windows_cut_in_time_share_no_more(length):
    assert share(text(), length, 1) < 0.05


def test_letters_of_few_kinds_and_blocks_of_words_meet_by_chance():
    draw = torch.Generator().manual_seed(1)
    assert share(torch.randint(4, (20_000,), generator=draw), 8, 8, "random") < 0.05
    assert share(text(words=True), 8, 8, "random") < 0.05
