"""What the built-in models are made of: activations, BatchNorm, dropout by layer, and how weights are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from tunekit.configuration import Values
from tunekit.recipe.text import kind_of, nearest
from tunekit.telling import counted
from tunekit.vocabulary import UserError

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}

INITS: dict[str, Callable[[int, int], float]] = {
    "he": lambda fan_in, _: 2 / fan_in,
    "xavier": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "lecun": lambda fan_in, _: 1 / fan_in,
}
"""Variance of a normal distribution with mean 0, by what goes into a unit and what a unit goes into. He et al.,
'Delving Deep into Rectifiers', ICCV 2015; Glorot and Bengio, AISTATS 2010; LeCun et al., 'Efficient BackProp', 1998."""

SMALL = 0.01  # standard deviation of `init: normal`: the notes' small random numbers

NormSetting = bool | Mapping[str, float]
"""`batch_norm` of a recipe: true, false, or BatchNorm's momentum and eps."""
DropoutSetting = float | Sequence[float]
"""`dropout` of a recipe: of all hidden layers, or of the inputs and of each layer."""
InitSetting = str | Mapping[str, float]
"""`init` of a recipe: a name, or `{normal: STANDARD DEVIATION}`."""

Norm = Callable[[int], nn.Module]


def activation_of(name: str) -> nn.Module:
    """Errors: UserError."""
    if name not in ACTIVATIONS:
        known = f"{nearest(str(name), ACTIVATIONS)}; one of {', '.join(ACTIVATIONS)}"
        raise UserError(f"model.args.activation: no activation {name!r}{known}")
    return ACTIVATIONS[name]()


def norm_of(setting: NormSetting, kind: Callable[..., nn.Module]) -> Norm | None:
    """How a layer of so many channels is normalised, by BatchNorm of a kind; None for none.

    A channel's mean and variance are those of its M*P*Q values in the batch (M samples of P x Q places); evaluation
    takes running averages of them, of the unbiased variance. `momentum` is the weight of what comes in: torch's 0.1 is
    an alpha of 0.9 where the average is alpha*old + (1 - alpha)*new. Ioffe and Szegedy, ICML 2015. Errors: ValueError.
    """
    if isinstance(setting, bool):
        return kind if setting else None
    if not isinstance(setting, Mapping):
        raise ValueError(f"batch_norm must be true, false or {{momentum: 0.1, eps: 1e-5}}, not {kind_of(setting)}")
    for name, value in setting.items():
        if name not in ("momentum", "eps"):
            raise ValueError(f"batch_norm: unknown key {name!r}{nearest(str(name), ['momentum', 'eps'])}")
        if not _is_number(value) or not (0 < value <= 1):
            raise ValueError(f"batch_norm.{name} must be a number above 0, at most 1, not {value!r}")
    return lambda channels: kind(channels, **setting)


def dropout_rates(setting: DropoutSetting, layers: int) -> tuple[float, list[float]]:
    """The probability of dropping an input, and that of each hidden layer's outputs. One number is that of every hidden
    layer; of several the first is that of the inputs, and there follows one for all layers or one for each.
    Errors: ValueError."""
    rates: list[Any] = list(setting) if isinstance(setting, list | tuple) else [0.0, setting]
    for rate in rates:
        if not _is_number(rate) or not 0 <= rate < 1:
            raise ValueError(f"dropout probability (of dropping) must be from 0 to below 1, not {rate!r}")
    if len(rates) == 2:
        return rates[0], [rates[1]] * layers
    if len(rates) != layers + 1:
        each = f", or {layers + 1} (of the inputs, and of each)" if layers > 1 else ""
        raise ValueError(
            f"dropout has {len(rates)} numbers for {counted(layers, 'hidden layer')}: give one for all of them, two "
            f"(of the inputs, and of all of them){each}"
        )
    return rates[0], rates[1:]


def dropped(rate: float) -> list[nn.Module]:
    """A layer that drops at a rate, where there is something to drop. In training what is kept is divided by 1 - rate,
    so evaluation is the plain network (inverted dropout)."""
    return [nn.Dropout(rate)] if rate else []


def draw_weights(layers: Iterable[nn.Module], init: InitSetting) -> None:
    """Draw the weights of linear and convolution layers anew, their biases zero; `default` leaves them as torch drew
    them (uniform, of variance 1 / (3 fan_in)). Errors: ValueError."""
    if init == "default":
        return
    variance = _variance(init)
    for layer in layers:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(layer.weight)
            nn.init.normal_(layer.weight, std=math.sqrt(variance(fan_in, fan_out)))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _variance(init: InitSetting) -> Callable[[int, int], float]:
    if isinstance(init, Mapping) and list(init) == ["normal"]:
        std = init["normal"]
        if not _is_number(std) or std < 0:
            raise ValueError(f"init.normal is a standard deviation, not {std!r}")
        return lambda _in, _out: std * std
    if init == "normal":
        return lambda _in, _out: SMALL * SMALL
    if isinstance(init, str) and init in INITS:
        return INITS[init]
    names = ["default", *INITS, "normal"]
    near = nearest(init, names) if isinstance(init, str) else ""
    raise ValueError(f"init: no initialisation {init!r}{near}; one of {', '.join(names)} or {{normal: {SMALL:g}}}")


def sizes(name: str, values: object) -> list[int]:
    """A list of layers' sizes. Errors: ValueError."""
    if not isinstance(values, list | tuple):
        raise ValueError(f"{name} must be a list of layers' sizes, such as [128, 128], not {kind_of(values)}")
    return [whole(name, value) for value in values]


def whole(name: str, value: object, least: int = 1) -> int:
    """A whole number. Errors: ValueError."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return value


def refuse_both(one: str, given: object, others: Values) -> None:
    """Two ways to say the same. Errors: ValueError."""
    beside = [name for name, value in others.items() if value is not None]
    if given is not None and beside:
        raise ValueError(f"{one} says each layer's size already: leave out {' and '.join(beside)}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
