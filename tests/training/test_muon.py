"""Muon against its definition: which parameters it takes, and what a step of each kind is."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.conftest import config_of
from tunekit.training.muon import hidden_matrices
from tunekit.training.optimizers import build_optimizer
from tunekit.vocabulary import UserError

LR = 0.01


def built(model, **args):
    return build_optimizer(
        config_of(optimizer={"target": "muon", "args": args}, lr=LR, weight_decay=0.1), model, Path()
    )


def names(model, **args):
    taken = {id(p) for p in hidden_matrices(model, **args)}
    return {name for name, p in model.named_parameters() if id(p) in taken}


def stepped(model, optimizer):
    """What a step at drawn gradients changes, and these, by name."""
    draw = torch.Generator().manual_seed(0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = torch.randn(p.shape, generator=draw).to(memory_format=torch.preserve_format)
    optimizer.step()
    return {name: (p.detach() - before[name], before[name], p.grad) for name, p in model.named_parameters()}


def orthogonality(matrix):
    """Singular values of a step over what AdamW's size asks for: all near 1, as five iterations come near."""
    scale = 0.2 * math.sqrt(max(matrix.shape)) * LR
    return torch.linalg.svdvals(matrix.double()) / scale


@pytest.mark.parametrize("shape", [(6, 6), (12, 4), (4, 12)])
def test_a_step_on_a_matrix_is_its_orthogonalised_momentum_at_adamws_size(shape):
    """U V^T of the gradient in the first step, times 0.2 sqrt(max(rows, columns)); and decay beside it."""
    model = nn.Sequential(nn.Linear(shape[1], shape[0], bias=False), nn.Linear(shape[0], 2))
    moved, before, gradient = stepped(model, built(model))["0.weight"]
    step = -(moved + LR * 0.1 * before)
    values = orthogonality(step)
    assert values.min() > 0.6
    assert values.max() < 1.4
    u, _, vh = torch.linalg.svd(gradient.double(), full_matrices=False)
    cosine = (step.double() * (u @ vh)).sum() / (step.double().norm() * (u @ vh).norm())
    assert cosine > 0.97
    # The root mean square of a step is about AdamW's, which is 0.2 to 0.4 of the rate in long trainings.
    assert step.square().mean().sqrt() / LR == pytest.approx(0.2, rel=0.25)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_kernels_are_a_row_an_output_channel_wherever_they_lie_in_memory(layout):
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten(), nn.Linear(5, 2)).to(memory_format=layout)
    moved, before, gradient = stepped(model, built(model))["0.weight"]
    step = -(moved + LR * 0.1 * before)
    assert step.shape == (5, 3, 3, 3)
    values = orthogonality(step.flatten(1))
    assert values.min() > 0.6
    assert values.max() < 1.4
    assert (step * gradient).sum() > 0.9 * step.norm() * torch.linalg.svdvals(gradient.flatten(1)).mean()


def test_the_rest_is_stepped_as_adamw_does_at_the_same_rate():
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    for name, (moved, before, gradient) in stepped(model, built(model)).items():
        if name != "1.weight":
            expected = -LR * 0.1 * before - LR * gradient / (gradient.abs() + 1e-8)
            assert torch.allclose(moved, expected, atol=1e-6), name


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 4)
        self.place = nn.Parameter(torch.zeros(5, 4))
        self.rnn = nn.GRU(4, 4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.answer = nn.Linear(4, 9, bias=False)
        self.answer.weight = self.words.weight


def test_embeddings_the_output_layer_and_vectors_are_no_hidden_matrices():
    plain = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    assert names(plain) == {"0.weight", "3.weight"}
    assert names(plain, output=["0"]) == {"3.weight", "5.weight"}
    plain[0].weight.requires_grad_(False)
    assert names(plain) == {"3.weight"}
    matrices = {"rnn.weight_ih_l0", "rnn.weight_hh_l0", "attention.in_proj_weight", "attention.out_proj.weight"}
    assert names(Tied()) == matrices


def test_an_embedding_that_is_defined_last_is_no_output_layer():
    model = nn.ModuleDict({"tokens": nn.Embedding(9, 4), "body": nn.Linear(4, 4), "head": nn.Linear(4, 9)})
    model["places"] = nn.Embedding(5, 4)
    assert names(model) == {"body.weight"}


def test_what_it_cannot_take_is_told_in_one_line():
    with pytest.raises(UserError, match="muon: the model has no hidden matrix"):
        built(nn.Linear(3, 2))
    with pytest.raises(UserError, match="muon: output: the model has no module 'head'"):
        built(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)), output="head")
