"""The untrained model: outputs, losses, gradients, parameters, optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tunekit.jsondata import JsonData

STRETCH = 1000.0  # inputs are multiplied by this to see whether the outputs are bounded


@dataclass(frozen=True)
class Outputs(JsonData):
    """Outputs in train mode over some real batches."""

    shape: tuple[int, ...]  # of one sample's
    lowest: float
    highest: float
    rms: float  # root mean square
    std: float  # of several outputs a sample: about each sample's mean
    zeros: float  # share that is exactly zero
    finite: bool
    row_sum_off: float | None  # largest distance of a sample's sum from 1; None: one output a sample
    column_sum_off: float | None  # the same of an output's sum over a batch
    axis: int = 1  # along which classes lie in a batch's


@dataclass(frozen=True)
class Targets(JsonData):
    """Finite targets that are no marker."""

    lowest: float
    highest: float
    low: float  # a twentieth of them lies below
    high: float  # a twentieth of them lies above


Knowledge = Literal["zero", "prior", "median", "constant"]
"""Outputs that know nothing (zero), how often each target occurs or its mean (prior), the targets' median, or whatever
is best for a loss of the person's own if it is the same for every sample (constant)."""


@dataclass(frozen=True)
class Expectation(JsonData):
    """The person's loss on the real targets, for outputs of this much knowledge."""

    knowledge: Knowledge
    loss: float


@dataclass(frozen=True)
class Gradient(JsonData):
    name: str  # of a weight or a layer
    gradient: float  # of a weight: root mean square; at a layer's outputs: norm


@dataclass(frozen=True)
class Origin(JsonData):
    """The operation that first gave a number that is not finite out of finite ones, or that drew a random number."""

    operation: str  # as torch calls it: sqrt, log, div
    place: str = ""  # file and line of the person's code, else the layer; nothing where neither is known


@dataclass(frozen=True)
class Gradients(JsonData):
    """One backward pass; weights that start at exactly zero are stirred for it."""

    weights: tuple[Gradient, ...]  # matrices and kernels, from the input to the output
    flow: tuple[Gradient, ...]  # at the outputs of each layer, likewise; the last is the network's own
    unreached: tuple[str, ...]  # parameters without a gradient
    unreached_share: float  # of the numbers that train
    finite: bool  # over several batches
    origin: Origin | None = None  # of what is not finite


@dataclass(frozen=True)
class Units(JsonData):
    """One call of an activation like ReLU."""

    layer: str
    units: int  # looked at
    dead: float  # share that is off for every sample
    varies: float  # spread over the samples of what goes in, over its size: near zero where the input is lost


@dataclass(frozen=True)
class LossMeasured(JsonData):
    """The person's loss on the untrained model, and what follows from it."""

    train_mode: float  # mean over the batches
    eval_mode: float
    expected: tuple[Expectation, ...]
    over_halves: float  # of a batch, over the mean of its halves' losses: 1 for a mean, 2 for a sum
    takes_logits: bool  # scores of any size, and no probabilities
    gradients: Gradients
    units: tuple[Units, ...]
    origin: Origin | None = None  # of a loss that is not finite
    at_outputs: float | None = (
        None  # norm of its gradient there, the largest of several batches; None: outputs have none
    )
    elsewhere: float | None = None  # the same at random outputs
    exchanged: float | None = None  # in train mode, each sample given another's outputs; None: they have no rows
    feels_targets: bool = True  # it changes where targets are others
    slope: float | None = (
        None  # what it changes by where 1 is added to all outputs, if it goes on so; None: it does not
    )


@dataclass(frozen=True)
class Stretched(JsonData):
    """Outputs in eval mode for inputs STRETCH times as large."""

    lowest: float
    highest: float
    at_bounds: float  # share within a hundredth of the range from either bound


@dataclass(frozen=True)
class Dependence(JsonData):
    """Largest effects on one sample's outputs in eval mode: gradients, or changes when inputs are exchanged."""

    own: float  # of its own input
    others: float  # of the other samples of its batch
    noise: float | None = None  # changes that rounding explains; None: gradients, which have none
    rows: int | None = None  # of the outputs, where there are not as many as samples
    spread: float | None = None  # of the outputs over the samples, over their size
    time_first: tuple[str, ...] = ()  # layers that take the first axis for time and were given samples along it


