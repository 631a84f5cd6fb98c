"""How a model is made wider: what is told is taken, and makes it so."""

import textwrap

import pytest
import torch

from tunekit.configuration import ModelSpec
from tunekit.training.data import Batch
from tunekit.training.models import MODELS, build_model, widened

WIDTH, HIDDEN = {"width": 12}, {"hidden": [12, 20]}


def told(target, folder=None, pretrained=False, weights=None, **args):
    return widened(ModelSpec(target, args, pretrained=pretrained, weights=weights), folder, 4)


@pytest.mark.parametrize(
    ("target", "args", "wider"),
    [
        ("mlp", {}, {"width": 512}),
        ("mlp", {"depth": 3}, {"width": 512}),
        ("mlp", WIDTH, {"width": 48}),
        ("mlp", HIDDEN, {"hidden": [48, 80]}),
        ("mlp", {"hidden": None}, {"width": 512}),
        ("mlp", {"hidden": []}, {}),  # a linear model has no width
        ("cnn", {}, {"width": 128}),
        ("cnn", {"channels": [4, 8]}, {"channels": [16, 32]}),
        ("cnn", {"channels": [4], "hidden": [6]}, {"channels": [16], "hidden": [24]}),
        ("cnn", {"hidden": [6]}, {"width": 128, "hidden": [24]}),
        ("resnet", {}, {"width": 4}),
        ("transformer", {}, {"width": 256}),
        ("polynomial", {}, {}),
        ("torchvision:resnet18", {}, {}),
        ("timm:resnet18", {}, {}),
    ],
)
def test_what_makes_a_model_wider_is_what_its_recipe_says_its_size_by(target, args, wider):
    assert told(target, **args) == wider


@pytest.mark.parametrize(
    ("target", "args"),
    [("mlp", {}), ("mlp", HIDDEN), ("cnn", {"channels": [4], "hidden": [6]}), ("cnn", {}), ("resnet", {"depth": 8})],
)
def test_the_wider_model_is_built_and_has_about_the_square_of_the_parameters(target, args):
    sample = Batch((torch.zeros(2, 3, 8, 8),), {}, torch.zeros(2))
    assert target in MODELS
    sizes = [
        sum(p.numel() for p in build_model(ModelSpec(target, one), None, sample, 10, 0).parameters())
        for one in (args, {**args, **told(target, **args)})
    ]
    assert 4 <= sizes[1] / sizes[0] <= 17


def test_a_model_of_ones_own_is_asked_by_its_signature(tmp_path):
    (tmp_path / "own_widths.py").write_text(
        textwrap.dedent("""
        def sized(width=8, hidden=(4, 2), deep=True): ...
        class Net:
            def __init__(self, hidden): ...
        def fixed(**kwargs): ...
        def named(width="wide", hidden=0.5, channels=True): ...
        """)
    )
    assert told("own_widths:sized", tmp_path) == {"width": 32, "hidden": [16, 8]}
    assert told("own_widths:Net", tmp_path, hidden=16) == {"hidden": 64}
    assert told("own_widths:fixed", tmp_path) == {}
    assert told("own_widths:named", tmp_path) == {}


def test_trained_weights_have_their_width():
    assert told("resnet", weights="weights.pt") == {}
    assert told("resnet", pretrained=True) == {}
