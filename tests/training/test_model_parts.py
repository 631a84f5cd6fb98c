"""The built-in families hold what their sources say: counts, variances, places of dropout, BatchNorm by hand."""

import math

import pytest
import torch
from torch import nn

from tunekit.configuration import ModelSpec
from tunekit.training.data import Batch, Splits, TensorSplit
from tunekit.training.models import build_model
from tunekit.training.models.cnn import cnn
from tunekit.training.models.layers import ACTIVATIONS, draw_weights, dropout_rates
from tunekit.training.models.mlp import mlp
from tunekit.training.models.polynomial import polynomial
from tunekit.training.models.resnet import resnet
from tunekit.training.models.transformer import transformer
from tunekit.vocabulary import UserError


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def kinds(model, *wanted):
    return [type(module) for module in model.modules() if isinstance(module, wanted)]


class TestBatchNorm:
    """Worked by hand: four values 1, 2, 3, 6 have mean 3, variance 3.5 (biased) and 14/3 (unbiased)."""

    X = torch.tensor([[1.0], [2.0], [3.0], [6.0]])

    def layer(self, setting=True):
        """One hidden unit that gives its input, then BatchNorm, then the identity above zero."""
        model = mlp((1,), 1, [1], batch_norm=setting)
        nn.init.ones_(model[1].weight)
        return model[:3]

    def test_training_takes_the_biased_variance_of_the_batch(self):
        out = self.layer().train()(self.X)
        expected = [(x - 3) / math.sqrt(3.5 + 1e-5) for x in (1, 2, 3, 6)]
        assert out.flatten().tolist() == pytest.approx(expected)

    def test_evaluation_takes_running_averages_of_the_unbiased_variance(self):
        layer = self.layer()
        layer.train()(self.X)
        norm = layer[2]
        assert norm.running_mean.item() == pytest.approx(0.9 * 0 + 0.1 * 3)
        assert norm.running_var.item() == pytest.approx(0.9 * 1 + 0.1 * 14 / 3)
        out = layer.eval()(self.X)
        expected = [(x - 0.3) / math.sqrt(0.9 + 1.4 / 3 + 1e-5) for x in (1, 2, 3, 6)]
        assert out.flatten().tolist() == pytest.approx(expected)

    def test_momentum_is_the_weight_of_what_comes_in_and_eps_is_added_below_the_root(self):
        """The notes' alpha of 0.75 is a momentum of 0.25."""
        layer = self.layer({"momentum": 0.25, "eps": 0.5})
        out = layer.train()(self.X)
        assert out.flatten().tolist() == pytest.approx([(x - 3) / 2 for x in (1, 2, 3, 6)])
        assert layer[2].running_mean.item() == pytest.approx(0.75 * 0 + 0.25 * 3)
        assert layer[2].running_var.item() == pytest.approx(0.75 * 1 + 0.25 * 14 / 3)

    def test_a_channel_of_images_has_the_mean_over_samples_and_places(self):
        """Two samples of 1 x 2 places: M*P*Q = 4 values a channel, and a second channel of twice these."""
        model = cnn((1, 1, 2), 1, [2])
        with torch.no_grad():
            model[0].weight.zero_()
            model[0].weight[0, 0, 1, 1], model[0].weight[1, 0, 1, 1] = 1.0, 2.0
        layer = model[:2].train()
        out = layer(torch.tensor([[[[1.0, 2.0]]], [[[3.0, 6.0]]]]))
        expected = [(x - 3) / math.sqrt(3.5 + 1e-5) for x in (1, 2, 3, 6)]
        assert out[:, 0].flatten().tolist() == pytest.approx(expected)
        assert out[:, 1].flatten().tolist() == pytest.approx(expected, abs=1e-5)
        assert layer[1].running_mean.tolist() == pytest.approx([0.3, 0.6])
        assert layer[1].running_var.tolist() == pytest.approx([0.9 + 1.4 / 3, 0.9 + 5.6 / 3])

    @pytest.mark.parametrize(
        "model", [mlp((4,), 2, [3, 3], batch_norm=True), cnn((1, 8, 8), 2, [3], [5]), resnet((3, 8, 8), 2)]
    )
    def test_it_stands_between_the_layer_without_a_bias_and_the_activation(self, model):
        leaves = [module for module in model.modules() if not list(module.children())]
        norms = [k for k, module in enumerate(leaves) if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
        assert norms
        for place in norms:
            assert leaves[place - 1].bias is None
            assert isinstance(leaves[place + 1], nn.ReLU | nn.Conv2d)  # of a residual block the sum comes first
        weighted = [module for module in leaves if isinstance(module, nn.Linear | nn.Conv2d)]
        assert [module.bias is None for module in weighted] == [True] * len(norms) + [False]

    @pytest.mark.parametrize("setting", [{"momentun": 0.1}, {"momentum": 1.5}, {"eps": 0}, {"momentum": True}, 3])
    def test_what_is_no_setting_is_told(self, setting):
        with pytest.raises(UserError, match=r"^model\.args: mlp: batch_norm"):
            build_model(ModelSpec("mlp", {"batch_norm": setting}), None, flat(4), 2, 0)


def flat(*shape):
    return Batch((torch.zeros(2, *shape),), {}, torch.zeros(2))


class TestDropout:
    def test_one_number_is_that_of_every_hidden_layer_and_of_no_input(self):
        assert dropout_rates(0.5, 3) == (0.0, [0.5, 0.5, 0.5])

    def test_the_first_of_several_is_that_of_the_inputs(self):
        assert dropout_rates([0.2, 0.5], 3) == (0.2, [0.5, 0.5, 0.5])
        assert dropout_rates([0.2, 0.5, 0.4], 2) == (0.2, [0.5, 0.4])
        with pytest.raises(ValueError, match=r"dropout has 3 numbers for 3 hidden layers: .* or 4 "):
            dropout_rates([0.2, 0.5, 0.5], 3)

    def test_it_is_the_probability_of_dropping_and_what_is_kept_grows(self):
        """A rate of 0.2 leaves four of five, each times 1 / 0.8; the mean stays. In evaluation nothing is done."""
        torch.manual_seed(0)
        drop = mlp((1000,), 1, [], dropout=[0.2, 0.0])[1]
        out = drop.train()(torch.ones(100, 1000))
        assert set(out.unique().tolist()) == {0.0, 1.25}
        assert (out == 0).float().mean().item() == pytest.approx(0.2, abs=0.005)
        assert torch.equal(drop.eval()(torch.ones(3, 1000)), torch.ones(3, 1000))

    def test_it_stands_behind_each_activation(self):
        model = mlp((4,), 2, [3, 3], dropout=[0.1, 0.2, 0.3])
        assert [type(layer).__name__ for layer in model] == [
            *("Flatten", "Dropout", "Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear")
        ]
        assert [layer.p for layer in model if isinstance(layer, nn.Dropout)] == [0.1, 0.2, 0.3]

    def test_of_a_cnn_each_layer_can_have_its_own(self):
        rates = [m.p for m in cnn((1, 8, 8), 2, [3, 4], [5], dropout=[0.1, 0.2, 0.3, 0.4]).modules() if hasattr(m, "p")]
        assert rates == [0.1, 0.2, 0.3, 0.4]
        assert [m.p for m in cnn((1, 8, 8), 2, [3, 4], [5], dropout=[0.1, 0.2]).modules() if hasattr(m, "p")] == [
            0.1,
            0.2,
        ]
        assert [m.p for m in cnn((1, 8, 8), 2, [3], dropout=[0.1, 0.2]).modules() if hasattr(m, "p")] == [0.1, 0.2]

    @pytest.mark.parametrize("rate", [1, -0.1, 1.5, [0.5, 2]])
    def test_what_is_no_probability_is_told(self, rate):
        with pytest.raises(UserError, match=r"^model\.args: mlp: dropout probability"):
            build_model(ModelSpec("mlp", {"dropout": rate}), None, flat(4), 2, 0)


class TestInit:
    @pytest.mark.parametrize(
        ("init", "variance"),
        [
            ("he", 2 / 400),
            ("xavier", 2 / (400 + 300)),
            ("lecun", 1 / 400),
            ("normal", 0.01**2),
            ({"normal": 0.2}, 0.04),
            ("default", 1 / (3 * 400)),
        ],
    )
    def test_weights_have_the_variance_of_the_formula(self, init, variance):
        torch.manual_seed(0)
        weight = mlp((400,), 10, [300], init=init)[1].weight
        # Of 120,000 normal draws the variance has a standard error of sqrt(2 / 120,000) = 0.4 %.
        assert weight.var().item() == pytest.approx(variance, rel=0.02)
        assert weight.mean().item() == pytest.approx(0, abs=0.01 * math.sqrt(variance))

    def test_a_kernel_counts_its_places(self):
        torch.manual_seed(0)
        convolution = nn.Conv2d(64, 128, 3)
        draw_weights([convolution], "he")
        assert convolution.weight.var().item() == pytest.approx(2 / (9 * 64), rel=0.02)
        draw_weights([convolution], "xavier")
        assert convolution.weight.var().item() == pytest.approx(2 / (9 * 64 + 9 * 128), rel=0.02)
        assert not convolution.bias.any()

    def test_he_keeps_the_signal_through_twenty_layers_of_relu_and_small_numbers_lose_it(self):
        """He et al., 2015: half of 2/n for each layer, so the mean square stays. Standard deviations of 0.01 shrink it
        by a factor of 200 * 0.01^2 / 2 a layer."""
        torch.manual_seed(0)
        x = torch.randn(500, 200)

        def last(init):
            return mlp((200,), 1, depth=20, width=200, init=init)[:-1](x).square().mean().item()

        assert 0.2 < last("he") < 2.5
        assert last("normal") < 1e-30

    @pytest.mark.parametrize("init", ["hee", 3, {"normal": -1}, {"uniform": 1}, None])
    def test_what_is_no_initialisation_is_told(self, init):
        with pytest.raises(UserError, match=r"^model\.args: mlp: init"):
            build_model(ModelSpec("mlp", {"init": init}), None, flat(4), 2, 0)


class TestDepthAndWidth:
    def test_they_stand_for_a_list(self):
        def shapes(model):
            return [p.shape for p in model.parameters()]

        assert shapes(mlp((4,), 2, depth=3, width=7)) == shapes(mlp((4,), 2, [7, 7, 7]))
        assert shapes(mlp((4,), 2, depth=0)) == shapes(mlp((4,), 2, []))
        assert shapes(mlp((4,), 2, width=9)) == shapes(mlp((4,), 2, [9, 9]))
        assert shapes(cnn((1, 8, 8), 2, depth=3, width=4)) == shapes(cnn((1, 8, 8), 2, [4, 8, 16]))

    @pytest.mark.parametrize("args", [{"hidden": [3], "depth": 2}, {"depth": 1.5}, {"width": 0}, {"depth": -1}])
    def test_what_does_not_fit_is_told(self, args):
        with pytest.raises(UserError, match=r"^model\.args: mlp: "):
            build_model(ModelSpec("mlp", args), None, flat(4), 2, 0)


class TestResnet:
    @pytest.mark.parametrize(("depth", "count"), [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018)])
    def test_parameters_are_those_of_the_paper(self, depth, count):
        """He et al., table 6, has 0.27, 0.46, 0.66 and 0.85 million."""
        model = resnet((3, 32, 32), 10, depth)
        assert parameters(model) == count
        layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert len(layers) == depth

    def test_the_maps_are_halved_twice(self):
        seen = []
        model = resnet((3, 32, 32), 10)
        for module in model:
            module.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape[1:])))
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
        assert list(dict.fromkeys(seen))[:3] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]

    def test_without_its_residues_a_block_is_the_identity(self):
        """Every second place, and zeros for the channels that come in."""
        model = resnet((3, 8, 8), 10, 8, batch_norm=False)
        block = model[3].eval()
        for layer in block.body:
            if isinstance(layer, nn.Conv2d):
                nn.init.zeros_(layer.weight)
        x = torch.rand(2, 16, 8, 8)
        out = block(x)
        assert torch.equal(out[:, :16], x[:, :, ::2, ::2])
        assert out.shape == (2, 32, 4, 4)
        assert not out[:, 16:].any()

    def test_width_multiplies_channels(self):
        assert [m.out_channels for m in resnet((1, 8, 8), 2, 8, 3).modules() if isinstance(m, nn.Conv2d)] == [
            *([48] * 3 + [96] * 2 + [192] * 2)
        ]

    @pytest.mark.parametrize("depth", [18, 34, 2, 21, 20.0])
    def test_another_depth_is_told(self, depth):
        with pytest.raises(UserError, match="depth"):
            build_model(ModelSpec("resnet", {"depth": depth}), None, flat(3, 8, 8), 2, 0)