@dataclass(frozen=True)
class Decay(JsonData):
    """Sum of squared weights before and after a step of the optimizer at zero gradient."""

    before: float
    after: float  # with the recipe's weight decay
    without: float | None = None  # with a weight decay of zero
    asked: bool = True  # by the recipe; otherwise it was tried with another
    shrink: float | None = None  # share that a step as the recipe has it takes from the weights, of all alike
    penalty: float | None = None  # of decay as a part of the gradient that is scaled after: half of decay times squares
    pulls: tuple[Gradient, ...] = ()  # of such a decay by weight: root mean square of decay times weight


@dataclass(frozen=True)
class Repeated(JsonData):
    """One batch several times in eval mode: the largest change of an output, over the outputs' root mean square."""

    change: float
    same_draws: float  # where each pass begins with the same random numbers
    draws: tuple[Origin, ...] = ()  # what draws


@dataclass(frozen=True)
class Outside(JsonData):
    """Tensors that the gradient reaches and that the model's parameters() do not name."""

    names: tuple[str, ...]
    numbers: int  # in them
    of_loss: bool  # reached from the loss alone
    optimized: bool  # the optimizer holds them all the same


@dataclass(frozen=True)
class Normalization(JsonData):
    """A BatchNorm layer that normalises by its batch, over one batch in train mode."""

    layer: str
    momentum: float | None
    calls: int
    values: int  # a channel's, in a batch of the recipe's size
    moved: bool  # its running statistics
    frozen: bool  # its weights do not train
    apart: float = 0.0  # how far the inputs of its calls lie from each other, in their standard deviations
    idle: bool = False  # held in eval mode while training, and its statistics are those that it was built with


@dataclass(frozen=True)
class VarianceShift(JsonData):
    """A BatchNorm layer behind dropout, with no other normalisation between them, in train mode."""

    layer: str
    ratio: float  # variance of its inputs with dropout over that without, of the channel in the middle
    direct: bool  # nothing with weights stands between them


@dataclass(frozen=True)
class Identical(JsonData):
    """A weight whose units (rows) are all equal at the start."""

    name: str
    units: int
    apart: float  # largest difference between them after some steps, over the largest movement
    moved: float  # largest movement


@dataclass(frozen=True)
class Rate(JsonData):
    """What a learning rate becomes in one parameter group of the person's own optimizer."""

    numbers: int  # in its parameters
    lr: float  # of the group
    fixed: bool  # a step moves its parameters as far whatever the recipe's rate


@dataclass(frozen=True)
class Optimizing(JsonData):
    """What an optimizer of the person's own does with the model's parameters."""

    rates: tuple[Rate, ...]
    idle: tuple[str, ...]  # parameters with requires_grad that it does not hold, or at a rate of zero
    idle_share: float  # of the numbers that should train
    frozen_moved: tuple[str, ...]  # parameters without requires_grad that a step moves


@dataclass(frozen=True)
class Frozen(JsonData):
    """Parameters whose requires_grad is off."""

    names: tuple[str, ...] = ()
    everything: bool = False  # no parameter of the model trains
    acting: tuple[str, ...] = ()  # those that move outputs which training moves too: no teacher's
    drawn: tuple[str, ...] = ()  # of these the weights of layers that another seed gives other values


@dataclass(frozen=True)
class InitialMeasured(JsonData):
    """One initialisation over some real batches, weight decay left out (probe `initial`)."""

    kind: str  # of the task: classification, binary, multilabel, regression
    outputs: Outputs
    targets: Targets | None  # None: no tensor, or none is finite
    loss: LossMeasured | None  # None: labels and outputs do not fit each other
    stretched: Stretched | None  # None: no input is a real number
    dependence: Dependence | None  # None: inputs that are no tensors, or a single sample
    frozen: Frozen
    normalizes_input: bool  # the first layer is a normalisation
    decay: Decay | None  # None: an optimizer of torch, which applies it by construction
    optimizing: Optimizing | None = None  # None: likewise
    repeated: Repeated | None = None  # None: two passes in eval mode could not be made
    outside: tuple[Outside, ...] = ()
    normalizations: tuple[Normalization, ...] = ()
    shifts: tuple[VarianceShift, ...] = ()
    identical: tuple[Identical, ...] = ()
    cuts: tuple[Origin, ...] = ()  # what cuts the gradient off, where none comes through
    l1: float | None = None  # what the recipe's L1 adds to the loss; None: it asks for none
    single: tuple[str, ...] = ()  # layers that normalise one value at a time
