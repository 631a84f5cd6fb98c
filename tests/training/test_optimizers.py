import math

import pytest
import torch
from torch import nn

from tunekit.training.optimizers import OPTIMIZERS, Optimizer, build_optimizer, tiny_rate_factor
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
    monkeypatch.setitem(OPTIMIZERS, "lion", Optimizer("lion_entry:Lion", {"beta": 0.9}, tiny_rate_factor=0.1))
    config = make_config(optimizer={"target": "lion"}, lr=0.25)
    assert build_optimizer(config, One(), tmp_path).param_groups[0]["momentum"] == 0.9
    assert tiny_rate_factor("lion") == 0.1
    with pytest.raises(UserError, match="lion: got an unexpected keyword argument 'gamma'"):
        build_optimizer(make_config(optimizer={"target": "lion", "args": {"gamma": 1}}), One(), tmp_path)


def test_rates_of_the_tiny_set_lie_a_decade_higher_for_plain_gradient_descent():
    high = {name for name in OPTIMIZERS if tiny_rate_factor(name) == 10.0}
    assert high == {"sgd", "momentum", "nesterov", "adagrad"}
    assert {tiny_rate_factor(name) for name in {*OPTIMIZERS} - high} == {1.0}
    assert tiny_rate_factor("own:make") == tiny_rate_factor("torch.optim:SGD") == 1.0


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
    assert {name: tiny_rate_factor(name) for name in OPTIMIZERS} == {
        **dict.fromkeys(("sgd", "momentum", "nesterov", "adagrad"), 10.0),
        **dict.fromkeys(("rmsprop", "adam", "adamw"), 1.0),
    }
    assert tiny_rate_factor("lion:Lion") == 1.0
