"""What the names of optimizers mean: a class, its arguments, and what the steps must know of it. Builds nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tunekit.configuration import OptimizerSpec, Values

TORCH = "torch.optim"

OWN_RATE = 1.0
"""Of an optimizer that finds its rate: what it finds is multiplied by it."""


@dataclass(frozen=True)
class Optimizer:
    """What a name in a recipe means: a class and the arguments that make it what the name says.

    `target` is the name of a class of torch.optim, or `module:Class` of tunekit's own or of a library, imported when it
    is first used. The class takes the parameters, and `lr` and `weight_decay` by name.
    """

    target: str
    args: Values = field(default_factory=dict)
    rate_factor: float = 1.0  # its usual rates over Adam's: where the sweep begins and ends, and step 2's
    states: int = 2  # tensors that it keeps of each parameter
    decoupled: bool = False  # a step shrinks the weights by rate times decay, which is no part of the gradient
    finds_rate: bool = False  # it estimates its own rate, and is given 1
    averages: bool = False  # it judges by averaged weights, and so takes no schedule
    extra: str = ""  # of tunekit's distribution, that brings the library


OPTIMIZERS: dict[str, Optimizer] = {
    # Rates of plain gradient descent lie a decade above Adam's.
    "sgd": Optimizer("SGD", rate_factor=10.0, states=0),
    "momentum": Optimizer("SGD", {"momentum": 0.9}, rate_factor=10.0, states=1),
    "nesterov": Optimizer("SGD", {"momentum": 0.9, "nesterov": True}, rate_factor=10.0, states=1),
    "adagrad": Optimizer("Adagrad", rate_factor=10.0, states=1),
    "rmsprop": Optimizer("RMSprop", states=1),
    "adam": Optimizer("Adam"),
    "adamw": Optimizer("AdamW", decoupled=True),
    "muon": Optimizer("tunekit.training.muon:Muon", decoupled=True),
    "prodigy": Optimizer("pytorch_optimizer:Prodigy", states=4, decoupled=True, finds_rate=True, extra="optimizers"),
    # The authors advise 1 to 10 times AdamW's rates, and 10 to 50 times SGD's.
    "schedule-free": Optimizer(
        "pytorch_optimizer:ScheduleFreeAdamW", rate_factor=10.0, decoupled=True, averages=True, extra="optimizers"
    ),
    "schedule-free-sgd": Optimizer(
        "pytorch_optimizer:ScheduleFreeSGD", rate_factor=100.0, states=1, averages=True, extra="optimizers"
    ),
}
"""By the name in a recipe. Another one is another entry."""

CLASSES: dict[str, Optimizer] = {
    "SGD": OPTIMIZERS["sgd"],
    "ASGD": Optimizer("ASGD", rate_factor=10.0),
    "Adagrad": OPTIMIZERS["adagrad"],
    "Adadelta": Optimizer("Adadelta", rate_factor=100.0),  # 1 is torch's default: steps are in the weights' unit
    "RMSprop": OPTIMIZERS["rmsprop"],
    "AdamW": OPTIMIZERS["adamw"],
    "Adafactor": Optimizer("Adafactor", rate_factor=10.0, decoupled=True),
    "Muon": Optimizer("Muon", states=1, decoupled=True),
}
"""Classes of torch.optim of which something is known; the others are taken to be like Adam."""


def optimizer_of(target: str, args: Values | None = None) -> Optimizer:
    """What is known of a recipe's optimizer: a person's own callable is taken to be like Adam."""
    name = target.removeprefix(f"{TORCH}:")
    entry = OPTIMIZERS.get(name) or CLASSES.get(name) or Optimizer(name)
    return replace(entry, decoupled=True) if (args or {}).get("decoupled_weight_decay") else entry


def normal(target: str, args: Values) -> tuple[str, Values]:
    """One way of writing for what is built the same of several: `AdamW` is `adamw`, `sgd` with a momentum of 0.9 is
    `momentum`. A person's own callable stays as it is.

    >>> normal("torch.optim:SGD", {"momentum": 0.9, "dampening": 0.1})
    ('momentum', {'dampening': 0.1})
    """
    name = target.removeprefix(f"{TORCH}:")
    if ":" in name:
        return target, args
    entry = OPTIMIZERS.get(name, Optimizer(name))
    every = {**entry.args, **args}
    for known, other in sorted(OPTIMIZERS.items(), key=lambda item: len(item[1].args), reverse=True):
        if other.target == entry.target and all(every.get(key) == value for key, value in other.args.items()):
            return known, {key: value for key, value in every.items() if key not in other.args}
    return name, every


def states(spec: OptimizerSpec) -> int:
    """Tensors that an optimizer keeps of each parameter, as far as that is known before it has made a step."""
    entry = optimizer_of(spec.target)
    return max(entry.states, 1) if spec.args.get("momentum") else entry.states


def is_built_in(target: str) -> bool:
    """Whether a recipe's target is a name of ours or of torch's, not a person's own callable."""
    return ":" not in target or target.startswith(f"{TORCH}:")
