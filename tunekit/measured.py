"""What probes measure, as frozen dataclasses that go through JSON and come back equal. Stdlib only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tunekit.jsondata import JsonData

STRETCH = 1000.0  # inputs are multiplied by this to see whether the outputs are bounded
RESIDUAL = 0.01  # share of the targets' variance that a learned regression may leave


@dataclass(frozen=True)
class DescribeArgs(JsonData):
    """What the probe `describe` is asked: these as the recipe or the run has them. It answers vocabulary.Facts."""

    precision: str
    threads: int | None  # None: decided by the size of the model
    asked: float = 0.0  # seconds since 1970: another time is another question, since files may have changed


@dataclass(frozen=True)
class NotFinite(JsonData):
    """Samples with an input that is NaN or infinite."""

    count: int
    examples: tuple[int, ...]  # indices of the first few


@dataclass(frozen=True)
class Inputs(JsonData):
    """The first input that is a measurement (tokens are none), over all samples looked at."""

    mean: float
    std: float  # over samples and features
    features: int  # values a sample
    constant_features: int  # of them equal in all samples
    highest: float = 0.0
    bytes: bool = False  # whole numbers within 0 and 255


@dataclass(frozen=True)
class Split(JsonData):
    size: int  # samples
    seen: int  # of them looked at
    not_finite: NotFinite
    targets_not_finite: int  # values
    inputs: Inputs | None  # None: all are tokens


@dataclass(frozen=True)
class Shift(JsonData):
    """How far the validation inputs lie from the training inputs."""

    mean: float  # training standard deviations between the means of all values
    scale: float  # validation's standard deviation over training's
    feature: int  # the one that moved most
    feature_shift: float  # its distance, in its training standard deviations
    feature_z: float  # the same in standard errors
    shifted_features: float  # share of the features that moved by more than half a standard deviation


@dataclass(frozen=True)
class Labels(JsonData):
    """Targets of both splits. Negative classes are markers, and are not counted where a sample has several."""

    lowest: float | None  # None: none is finite
    highest: float | None
    train: Mapping[int, int] | None  # samples (or positions) by class; None: the targets are no classes, or too many
    val: Mapping[int, int] | None
    axes: int = 0  # of one sample's targets: 1 for a class a token, 2 for one a pixel
    same: bool = False  # all training targets are equal
    broken: int = 0  # training targets of a classification that are no whole numbers


@dataclass(frozen=True)
class Conflicts(JsonData):
    """Training samples whose input another sample has with another target."""

    share: float  # of the training samples
    examples: tuple[tuple[int, int], ...]  # indices of a pair each


@dataclass(frozen=True)
class Shared(JsonData):
    """Validation samples whose input is in the training split too."""

    share: float  # of the validation samples
    count: int
    examples: tuple[int, ...]  # indices in the validation split


@dataclass(frozen=True)
class Duplicates(JsonData):
    """Equal inputs, as shares of the training samples."""

    repeated: float  # samples whose input occurs more than once
    largest_group: float  # samples that are one and the same
    diversity: float | None  # distinct values of the most diverse feature over distinct rows; None: many features
    conflicts: Conflicts | None  # None: the targets cannot be compared
    shared: Shared


@dataclass(frozen=True)
class Reading(JsonData):
    """The same training samples read several times. A pair: one sample under two seeds."""

    samples: int  # read
    differ: int  # of them, that one seed gave otherwise the second time
    example: int | None  # the first of these
    moved: int  # pairs whose picture was flipped, turned, shifted or resized where that changes its mask
    followed: int  # of them, whose mask was so too
    how: str  # the commonest movement; empty where there is none
    redrawn: int  # pairs of equal inputs and other targets
    pairs: int


@dataclass(frozen=True)
class Windows(JsonData):
    """Validation windows and training windows that are pieces of one series."""

    share: float  # of the validation windows that overlap with a training window at another place
    same: float  # of them that equal a training window
    shift: int  # steps between two of the commonest pairs
    length: int  # steps
    looked_at: int  # validation windows


@dataclass(frozen=True)
class GroupsShared(JsonData):
    """Groups that samples of both splits belong to."""

    groups: int  # in all
    shared: int  # of them, in both splits
    share: float  # of the validation samples, that belong to these
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Samples(JsonData):
    train: Split
    val: Split
    shift: Shift | None  # None: inputs of other sizes, or tokens
    labels: Labels | None  # None: a task of the person's own, or targets that are no tensor
    duplicates: Duplicates
    reading: Reading | None = None  # None: samples in memory
    windows: Windows | None = None  # None: no series
    groups: GroupsShared | None = None  # None: the data name no groups


@dataclass(frozen=True)
class DataMeasured(JsonData):
    """The data as the model gets them (probe `data`)."""

    samples: Samples | None  # None: the training data cannot be indexed


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


@dataclass(frozen=True)
class Targets(JsonData):
    """Finite targets that are no marker."""

    lowest: float
    highest: float
    low: float  # a twentieth of them lies below
    high: float  # a twentieth of them lies above


Knowledge = Literal["zero", "prior", "median"]
"""Outputs that know nothing (zero), how often each target occurs or its mean (prior), or the targets' median."""


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
class InitialMeasured(JsonData):
    """One initialisation over some real batches, weight decay left out (probe `initial`)."""

    kind: str  # of the task: classification, binary, multilabel, regression
    outputs: Outputs
    targets: Targets | None  # None: no tensor, or none is finite
    loss: LossMeasured | None  # None: labels and outputs do not fit each other
    stretched: Stretched | None  # None: no input is a real number
    dependence: Dependence | None  # None: inputs that are no tensors, or a single sample
    frozen: tuple[str, ...]  # parameters whose requires_grad is off
    normalizes_input: bool  # the first layer is a normalisation
    decay: Decay | None  # None: an optimizer of torch, which applies it by construction
    optimizing: Optimizing | None = None  # None: likewise
    repeated: Repeated | None = None  # None: two passes in eval mode could not be made
    outside: tuple[Outside, ...] = ()
    normalizations: tuple[Normalization, ...] = ()
    identical: tuple[Identical, ...] = ()


