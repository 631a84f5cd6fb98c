import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tunekit.training.regularizers import without_regularizers


class Calls(nn.Module):
    """A functional call of dropout in forward()."""

    def __init__(self, call):
        super().__init__()
        self.layer, self.call = nn.Linear(8, 8), call

    def forward(self, x):
        return self.call(self.layer(x))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)

    def forward(self, x):
        return self.inner(x, x, x, need_weights=False)[0]


class Scaled(nn.Module):
    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x, dropout_p=0.5)


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.inner = kind(8, 8, num_layers=2, dropout=0.5, batch_first=True)

    def forward(self, x):
        return self.inner(x)[0]


class Smoothed(nn.Module):
    """A model that computes its own loss."""

    def __init__(self, positional):
        super().__init__()
        self.positional = positional

    def forward(self, x):
        targets = torch.zeros(len(x), dtype=torch.long)
        flat = x.flatten(1)
        if self.positional:
            return F.cross_entropy(flat, targets, None, None, -100, None, "mean", 0.5)
        return F.cross_entropy(flat, targets, label_smoothing=0.5)


class DropPath(nn.Module):
    """Stochastic depth as timm writes it."""

    def __init__(self):
        super().__init__()
        self.drop_prob = 0.5

    def forward(self, x):
        keep = 1 - self.drop_prob
        return x * torch.empty(len(x), 1, 1).bernoulli_(keep) / keep


def stochastic_depth():
    from torchvision.ops import StochasticDepth

    return StochasticDepth(0.5, "row")


MODELS = {
    "Dropout": lambda: nn.Dropout(0.5),
    "Dropout1d": lambda: nn.Dropout1d(0.5),
    "AlphaDropout": lambda: nn.AlphaDropout(0.5),
    "F.dropout": lambda: Calls(lambda x: F.dropout(x, 0.5)),
    "F.dropout by name": lambda: Calls(lambda x: F.dropout(x, p=0.5, training=True)),
    "F.dropout default": lambda: Calls(F.dropout),
    "F.dropout in place": lambda: Calls(lambda x: F.dropout(x, 0.5, True, True)),
    "F.dropout1d": lambda: Calls(lambda x: F.dropout1d(x, 0.5)),
    "F.alpha_dropout": lambda: Calls(lambda x: F.alpha_dropout(x, 0.5, training=True)),
    "F.feature_alpha_dropout": lambda: Calls(lambda x: F.feature_alpha_dropout(x, 0.5, training=True)),
    "torch.dropout": lambda: Calls(lambda x: torch.dropout(x, 0.5, True)),
    "MultiheadAttention": Attention,
    "scaled_dot_product_attention": Scaled,
    "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True),
    "LSTM": lambda: Recurrent(nn.LSTM),
    "GRU": lambda: Recurrent(nn.GRU),
    "StochasticDepth": stochastic_depth,
    "DropPath": DropPath,
}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_outputs_in_train_mode_are_the_same_twice_and_those_of_eval_mode(name):
    torch.manual_seed(0)
    model = MODELS[name]().train()
    x = torch.randn(6, 5, 8)
    assert not torch.equal(model(x), model(x)), "the model draws before"
    without_regularizers(model)
    first = model(x)
    assert torch.equal(first, model(x))
    torch.testing.assert_close(first, model.eval()(x))
    assert first.abs().max() > 0


@pytest.mark.parametrize("positional", [True, False])
def test_label_smoothing_inside_the_model_is_off(positional):
    model, x = Smoothed(positional), torch.randn(4, 8)
    without_regularizers(model)
    torch.testing.assert_close(model(x), F.cross_entropy(x, torch.zeros(4, dtype=torch.long)))


def test_calls_outside_the_model_are_left_alone():
    model, x = nn.Linear(8, 8), torch.randn(6, 8)
    without_regularizers(model)
    model(x)
    assert not torch.equal(F.dropout(x), F.dropout(x))


def test_names_of_the_weights_stay():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    names = list(model.state_dict())
    without_regularizers(model)
    assert list(model.state_dict()) == names
    assert model.training


def test_a_copy_of_the_model_computes_with_its_own_weights_and_mode():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    without_regularizers(model)
    other = copy.deepcopy(model).eval()
    with torch.no_grad():
        other[0].weight.zero_()
        other[0].bias.fill_(3.0)
    torch.testing.assert_close(other(torch.randn(5, 2)), torch.full((5, 2), 3.0), rtol=1e-4, atol=1e-4)
    assert int(model[1].num_batches_tracked) == 0


def test_a_forward_that_was_set_on_the_instance_is_kept():
    model = nn.Linear(2, 2)
    model.forward = lambda x: F.dropout(x + 1, 0.5)
    without_regularizers(model)
    assert torch.equal(model(torch.zeros(3)), torch.ones(3))


@pytest.mark.parametrize("bounded", [nn.utils.parametrizations.spectral_norm, nn.utils.spectral_norm])
def test_weights_under_spectral_normalisation_go_free_with_the_values_that_they_have(bounded):
    torch.manual_seed(0)
    model = nn.Sequential(bounded(nn.Linear(6, 6)), nn.ReLU(), nn.Linear(6, 1)).eval()
    x = torch.randn(5, 6)
    before = model(x)
    without_regularizers(model)
    torch.testing.assert_close(model(x), before)
    weight = dict(model.named_parameters())["0.weight"]
    with torch.no_grad():
        weight.mul_(10)
    assert float((model(x) - before).abs().max()) > 1.0
