"""The tiny set of step 2: what can be reached on it, and what a trained model shows."""

from __future__ import annotations

from dataclasses import dataclass

from tunekit.jsondata import JsonData

FEW = 2.0  # parameters a target, below which a model may be too small to learn the set by heart
RESIDUAL = 0.01  # share of the targets' variance that a learned regression may leave


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
class LinearMap(JsonData):
    """The best linear map of the inputs on the tiny set, to which models of few parameters are held."""

    loss: float
    score: float  # the task's metric; NaN: it says nothing of these outputs
    parameters: int


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
    features: int = 0  # numbers that a sample's inputs are
    targets: int = 0  # values that count, over all samples; 0: they are no tensor
    free: Floor | None = None  # None: the loss cannot be followed, or there are too many outputs
    constant: float | None = None  # in place of its `constant` where it is None: outputs at the targets' mean or shares
    linear: LinearMap | None = None  # None: the model has the parameters to learn the set by heart
    paired: bool = True  # the loss is another one where outputs change their places, or feels no targets
    alignment: Alignment | None = None  # None: outputs and targets cannot be matched by their sizes
    random: bool = False  # two passes in train mode differ, dropout being off
    bottleneck: int | None = None  # numbers through which a sample passes, where they are fewer than its targets
    told_apart: bool = False  # the control says nothing: masks and lengths still differ, or the loss asks no targets
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
