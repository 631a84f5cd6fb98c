"""BatchNorm over few values, and behind dropout: where step 1 speaks, and sound networks on which it is silent."""

import pytest
import torch
import torchvision.models as known
from inline_run import first_step, spoken
from torch import nn

from tunekit.training.data import Batch
from tunekit.training.probes.variance_shift import measure_shifts

CODE = "dropout_before_batch_norm"


def step(model, data="clouds", **recipe):
    return first_step({"model": model, "data": data, **recipe})


def finding(result, code=CODE):
    return next((one for one in result.findings if one.code == code), None)


class Held:
    """What the probe asks of a session: a model on the CPU."""

    def __init__(self, model):
        self.model = model
        self.config = type("Config", (), {"seed": 0})

    def forward(self, model, batch):
        return model(*batch.args)


def shifts(model, x):
    return measure_shifts(Held(model), [Batch((x,), {}, torch.zeros(len(x)))])


class TestVarianceShift:
    @pytest.mark.parametrize("rate", [0.2, 0.5])
    def test_right_before_the_variance_grows_by_the_formula(self, rate):
        """Of x with mean 0 and variance v, x m / q has E[x^2] / q - E[x]^2 = v / q; q is the probability of keeping."""
        torch.manual_seed(0)
        model = nn.Sequential(nn.Dropout(rate), nn.BatchNorm1d(200))
        [shift] = shifts(model, torch.randn(2000, 200))
        assert shift.direct
        assert shift.ratio == pytest.approx(1 / (1 - rate), rel=0.01)

    def test_a_mean_adds_to_it(self):
        """Of x with mean 1 and variance 1: (2 / q - 1) / 1 = 3 at q = 0.5."""
        torch.manual_seed(0)
        [shift] = shifts(nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(200)), torch.randn(2000, 200) + 1)
        assert shift.ratio == pytest.approx(3, rel=0.02)

    def test_statistics_of_the_model_stay_as_they_were(self):
        model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(20))
        shifts(model, torch.randn(200, 20))
        assert not model[1].running_mean.any()
        assert int(model[1].num_batches_tracked) == 0

    def test_it_is_followed_through_what_has_no_weights(self):
        layers = [nn.Dropout(0.5), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(4)]
        [shift] = shifts(nn.Sequential(*layers), torch.rand(50, 4, 6, 6))
        assert shift.direct

    def test_weights_between_are_told(self):
        layers = [nn.Dropout(0.5), nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8)]
        [shift] = shifts(nn.Sequential(*layers), torch.randn(50, 4, 6, 6))
        assert not shift.direct

    def test_another_normalisation_between_ends_it(self):
        layers = [nn.Dropout(0.5), nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 8), nn.BatchNorm1d(8)]
        assert shifts(nn.Sequential(*layers), torch.randn(50, 8)) == ()

    def test_a_function_in_forward_counts_as_a_layer(self):
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.norm = nn.BatchNorm1d(8)

            def forward(self, x):
                return self.norm(nn.functional.dropout(x, 0.5, self.training).relu() * 2)

        [shift] = shifts(Model(), torch.randn(500, 8))
        assert shift.direct
        assert shift.ratio > 1.5

    @pytest.mark.parametrize(
        "layers",
        [
            [nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)],
            [nn.Dropout(0.0), nn.BatchNorm1d(8)],
            [nn.Dropout(0.5).eval(), nn.Linear(8, 3)],
            [nn.Linear(8, 8), nn.BatchNorm1d(8)],
        ],
    )
    def test_dropout_behind_the_last_batch_norm_is_none(self, layers):
        assert shifts(nn.Sequential(*layers), torch.randn(50, 8)) == ()

    @pytest.mark.parametrize(
        ("name", "args"),
        [
            ("resnet18", {}),
            ("vgg11_bn", {}),
            ("mobilenet_v2", {}),
            ("mobilenet_v3_small", {}),
            ("densenet121", {}),
            ("densenet121", {"drop_rate": 0.2}),
            ("efficientnet_b0", {}),
            ("shufflenet_v2_x0_5", {}),
        ],
    )
    @pytest.mark.long
    def test_the_networks_of_torchvision_are_sound(self, name, args):
        torch.manual_seed(0)
        model = known.get_model(name, weights=None, num_classes=10, **args)
        assert [shift for shift in shifts(model, torch.rand(16, 3, 64, 64)) if shift.ratio >= 1.5] == []

    @pytest.mark.long
    def test_of_a_densenet_that_drops_half_it_is_true(self):
        """Li et al. have DenseNet among the networks that it harms."""
        torch.manual_seed(0)
        model = known.get_model("densenet121", weights=None, num_classes=10, drop_rate=0.5)
        assert any(shift.ratio >= 1.5 for shift in shifts(model, torch.rand(16, 3, 64, 64)))


class TestDropoutBeforeBatchNorm:
    def test_right_before_it_is_a_warning(self):
        result = step("planted_wiring:dropped_norm", model_args={"rate": 0.5})
        assert spoken(result) == {CODE: "warn"}
        assert "comes right behind dropout" in finding(result).message
        assert finding(result).evidence["ratio"] > 1.8

    def test_with_weights_between_it_is_a_note(self):
        result = step("mlp", model_args={"hidden": [48, 48], "batch_norm": True, "dropout": 0.6})
        assert spoken(result) == {}
        assert finding(result).severity == "note"

    @pytest.mark.parametrize(
        "model_args",
        [
            {"hidden": [48, 48], "batch_norm": True, "dropout": 0.1},
            {"hidden": [48], "batch_norm": True, "dropout": 0.5},
            {"hidden": [48, 48], "dropout": 0.5},
        ],
    )
    def test_a_small_rate_dropout_behind_all_and_none_to_normalise_are_sound(self, model_args):
        result = step("mlp", model_args=model_args)
        assert finding(result) is None
        assert spoken(result) == {}


FEW = "normalized_by_few"


class TestFewValues:
    @pytest.mark.parametrize(
        ("batch_size", "told"),
        [(1, "of one sample"), (2, "of 2 samples")],
    )
    def test_one_or_two_samples_are_few_however_many_places_they_have(self, batch_size, told):
        result = step("planted_wiring:normed_pictures", "images", batch_size=batch_size)
        assert spoken(result)[FEW] == "warn"
        assert told in finding(result, FEW).message

    def test_four_values_a_channel_are_few(self):
        """M*P*Q = 4 * 1 * 1."""
        result = step("planted_wiring:normed", batch_size=4)
        assert spoken(result)[FEW] == "warn"
        assert finding(result, FEW).evidence["values"] == 4

    @pytest.mark.parametrize(
        ("model", "data", "batch_size"),
        [
            ("planted_wiring:normed_pictures", "images", 4),  # M*P*Q is above a hundred
            ("planted_wiring:normed", "clouds", 8),
            ("mlp", "clouds", 1),  # nothing is normalised
        ],
    )
    def test_more_values_or_no_batch_norm_are_sound(self, model, data, batch_size):
        assert FEW not in spoken(step(model, data, batch_size=batch_size))

    @pytest.mark.long
    def test_in_a_network_of_torchvision_it_is_said_too(self):
        """At 32x32 the last maps of a ResNet-18 are one pixel: four samples are four values."""
        args = {"model_args": {}, "data": "planted_data:coloured"}
        result = first_step({"model": "torchvision:resnet18", "batch_size": 4, **args})
        assert spoken(result)[FEW] == "warn"
