"""Which parameters matter, on grids whose truth is known; and what is not said, with its reason."""

import itertools
import math

import numpy as np
import pytest

from tunekit.studies import importance

OPTIMUM = 1e-2
DECAYS = (0.0, 1e-5, 1e-4, 1e-3)
WIDTHS = (32, 64, 128)


def accuracy(lr, width, rate=0.1, some=0.008):
    """The rate matters most, the width some, the decay not at all."""
    return 0.95 - rate * math.log10(lr / OPTIMUM) ** 2 + some * math.log2(width / 32)


def grid(grounds=None, factors=(0.5, 1.0, 2.0), noise=0.002, seed=0, **truth):
    draw = np.random.RandomState(seed)
    grounds = grounds or dict.fromkeys(WIDTHS, 3e-3)
    cells = []
    for width, factor, decay in itertools.product(WIDTHS, factors, DECAYS):
        params = {"lr": grounds[width] * factor, "weight_decay": decay, "model.args.width": width, "ema": None}
        cells.append((params, accuracy(params["lr"], width, **truth) + noise * draw.randn()))
    return cells


def two_way(cells):
    """The truth of a complete grid: the variance of each parameter's means, as a share of that of all (ANOVA)."""
    values = np.array([value for _, value in cells])
    shares = {}
    for name in cells[0][0]:
        levels = {str(params[name]) for params, _ in cells}
        means = [np.mean([value for params, value in cells if str(params[name]) == level]) for level in levels]
        shares[name] = float(np.var(means) / values.var())
    return shares


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"noise": 0.01},
        {"factors": (0.5, 1.0, 2.0, 4.0)},
        {"grounds": dict.fromkeys(WIDTHS, 1e-2)},  # around the optimum: the width matters most
        {"some": 0.0},
        {"factors": (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)},
    ],
)
def test_on_a_complete_grid_they_are_the_shares_of_its_variance(seed, changes):
    cells = grid(seed=seed, **changes)
    told = importance(cells, seed)
    assert told.withheld == ""
    truth = two_way(cells)
    assert set(told.shares) == {"lr", "weight_decay", "model.args.width"}  # an axis of one value is none
    assert list(told.shares) == sorted(told.shares, key=told.shares.__getitem__, reverse=True)
    for name, share in told.shares.items():
        assert share == pytest.approx(truth[name], abs=0.12), name


def test_where_a_width_has_a_rate_of_its_own_the_rate_still_matters_most():
    shares = importance(grid({32: 6e-3, 64: 3e-3, 128: 3e-3})).shares
    assert shares["lr"] > 0.8 > 0.2 > shares["model.args.width"] > shares["weight_decay"]


def test_what_parameters_do_together_is_nobodys_share():
    """Each of two augmentations wants another rate: which one it is matters nothing alone."""
    cells = []
    for rate, decay, augmented in itertools.product(range(6), range(4), (True, False)):
        value = 0.9 - 0.1 * (rate - (0 if augmented else 5)) ** 2 / 25 + 0.003 * decay
        cells.append(({"lr": 1e-3 * 2**rate, "weight_decay": 1e-5 * (1 + decay), "data.augment": augmented}, value))
    told = importance(cells)
    assert told.shares == {}
    assert "what one of them does depends on the others" in told.withheld


def test_cells_that_diverged_count_as_the_worst_where_the_rate_made_them_do_so():
    """As step 4 weighs them: without them the rate that decides most would seem to matter little."""
    cells = [(p, v) for p, v in grid(some=0.02, rate=0.01)]
    worst = min(value for params, value in cells if params["lr"] < 5e-3)
    weighed = [(params, value if params["lr"] < 5e-3 else worst - 0.1) for params, value in cells]
    assert importance(weighed).shares["lr"] > 0.8


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([], "0 trials on 0 axes"),
        (grid()[:9], "9 trials on 2 axes"),
        ([c for c in grid() if c[0]["lr"] == 3e-3 and c[0]["weight_decay"] == 0] * 4, "12 trials on 1 axis"),
        (grid(noise=1.0), "the rest is noise"),
        (grid(rate=0.0, some=0.0), "the rest is noise"),
        ([(params, 0.5) for params, _ in grid()], "explain 0% of what held-out trials differ by"),
        (grid({32: 1e-2, 64: 3e-3, 128: 1e-3}), "model.args.width and lr were not tried apart"),
        (grid({32: 1e-1, 64: 1e-2, 128: 1e-3}), "model.args.width and lr were not tried apart"),
        ([(p | {"batch_size": p["model.args.width"] * 2}, v) for p, v in grid()], "batch_size and model.args.width"),
    ],
)
def test_what_cannot_be_told_is_withheld_with_its_reason(cells, reason):
    told = importance(cells)
    assert told.shares == {}
    assert reason in told.withheld


def test_drawn_rates_are_a_range_and_lists_are_values():
    draw = np.random.RandomState(0)
    cells = []
    for _ in range(40):
        params = {"lr": float(10 ** draw.uniform(-4, -1)), "model.args.hidden": [[8], [8, 8]][draw.randint(2)]}
        cells.append((params, accuracy(params["lr"], 32) + 0.001 * draw.randn()))
    shares = importance(cells).shares
    assert shares["lr"] > 0.95
    assert shares["model.args.hidden"] < 0.05
