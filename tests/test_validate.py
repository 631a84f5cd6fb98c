"""A recipe that `validate` calls sound has gone through data, model, loss, metric and optimizer once."""

import pytest

from tests.commands import recipe
from tunekit.inspection import validate
from tunekit.pipeline import read_recipe
from tunekit.vocabulary import UserError

PIECES = """
import torch, torch.nn.functional as F
from torch import nn
from torch.utils.data import TensorDataset

def data(bad=False):
    x = torch.randn(120, 6, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    if bad:
        x[17, 2] = float("nan")
    return TensorDataset(x[:90], y[:90]), TensorDataset(x[90:], y[90:])

def net(): return nn.Linear(6, 2)
def of_number(o, t): return 1.0
def of_samples(o, t): return F.cross_entropy(o, t, reduction="none")
def sound(o, t): return F.cross_entropy(o, t)
def late(o, t):
    if not torch.is_grad_enabled() and len(o) == 30: raise ValueError("validation is another thing")
    return F.cross_entropy(o, t)
def nothing(o, t): return float("nan")
"""


@pytest.fixture
def written(tmp_path):
    (tmp_path / "pieces_v.py").write_text(PIECES)

    def write(**replaced):
        own = {"data": '{target: "pieces_v:data"}', "model": '{target: "pieces_v:net"}'}
        return read_recipe(recipe(tmp_path, **{**own, **replaced}))

    return write


def test_a_sound_recipe_is_sound(written):
    assert validate(written()).metric == "accuracy"


@pytest.mark.parametrize(
    ("replaced", "told"),
    [
        ({"optimizer": "{target: Adamm, lr: 1e-3}"}, "optimizer.target: no optimizer 'Adamm'"),
        ({"optimizer": "{target: adam, lr: 1e-3, args: {betas: 3}}"}, "optimizer.args: adam: "),
        (
            {"data": '{target: "pieces_v:data", args: {bad: true}}'},
            r"data: 1 training sample holds NaN .*\(sample 17\)",
        ),
        ({"loss": '"pieces_v:of_number"'}, "loss: must return a scalar tensor, and a real one, not a float"),
        ({"loss": '"pieces_v:of_samples"'}, r"must return a scalar tensor, and a real one, not one of shape \[\d+\]"),
        (
            {"loss": '"pieces_v:late"'},
            r"pieces_v:late raised ValueError: validation is another thing \(pieces_v.py, line",
        ),
        (
            {"model": "{target: mlp}", "search": "{model.args.activation: [relu, rellu]}"},
            r"search.model.args.activation: 'rellu': .*no activation 'rellu'",
        ),
    ],
)
def test_what_would_end_a_run_is_told_in_one_line(written, replaced, told):
    with pytest.raises(UserError, match=told) as raised:
        validate(written(**replaced))
    assert "\n" not in str(raised.value)


def test_a_metric_that_is_no_number_is_worth_a_word(written):
    assert "nothing is nan on the first batch of validation" in validate(written(metric="max pieces_v:nothing")).notes