class TestTransformer:
    def tokens(self, targets, vocab=7, length=6):
        x = torch.randint(0, vocab, (20, length))
        x[0, 0] = vocab - 1
        every = TensorSplit(Batch((x,), {}, targets))
        return every.batch(torch.arange(2)), lambda: Splits(every, every)

    def built(self, targets, outputs, **args):
        sample, whole = self.tokens(targets)
        return build_model(ModelSpec("transformer", args), None, sample, outputs, 0, whole), sample

    def test_a_target_at_each_place_gives_an_output_at_each_place(self):
        model, sample = self.built(torch.zeros(20, 6, dtype=torch.long), 7)
        assert model.tokens.num_embeddings == 7
        assert model(sample.args[0]).shape == (2, 6, 7)

    def test_a_target_a_sequence_gives_one_output(self):
        model, sample = self.built(torch.zeros(20, dtype=torch.long), 3)
        assert model(sample.args[0]).shape == (2, 3)

    def test_no_place_sees_those_after_it(self):
        model, _ = self.built(torch.zeros(20, 6, dtype=torch.long), 7, depth=3)
        model.eval()
        x = torch.zeros(1, 6, dtype=torch.long)
        for place in range(6):
            changed = x.clone()
            changed[0, place] = 3
            moved = (model(changed) != model(x)).any(2)[0].tolist()
            assert moved == [k >= place for k in range(6)]

    def test_all_places_see_each_other_where_it_is_said_and_for_one_class(self):
        x = torch.zeros(1, 6, dtype=torch.long)
        changed = x.clone()
        changed[0, 5] = 3
        model, _ = self.built(torch.zeros(20, 6, dtype=torch.long), 7, causal=False)
        assert (model.eval()(changed) != model(x)).any(2).all()

    @pytest.mark.parametrize("each_place", [False, True])
    @pytest.mark.parametrize("causal", [False, True])
    @pytest.mark.parametrize("left", [False, True])
    def test_padding_changes_nothing_of_what_is_real(self, each_place, causal, left):
        """A sequence of padding alone has numbers too, and slopes."""
        torch.manual_seed(0)
        model = transformer((6,), 3, 9, each_place, causal=causal, padding=0)
        x = torch.randint(1, 9, (4, 6))
        real = torch.arange(6) >= 2 if left else torch.arange(6) < 4
        x[:, ~real] = 0
        out = model(x)
        with torch.no_grad():
            model.tokens.weight[0] += 5.0
        again = model(x)
        picks = (slice(None), real) if each_place else ()
        torch.testing.assert_close(out[picks], again[picks])
        x[0] = 0
        loss = model(x).square().mean()
        loss.backward()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
        if not left:
            torch.testing.assert_close(again[1:, :4] if each_place else again[1:], model(x[:, :4])[1:])

    def test_a_padding_that_is_no_token_is_told(self):
        with pytest.raises(ValueError, match="padding is one of the tokens, from 0 to 8, not 9"):
            transformer((6,), 3, 9, padding=9)

    def test_parameters_are_those_counted_by_hand(self):
        block = (64 * 192 + 192) + (64 * 64 + 64) + (64 * 256 + 256) + (256 * 64 + 64) + 4 * 64
        model, _ = self.built(torch.zeros(20, 6, dtype=torch.long), 7)
        assert parameters(model) == 7 * 64 + 6 * 64 + 2 * block + 2 * 64 + (64 * 7 + 7)

    def test_the_first_outputs_are_near_those_that_know_nothing(self):
        model, sample = self.built(torch.zeros(20, 6, dtype=torch.long), 7)
        assert model(sample.args[0]).std() < 0.3

    def test_what_does_not_fit_is_told(self):
        sample, whole = self.tokens(torch.zeros(20, dtype=torch.long))
        for args, text in [({"heads": 5}, "multiple of heads"), ({"length": 3}, "length"), ({"depth": 0}, "depth")]:
            with pytest.raises(UserError, match=text):
                build_model(ModelSpec("transformer", args), None, sample, 2, 0, whole)
        with pytest.raises(UserError, match="whole numbers, one a token"):
            build_model(ModelSpec("transformer", {}), None, flat(4), 2, 0)
        with pytest.raises(UserError, match=r"takes tokens \[B, T\]"):
            transformer((3, 4), 2, 5)
        with pytest.raises(UserError, match="tokens from 0 to 9, and 4 are known; say how many: vocab"):
            transformer((2,), 2, 4)(torch.tensor([[0, 9]]))


