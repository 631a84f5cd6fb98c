"""What inputs come of one column, and what a split's samples show."""

import torch

from tunekit.training.probes.looked import by_source


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
