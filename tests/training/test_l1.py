"""L1: the subgradient exactly, on weights alone; the loss that is told is that of the data; a lasso's solution."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.conftest import config_of
from tunekit.training.loop import Session
from tunekit.training.regularizers import add_l1, penalized_weights
from tunekit.training.workbench import Workbench

LR, L1 = 0.1, 0.01
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bench():
    return Workbench(Path(), CPU)


def after_one_step(bench, **changes):
    config = config_of(model={"target": "mlp", "args": {"hidden": [8], "batch_norm": True}}, lr=LR, **changes)
    session = Session(config, bench)
    before = {name: p.detach().clone() for name, p in session.model.named_parameters()}
    [chunk] = list(session.run(1))
    return before, dict(session.model.named_parameters()), chunk.rows[0].train_loss


def test_a_step_goes_further_by_the_sign_of_each_weight_and_biases_stay_out(bench):
    before, plain, loss = after_one_step(bench)
    _, penalized, told = after_one_step(bench, l1=L1)
    assert told == loss  # of the data alone, so that it stands beside the validation loss
    for name, weight in before.items():
        own = LR * L1 * weight.sign() if weight.dim() >= 2 else torch.zeros_like(weight)
        torch.testing.assert_close(plain[name] - penalized[name], own, atol=1e-6, rtol=0)


def test_it_is_off_where_regularisers_are(bench):
    _, plain, _ = after_one_step(bench, regularize=False)
    _, asked, _ = after_one_step(bench, regularize=False, l1=L1)
    assert all(torch.equal(plain[name], asked[name]) for name in plain)


def test_the_gradient_is_that_of_a_penalty_in_the_loss():
    model = nn.Sequential(nn.Linear(5, 4), nn.LayerNorm([4]), nn.Linear(4, 1, bias=False), nn.Linear(3, 3))
    with torch.no_grad():
        model[0].weight[0, 0] = 0.0  # where the magnitude has no slope of its own: none is taken
    x = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    weights = penalized_weights(model)
    assert [tuple(w.shape) for w in weights] == [(4, 5), (1, 4), (3, 3)]
    model[:3](x).square().mean().backward()
    add_l1(weights, 0.3)
    found = [w.grad.clone() for w in weights]
    model.zero_grad()
    (model[:3](x).square().mean() + 0.3 * sum(w.abs().sum() for w in weights)).backward()
    for one, weight in zip(found, weights, strict=True):
        torch.testing.assert_close(one, weight.grad)


def test_normalisation_layers_of_two_dimensions_and_frozen_weights_are_left_out():
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm([2, 4]), nn.Embedding(3, 4))
    model[0].weight.requires_grad_(False)
    assert [tuple(w.shape) for w in penalized_weights(model)] == [(3, 4)]


def test_a_linear_model_comes_to_the_solution_of_the_lasso(tmp_path):
    """scikit-learn's Lasso has half our squared error: its alpha is l1 / 2."""
    from sklearn.linear_model import Lasso

    (tmp_path / "lasso_l.py").write_text(
        "import torch\nfrom torch.utils.data import TensorDataset\n"
        "def data():\n"
        "    draw = torch.Generator().manual_seed(0)\n"
        "    x = torch.randn(64, 10, generator=draw)\n"
        "    y = x[:, :3] @ torch.tensor([2.0, -1.0, 0.5]) + 0.1 * torch.randn(64, generator=draw)\n"
        "    return TensorDataset(x, y), TensorDataset(x, y)\n"
    )
    config = config_of(
        task="regression",
        data={"target": "lasso_l:data"},
        model={"target": "mlp", "args": {"hidden": []}},
        batch_size=64,
    )
    config = replace(config, lr=0.02, l1=0.3)
    session = Session(config, Workbench(tmp_path, CPU))
    for _ in session.run(400):
        pass
    layer = session.model[-1]
    batch = session.splits.train.batch(torch.arange(64))
    lasso = Lasso(alpha=0.15).fit(batch.args[0].numpy(), batch.targets.numpy())
    found = layer.weight.detach().numpy()[0]
    assert found == pytest.approx(lasso.coef_, abs=0.01)
    assert float(layer.bias.detach()) == pytest.approx(float(lasso.intercept_), abs=0.01)
    none = lasso.coef_ == 0
    assert none.sum() >= 6
    assert np.abs(found[none]).max() <= 0.02 * 0.3 * 1.01  # it steps to and fro around zero


def test_weight_decay_of_sgd_in_the_loss_and_beside_it_are_one(bench):
    """L2 as lambda/2 |w|^2 in the loss: w - eta * (g + lambda w) = (1 - eta * lambda) w - eta g."""
    before, plain, _ = after_one_step(bench)
    _, decayed, _ = after_one_step(bench, weight_decay=0.2)
    for name, weight in before.items():
        torch.testing.assert_close(plain[name] - decayed[name], LR * 0.2 * weight, atol=1e-6, rtol=0)


def test_weights_that_are_frozen_for_now_stay(bench):
    spec = {"target": "mlp", "args": {"hidden": [8]}, "freeze": 1}
    session = Session(config_of(model=spec, lr=LR, l1=L1), bench)
    before = {name: p.detach().clone() for name, p in session.model.named_parameters()}
    list(session.run(2))
    moved = {name for name, p in session.model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"3.weight", "3.bias"}
