import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.conftest import config_of
from tunekit.recipe.optimizers import CLASSES, OPTIMIZERS, Optimizer, optimizer_of
from tunekit.training.optimizers import build_optimizer
from tunekit.vocabulary import UserError

LR, DECAY, START, AIM = 0.1, 0.2, 2.0, 3.0


class One(nn.Module):
    """One parameter p; the gradient of (p - 3)^2 / 2 is p - 3."""

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([START], dtype=torch.float64))


def gradient(p):
    return p - AIM


def sgd():
    p = START
    while True:
        p -= LR * (gradient(p) + DECAY * p)
        yield p


def momentum(nesterov=False):
    p, speed = START, 0.0
    while True:
        g = gradient(p) + DECAY * p
        speed = 0.9 * speed + g
        p -= LR * (g + 0.9 * speed if nesterov else speed)
        yield p


def adagrad():
    p, total = START, 0.0
    while True:
        g = gradient(p) + DECAY * p
        total += g * g
        p -= LR * g / (math.sqrt(total) + 1e-10)
        yield p


def rmsprop():
    p, mean = START, 0.0
    while True:
        g = gradient(p) + DECAY * p
        mean = 0.99 * mean + 0.01 * g * g
        p -= LR * g / (math.sqrt(mean) + 1e-8)
        yield p


def adam(decoupled=False):
    p, m, v, step = START, 0.0, 0.0, 0
    while True:
        g, step = gradient(p), step + 1
        if decoupled:
            p -= LR * DECAY * p
        else:
            g += DECAY * p
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        p -= LR * (m / (1 - 0.9**step)) / (math.sqrt(v / (1 - 0.999**step)) + 1e-8)
        yield p


BY_HAND = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": lambda: momentum(nesterov=True),
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": lambda: adam(decoupled=True),
}


def test_every_optimizer_has_its_formula_below():
    assert set(BY_HAND) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_the_first_updates_follow_the_published_formula(make_config, tmp_path, name):
    model, by_hand = One(), BY_HAND[name]()
    config = make_config(optimizer={"target": name, "args": {}}, lr=LR, weight_decay=DECAY)
    optimizer = build_optimizer(config, model, tmp_path)
    for _ in range(3):
        optimizer.zero_grad()
        ((model.p - AIM) ** 2 / 2).sum().backward()
        optimizer.step()
        assert model.p.item() == pytest.approx(next(by_hand), abs=1e-9)


def after(make_config, tmp_path, name, gradients, start=0.0, **args):
    """Where a weight is after steps with these gradients at eta = 0.1, without decay."""
    model = One()
    model.p.data.fill_(start)
    optimizer = build_optimizer(make_config(optimizer={"target": name, "args": args}, lr=0.1), model, tmp_path)
    for g in gradients:
        model.p.grad = torch.full_like(model.p, g)
        optimizer.step()
    return model.p.item()


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("sgd", [-0.2, -0.4]),  # w - eta*g
        ("momentum", [-0.2, -0.58]),  # v = -0.2, then 0.9 * -0.2 - 0.2 = -0.38
        ("nesterov", [-0.38, -0.922]),  # each time the step that the next velocity will take: -0.2 + 0.9 * -0.2, ...
        ("adagrad", [-0.1, -0.1 - 0.1 / math.sqrt(2)]),  # c = 4, 8: 0.2 / 2, then 0.2 / sqrt(8)
        ("rmsprop", [-1.0, -1.0 - 0.2 / math.sqrt(0.0796)]),  # c = 0.04, 0.0796, not corrected
        ("adam", [-0.1, -0.2]),  # both corrected: m = g, c = g^2
        ("adamw", [-0.1, -0.2]),
    ],
)
def test_a_weight_of_zero_with_gradient_2_at_eta_0_1_moves_as_in_the_textbook(make_config, tmp_path, name, steps):
    for count, expected in enumerate(steps, start=1):
        assert after(make_config, tmp_path, name, [2.0] * count) == pytest.approx(expected, abs=1e-6)


def test_accumulated_squares_of_1_and_100_give_steps_of_10_to_1(make_config, tmp_path):
    """After gradients whose squares sum to 1 and to 100, the same small gradient moves one weight ten times as far."""
    moved = []
    for before in (1.0, 10.0):
        behind = after(make_config, tmp_path, "adagrad", [before])
        moved.append(after(make_config, tmp_path, "adagrad", [before, 1e-6]) - behind)
    assert moved[0] / moved[1] == pytest.approx(10.0, rel=1e-4)