@dataclass(frozen=True)
class InputUse(JsonData):
    """An input that differs between samples."""

    name: str
    used: bool  # other samples' values of it change what the model gives
    masks: bool  # it is zeros and ones, several a sample


@dataclass(frozen=True)
class Later(JsonData):
    """Largest changes of outputs that are held against the next input, when all inputs after one position change."""

    before: float  # up to that position
    after: float
    position: int
    positions: int  # in all


@dataclass(frozen=True)
class Padded(JsonData):
    """An input whose sequences end in padding."""

    share: float  # of its positions
    effect: float | None  # of less padding on outputs at real positions, in standard deviations of these; None: unknown
    told: bool  # another input is their mask, or their lengths
    in_loss: float  # share of padding among the positions that the loss counts; 0 where outputs have no positions


@dataclass(frozen=True)
class Ignored(JsonData):
    """Class targets that the loss leaves out."""

    share: float
    marker: int  # their value
    targets: int  # looked at


@dataclass(frozen=True)
class Direction(JsonData):
    """The metric of right and of wrong outputs."""

    right: float
    wrong: float
    maximize: bool  # as the recipe has it
    made: bool  # right outputs were made of the targets; else they followed the loss downhill


@dataclass(frozen=True)
class Column(JsonData):
    """One target of a regression (of many, all together)."""

    mean: float
    std: float
    start: float  # mean of the untrained model's outputs
    share: float  # of the loss of outputs that are off by one standard deviation in every column


@dataclass(frozen=True)
class Columns(JsonData):
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class UsageMeasured(JsonData):
    """What model, loss and metric make of one real batch (probe `usage`). None: it does not apply, or could not be
    asked."""

    inputs: tuple[InputUse, ...] = ()  # empty: a single one
    later: Later | None = None
    padded: Padded | None = None
    ignored: Ignored | None = None
    direction: Direction | None = None
    columns: Columns | None = None


@dataclass(frozen=True)
class Spread(JsonData):
    """Targets of a regression on the tiny set."""

    mean: float
    variance: float
    residual: float  # loss above its floor where RESIDUAL of the variance is left


