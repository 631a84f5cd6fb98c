import pytest
import torch
from torch import nn

from tunekit.configuration import ModelSpec
from tunekit.training.data import Batch
from tunekit.training.models import ACTIVATIONS, build_model, has_convolutions
from tunekit.training.models.cnn import cnn
from tunekit.training.models.mlp import mlp
from tunekit.vocabulary import UserError


def sample(*shape):
    return Batch((torch.zeros(2, *shape),), {}, torch.zeros(2))


def built(target, shape=(1, 8, 8), outputs=10, folder=None, seed=0, **args):
    return build_model(ModelSpec(target, args), folder, sample(*shape), outputs, seed)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("args", "count"),
    [
        ({"hidden": []}, 64 * 10 + 10),
        ({"hidden": [5]}, 64 * 5 + 5 + 5 * 10 + 10),
        ({"hidden": [5, 3]}, 64 * 5 + 5 + 5 * 3 + 3 + 3 * 10 + 10),
        # With batch norm a layer has a scale and a shift a unit, and needs no bias.
        ({"hidden": [5], "batch_norm": True}, 64 * 5 + 2 * 5 + 5 * 10 + 10),
        ({}, 64 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10),
    ],
)
def test_parameters_of_an_mlp_are_those_counted_by_hand(args, count):
    model = built("mlp", **args)
    assert parameters(model) == count
    assert model(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


@pytest.mark.parametrize(
    ("args", "count"),
    [
        ({"channels": [4], "batch_norm": False}, (9 * 4 + 4) + (4 * 4 * 4 * 10 + 10)),
        ({"channels": [4], "batch_norm": True}, (9 * 4 + 8) + (4 * 4 * 4 * 10 + 10)),
        ({"channels": [4, 6], "hidden": [7]}, (9 * 4 + 8) + (9 * 4 * 6 + 12) + (6 * 2 * 2 * 7 + 14) + (7 * 10 + 10)),
        ({"channels": [4], "convolutions": 2}, (9 * 4 + 8) + (9 * 4 * 4 + 8) + (4 * 4 * 4 * 10 + 10)),
    ],
)
def test_parameters_of_a_cnn_are_those_counted_by_hand(args, count):
    model = built("cnn", **args)
    assert parameters(model) == count
    assert model(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_pooling_ends_where_the_image_does():
    assert cnn((3, 4, 4), 5, channels=(2, 2, 2, 2))(torch.zeros(2, 3, 4, 4)).shape == (2, 5)


def test_batch_norm_and_dropout_stand_where_they_are_asked_for():
    kinds = [type(module) for module in mlp((4,), 2, (3, 3), None, None, True, 0.5, "tanh").modules()]
    assert kinds.count(nn.BatchNorm1d) == kinds.count(nn.Dropout) == kinds.count(nn.Tanh) == 2
    assert nn.Dropout not in [type(module) for module in mlp((4,), 2).modules()]
    kinds = [type(module) for module in cnn((1, 8, 8), 2, (3,), dropout=0.5).modules()]
    assert (kinds.count(nn.BatchNorm2d), kinds.count(nn.Dropout)) == (1, 1)
    assert nn.BatchNorm2d not in [type(module) for module in cnn((1, 8, 8), 2, batch_norm=False).modules()]


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_is_used(name):
    assert built("mlp", activation=name)(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


def test_the_seed_decides_the_initial_weights():
    def first(seed):
        torch.rand(5)
        return next(built("mlp", seed=seed).parameters())

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


def test_lazy_layers_take_their_sizes_from_the_first_batch(tmp_path):
    (tmp_path / "lazy_m.py").write_text(
        "from torch import nn\ndef net(): return nn.Sequential(nn.Flatten(), nn.LazyLinear(3), nn.LazyBatchNorm1d())\n"
    )
    one, two = (built("lazy_m:net", folder=tmp_path, seed=4) for _ in range(2))
    assert one[1].weight.shape == (3, 64)
    assert torch.equal(one[1].weight, two[1].weight)


def test_models_of_torchvision_get_the_number_of_outputs():
    model = built("torchvision:squeezenet1_1", shape=(3, 32, 32), outputs=7)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
    assert has_convolutions(model)
    assert not has_convolutions(built("mlp"))


@pytest.mark.parametrize(
    ("target", "args", "message"),
    [
        ("mlpp", {}, "model.target: no model 'mlpp' (did you mean 'mlp'?); one of mlp, cnn"),
        ("mlp", {"hiden": [3]}, "model.args: mlp: got an unexpected keyword argument 'hiden'"),
        ("mlp", {"hidden": 5}, "model.args: mlp: "),
        ("mlp", {"hidden": "wide"}, "model.args: mlp: "),
        ("mlp", {"hidden": [2.5]}, "model.args: mlp: "),
        ("mlp", {"hidden": [-1]}, "model.args: mlp: "),
        ("mlp", {"dropout": 1.5}, "model.args: mlp: dropout probability"),
        ("mlp", {"dropout": "much"}, "model.args: mlp: "),
        (
            "mlp",
            {"activation": "rellu"},
            "model.args.activation: no activation 'rellu' (did you mean 'relu'?); one",
        ),
        ("mlp", {"activation": ["relu"]}, "model.args"),
        ("cnn", {"channels": [0.5]}, "model.args: cnn: "),
        ("torchvision:resnet", {}, "model.target: torchvision has no model 'resnet'"),
        ("torchvision:resnet18", {"depth": 3}, "model.args: resnet18: "),
        ("own_m:none", {}, "model.target: own_m:none must return a torch.nn.Module, not NoneType"),
        ("own_m:raises", {}, "model.target: own_m:raises raised ValueError: no (own_m.py, line 2)"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path, target, args, message):
    (tmp_path / "own_m.py").write_text("def none(): pass\ndef raises(): raise ValueError('no')\n")
    with pytest.raises(UserError) as caught:
        built(target, folder=tmp_path, **args)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_cnn_of_flat_samples_is_told():
    with pytest.raises(UserError, match=r"cnn takes images \[C, H, W\], not samples of shape \[64\]; use mlp"):
        built("cnn", shape=(64,))
    with pytest.raises(UserError, match="single input tensor"):
        build_model(ModelSpec("mlp"), None, Batch((), {"x": torch.zeros(2)}, torch.zeros(2)), 2, 0)


def test_weights_that_torchvision_does_not_know_are_told():
    with pytest.raises(UserError, match=r"no weights or option 'resnet18\.pth'; .*model\.weights: FILE"):
        built("torchvision:resnet18", (3, 8, 8), weights="resnet18.pth")
