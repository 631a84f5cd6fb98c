"""Every layer of torch that normalises, and what comes of one: no decay, no L1, no Muon, and frozen statistics."""

import pytest
import torch
from torch import nn
from torch.nn.modules import batchnorm, instancenorm, normalization

from tests.conftest import config_of
from tunekit.training.muon import hidden_matrices
from tunekit.training.normalisations import NORMALISATIONS, averaging, keeps_statistics, normalising_parameters
from tunekit.training.optimizers import build_optimizer
from tunekit.training.regularizers import penalized_weights


class LayerNorm2d(nn.LayerNorm):
    """As timm has it: over the channels of images."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Conditional(nn.BatchNorm2d):
    """One whose scale a linear layer gives: that is no normalisation."""

    def __init__(self):
        super().__init__(4, affine=False)
        self.scale = nn.Linear(3, 4)


LAYERS = {
    "BatchNorm1d": nn.BatchNorm1d(4),
    "BatchNorm2d": nn.BatchNorm2d(4),
    "BatchNorm3d": nn.BatchNorm3d(4),
    "SyncBatchNorm": nn.SyncBatchNorm(4),
    "InstanceNorm1d": nn.InstanceNorm1d(4, affine=True, track_running_stats=True),
    "InstanceNorm2d": nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
    "InstanceNorm3d": nn.InstanceNorm3d(4, affine=True, track_running_stats=True),
    "LayerNorm": nn.LayerNorm([2, 4]),
    "GroupNorm": nn.GroupNorm(2, 4),
    "RMSNorm": nn.RMSNorm([2, 4]),
    "LayerNorm2d": LayerNorm2d(4),
}
WITHOUT_PARAMETERS = {"LocalResponseNorm", "CrossMapLRN2d"}


def test_no_layer_of_torch_is_forgotten():
    """Lazy ones become those that they stand for when they see a batch."""
    known = {name for module in (batchnorm, instancenorm, normalization) for name in module.__all__}
    assert {name for name in known if "Lazy" not in name} == {*LAYERS, *WITHOUT_PARAMETERS} - {"LayerNorm2d"}
    for lazy in (nn.LazyBatchNorm2d(), nn.LazyInstanceNorm2d(affine=True, track_running_stats=True)):
        lazy(torch.randn(2, 4, 3, 3))
        assert len(normalising_parameters(lazy)) == 2
        assert keeps_statistics(lazy)


@pytest.mark.parametrize("name", LAYERS)
def test_what_acts_on_matrices_leaves_its_parameters_alone(tmp_path, name):
    layer = LAYERS[name]
    assert isinstance(layer, NORMALISATIONS)
    model = nn.Sequential(nn.Linear(4, 4), layer, nn.Linear(4, 4), nn.Linear(4, 2), layer)
    own = {id(p) for p in layer.parameters()}
    assert normalising_parameters(model) == own
    assert not own & {id(p) for p in penalized_weights(model)}
    assert [tuple(p.shape) for p in hidden_matrices(model)] == [(4, 4), (4, 4)]
    config = config_of(optimizer={"target": "adamw", "decay_on": "weights"}, weight_decay=0.1)
    groups = build_optimizer(config, model, tmp_path).param_groups
    decaying = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    assert decaying == {id(model[place].weight) for place in (0, 2, 3)}


@pytest.mark.parametrize("name", [name for name in LAYERS if "Batch" in name or "Instance" in name])
def test_frozen_statistics_stay(name):
    layer = LAYERS[name].train()
    assert keeps_statistics(layer)
    assert (averaging(layer) == [layer]) is ("Batch" in name)
    assert averaging(layer.eval()) == []


def test_what_a_subclass_holds_besides_is_no_normalisation():
    model = nn.Sequential(nn.Conv2d(1, 4, 1), Conditional())
    assert normalising_parameters(model) == set()
    assert {id(p) for p in penalized_weights(model)} == {id(model[0].weight), id(model[1].scale.weight)}