@dataclass(frozen=True)
class Floor(JsonData):
    """What outputs reach that are free, with no network behind them: the loss's own floor on the tiny set."""

    loss: float  # the lowest that was found
    endless: bool  # it falls without end: a log-likelihood
    constant: float | None  # lowest of outputs that are the same for every sample; None: it cannot be said
    perfect: float | None  # at outputs that are the targets, or certain of them; None: other than the targets' shape
    level: float | None  # lowest for real targets that are known up to RESIDUAL of their variance; None: no regression
    score: float | None  # the metric of the free outputs where their loss is lowest; None: it says nothing of them
    within: float | None = None  # lowest of outputs of moderate size, where there is neither a floor nor a level


@dataclass(frozen=True)
class Alignment(JsonData):
    """Where the loss's gradient changes when a single target is changed."""

    looked: int  # targets whose change was felt
    astray: int  # of them felt by outputs of other places alone
    shifted: bool  # always by the same step along a sequence: a loss that shifts its targets by itself


@dataclass(frozen=True)
class TinySet(JsonData):
    """What can be reached on the tiny set (probe `tiny-set`)."""

    kind: str  # of the task
    accuracy: bool  # the metric is the share of right answers, and it says something of these outputs
    samples: int
    parameters: int  # of the model
    start: float  # loss of the untrained model
    floor: float  # lowest loss that can be had
    best_score: float | None  # where the set cannot be learned whole: the best linear map's, or what tokens allow
    spread: Spread | None  # None: no regression
    conflicting: int  # samples whose inputs another one has with another target
    targets: int = 0  # values that count, over all samples; 0: they are no tensor
    free: Floor | None = None  # None: the loss cannot be followed, or there are too many outputs
    alignment: Alignment | None = None  # None: outputs and targets cannot be matched by their sizes
    random: bool = False  # two passes in train mode differ, dropout being off
    bottleneck: int | None = None  # numbers through which a sample passes, where they are fewer than its targets
    told_apart: bool = False  # the control's inputs still differ: masks and lengths stay
    reshaped: tuple[str, str] | None = None  # the targets' shape, and what it was made for the loss
    dropouts: tuple[str, ...] = ()  # layers that are switched off here
    norms: int = 0  # BatchNorm layers, whose statistics are made anew before eval mode is judged


@dataclass(frozen=True)
class Fit(JsonData):
    """On the whole tiny set."""

    loss: float
    score: float  # the task's metric; NaN: it says nothing of these outputs


@dataclass(frozen=True)
class TinyTrained(JsonData):
    """A model trained on the tiny set (probe `tiny-trained`)."""

    moved: float  # largest change of a parameter since the start
    gradient_norm: float  # over all parameters, in train mode
    train_mode: Fit
    eval_mode: Fit  # BatchNorm's statistics made anew
    reloaded: float | None = None  # loss in train mode of its weights in a model that began otherwise; None: unknown
    still: tuple[str, ...] = ()  # parameters that did not move
    varies: float | None = None  # spread of the outputs over the samples, over their size; None: no rows by sample
    at_bounds: float = 0.0  # share of the outputs that are exactly the lowest or the highest of all
    without_gradient: tuple[str, ...] = ()  # parameters that get none, or zero
    still_norms: tuple[str, ...] = ()  # BatchNorm layers whose statistics never move: a momentum of zero


@dataclass(frozen=True)
class Guess(JsonData):
    """What outputs that know nothing of a sample reach on the validation targets: the best of several such guesses."""

    value: float
    how: str  # in words: always the most frequent class
    spread: float = 0.0  # standard deviation over permutations of the targets; 0 for a guess that is one
    halves: tuple[float, ...] = ()  # over both halves of the fixed splits, as Record.val_halves; () where not known


@dataclass(frozen=True)
class ChanceMeasured(JsonData):
    """What guessing reaches (probe `chance`); None where nothing can be said."""

    score: Guess | None  # by the metric
    loss: Guess | None
    samples: int  # validation samples looked at


@dataclass(frozen=True)
class UntouchedMeasured(JsonData):
    """The model as it came, on the validation samples (probe `untouched`)."""

    loss: float
    score: float  # the metric; the loss where that is the metric
    samples: int
    loss_halves: tuple[float, ...] = ()  # as Record.val_halves
    score_halves: tuple[float, ...] = ()