@given(
    name=st.sampled_from(["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"]),
    gradients=st.lists(st.floats(-5, 5).filter(lambda g: abs(g) > 0.01), min_size=1, max_size=6),
    start=st.floats(-3, 3),
    rate=st.floats(1e-3, 0.5),
)
@settings(max_examples=60)
def test_updates_follow_the_formulas_of_the_notes_for_any_gradients(name, gradients, start, rate):
    """The formulas as the course writes them, eps aside: v = gamma*v - eta*g and w = w + v; c = c + g^2;
    c = gamma*c + (1 - gamma)*g^2; m and c over 1 - beta^t."""
    w, v, c, m = start, 0.0, 0.0, 0.0
    model = One()
    model.p.data.fill_(start)
    optimizer = build_optimizer(config_of(optimizer={"target": name, "args": {}}, lr=rate), model, Path())
    for t, g in enumerate(gradients, start=1):
        if name == "sgd":
            w -= rate * g
        elif name in ("momentum", "nesterov"):
            before, v = v, 0.9 * v - rate * g
            w += v if name == "momentum" else -0.9 * before + 1.9 * v  # the notes' nesterov, in the looked-ahead weight
        elif name in ("adagrad", "rmsprop"):
            c = c + g * g if name == "adagrad" else 0.99 * c + 0.01 * g * g
            w -= rate * g / math.sqrt(c)
        else:
            m, c = 0.9 * m + 0.1 * g, 0.999 * c + 0.001 * g * g
            w -= rate * (m / (1 - 0.9**t)) / math.sqrt(c / (1 - 0.999**t))
        model.p.grad = torch.full_like(model.p, g)
        optimizer.step()
        assert model.p.item() == pytest.approx(w, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", ["adagrad", "rmsprop", "adam", "adamw"])
def test_epsilon_stands_outside_of_the_root(make_config, tmp_path, name):
    """eta*g / (sqrt(c) + eps), not eta*g / sqrt(c + eps): at g = 1, eps = 3 a quarter of eta against half of it."""
    c = 0.01 if name == "rmsprop" else 1.0
    moved = after(make_config, tmp_path, name, [1.0], eps=3.0)
    assert moved == pytest.approx(-0.1 / (math.sqrt(c) + 3.0), rel=1e-6)


def test_a_rate_that_changes_acts_at_once_on_momentum(make_config, tmp_path):
    """torch's v holds gradients and the rate stands before it: at rate zero the weight stands still. The notes' v holds
    steps and would carry it on."""
    model = One()
    optimizer = build_optimizer(make_config(optimizer={"target": "momentum"}, lr=0.1), model, tmp_path)
    for rate, moves in ((0.1, True), (0.0, False)):
        before = model.p.item()
        optimizer.param_groups[0]["lr"] = rate
        model.p.grad = torch.ones_like(model.p)
        optimizer.step()
        assert (model.p.item() != before) is moves


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_without_regularizers_there_is_no_decay(make_config, tmp_path, name):
    config = make_config(optimizer={"target": name, "args": {}}, weight_decay=DECAY, regularize=False)
    model = One()
    optimizer = build_optimizer(config, model, tmp_path)
    model.p.grad = torch.zeros_like(model.p)
    optimizer.step()
    assert model.p.item() == START


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_decay_shrinks_a_weight_whose_gradient_is_zero(make_config, tmp_path, name):
    model = One()
    optimizer = build_optimizer(
        make_config(optimizer={"target": name, "args": {}}, weight_decay=DECAY), model, tmp_path
    )
    model.p.grad = torch.zeros_like(model.p)
    optimizer.step()
    assert 0 < model.p.item() < START


def test_a_class_of_our_own_is_one_entry(make_config, tmp_path, monkeypatch):
    (tmp_path / "lion_entry.py").write_text(
        "import torch\n"
        "class Lion(torch.optim.SGD):\n"
        "    def __init__(self, params, lr, weight_decay, beta=0.5): super().__init__(params, lr, beta)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(OPTIMIZERS, "lion", Optimizer("lion_entry:Lion", {"beta": 0.9}, rate_factor=0.1))
    config = make_config(optimizer={"target": "lion"}, lr=0.25)
    assert build_optimizer(config, One(), tmp_path).param_groups[0]["momentum"] == 0.9
    assert optimizer_of("lion").rate_factor == 0.1
    with pytest.raises(UserError, match="lion: got an unexpected keyword argument 'gamma'"):
        build_optimizer(make_config(optimizer={"target": "lion", "args": {"gamma": 1}}), One(), tmp_path)


def test_arguments_and_classes_of_torch_are_taken(make_config, tmp_path):
    optimizer = build_optimizer(
        make_config(optimizer={"target": "adam", "args": {"betas": [0.5, 0.6]}}), One(), tmp_path
    )
    assert list(optimizer.param_groups[0]["betas"]) == [0.5, 0.6]
    for target in ("NAdam", "torch.optim:NAdam"):
        assert isinstance(
            build_optimizer(make_config(optimizer={"target": target, "args": {}}), One(), tmp_path), torch.optim.NAdam
        )


@pytest.mark.parametrize(
    ("target", "args", "message"),
    [
        ("adm", {}, "optimizer.target: no optimizer 'adm'; one of sgd, momentum"),
        ("lr_scheduler", {}, "optimizer.target: no optimizer 'lr_scheduler'"),
        ("adam", {"beta": 1}, "optimizer.args: adam: "),
        ("adam", {"betas": [2, 3]}, "optimizer.args: adam: Invalid beta"),
        ("adam", {"lr": 1.0}, "optimizer.args.lr: stands as optimizer.lr"),
        ("LBFGS", {}, "optimizer.args: LBFGS: "),
        ("lists_o:none", {}, "optimizer.target: lists_o:none must return one torch.optim.Optimizer"),
        ("lists_o:raises", {}, "optimizer.target: lists_o:raises raised ZeroDivisionError"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(make_config, tmp_path, target, args, message):
    (tmp_path / "lists_o.py").write_text(
        "def none(parameters, lr, weight_decay): return [1]\ndef raises(parameters, **args): 1 / 0\n"
    )
    with pytest.raises(UserError) as caught:
        build_optimizer(make_config(optimizer={"target": target, "args": args}), One(), tmp_path)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_model_without_trainable_parameters_is_told(make_config, tmp_path):
    with pytest.raises(UserError, match="no parameter trains"):
        build_optimizer(make_config(), nn.ReLU(), tmp_path)


def test_frozen_parameters_are_left_out(make_config, tmp_path):
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    optimizer = build_optimizer(make_config(), model, tmp_path)
    assert optimizer.param_groups[0]["params"] == [model.weight]


def test_rates_of_plain_gradient_descent_lie_a_decade_above_adams():
    assert {name: entry.rate_factor for name, entry in OPTIMIZERS.items()} == {
        **dict.fromkeys(("sgd", "momentum", "nesterov", "adagrad"), 10.0),
        **dict.fromkeys(("rmsprop", "adam", "adamw"), 1.0),
    }
    assert optimizer_of("lion:Lion").rate_factor == optimizer_of("NAdam").rate_factor == 1.0


@pytest.mark.parametrize(("name", "target"), [("sgd", "SGD"), ("adagrad", "torch.optim:Adagrad"), ("adamw", "AdamW")])
def test_a_class_of_torch_is_known_by_its_name_too(name, target):
    known = optimizer_of(target)
    assert (known.rate_factor, known.decoupled) == (OPTIMIZERS[name].rate_factor, OPTIMIZERS[name].decoupled)


@pytest.mark.parametrize("target", [*OPTIMIZERS, *CLASSES, "NAdam"])
def test_a_decay_is_called_decoupled_where_gradients_of_any_size_leave_it_alone(make_config, tmp_path, target):
    """What decay adds to a first step is rate x decay x weight, beside small gradients and beside large ones."""
    shrunk = []
    for gradient in (0.5, 50.0):
        ends = []
        for decay in (0.0, DECAY):
            model = nn.Linear(1, 1, bias=False).double()
            model.weight.data.fill_(START)
            config = make_config(optimizer={"target": target}, lr=1e-3, weight_decay=decay)
            optimizer = build_optimizer(config, model, tmp_path)
            model.weight.grad = torch.full_like(model.weight, gradient)
            optimizer.step()
            ends.append(model.weight.item())
        shrunk.append(ends[0] - ends[1])
    is_decoupled = shrunk == pytest.approx([1e-3 * DECAY * START] * 2, rel=1e-4)
    assert is_decoupled is (optimizer_of(target).decoupled or target in ("sgd", "momentum", "SGD", "ASGD"))