class TestPolynomial:
    @pytest.mark.parametrize(("inputs", "degree", "terms"), [(1, 9, 9), (2, 3, 9), (3, 2, 9), (64, 2, 2144)])
    def test_it_has_as_many_terms_as_there_are_products(self, inputs, degree, terms):
        """C(n + d, d) - 1 without the constant, which is the bias."""
        model = polynomial((inputs,), 1, degree)
        assert model(torch.zeros(2, inputs)).shape == (2, 1)
        assert model[1].in_features == terms

    @pytest.mark.parametrize("degree", [1, 2, 9])
    def test_its_terms_are_orthonormal_over_the_range(self, degree):
        x = torch.linspace(-3, 5, 20_001).unsqueeze(1)
        terms = polynomial((1,), 1, degree, (torch.tensor([-3.0]), torch.tensor([5.0])))[0](x)
        assert torch.allclose(terms.T @ terms / len(x), torch.eye(degree), atol=0.01)

    def test_they_span_the_powers(self):
        x = torch.linspace(-1, 1, 50).unsqueeze(1).double()
        terms = polynomial((1,), 1, 4)[0].double()(x)
        known = torch.cat([torch.ones_like(terms[:, :1]), terms], 1)
        powers = torch.cat([x**k for k in range(5)], 1)
        left = powers - known @ torch.linalg.lstsq(known, powers).solution
        assert left.abs().max() < 1e-10

    def test_products_of_two_inputs_are_among_them(self):
        x = torch.rand(200, 2).double() * 2 - 1
        terms = polynomial((2,), 1, 2)[0].double()(x)
        known = torch.cat([torch.ones_like(terms[:, :1]), terms], 1)
        wanted = (x[:, :1] * x[:, 1:]) - x[:, :1] ** 2 + 3 * x[:, 1:]
        assert (wanted - known @ torch.linalg.lstsq(known, wanted).solution).abs().max() < 1e-10

    def test_it_takes_the_range_of_the_training_samples(self):
        every = TensorSplit(Batch((torch.tensor([[2.0], [10.0]]),), {}, torch.zeros(2)))
        model = build_model(
            ModelSpec("polynomial", {}), None, every.batch(torch.arange(2)), 1, 0, lambda: Splits(every, every)
        )
        assert (model[0].low.item(), model[0].high.item()) == (2.0, 10.0)

    def test_it_begins_at_zero(self):
        assert not polynomial((2,), 1, 3)(torch.rand(5, 2)).any()

    def test_more_terms_than_can_be_used_are_refused(self):
        with pytest.raises(UserError, match="degree 9 of 64 inputs has"):
            build_model(ModelSpec("polynomial", {"degree": 9}), None, flat(64), 1, 0)


FORMULAS = {
    "relu": lambda x: max(0, x),
    "leaky_relu": lambda x: max(0.01 * x, x),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "tanh": lambda x: (math.exp(x) - math.exp(-x)) / (math.exp(x) + math.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
}


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_an_activation_is_its_formula(name):
    x = torch.tensor([-3.0, -0.5, 0.0, 0.7, 2.0])
    assert ACTIVATIONS[name]()(x).tolist() == pytest.approx([FORMULAS[name](value) for value in x.tolist()], abs=1e-6)
