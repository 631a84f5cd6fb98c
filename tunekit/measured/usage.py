"""What model, loss and metric make of one real batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tunekit.jsondata import JsonData
from tunekit.measured.initial import Origin


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
    origin: Origin | None = None  # the operation that first mixes them; None: not seen


@dataclass(frozen=True)
class Copied(JsonData):
    """Outputs that are held against the very input of their position, and their largest changes when all inputs after
    one position change."""

    input: str
    share: float  # of the outputs that the loss counts
    before: float  # up to that position
    next: float  # of the one behind it


@dataclass(frozen=True)
class Padded(JsonData):
    """An input whose sequences end in padding."""

    share: float  # of its positions
    effect: float | None  # of less padding on outputs at real positions, in standard deviations of these; None: unknown
    told: bool  # another input is their mask, or their lengths
    in_loss: float  # share of padding among the positions that the loss counts; 0 where outputs have no positions
    token: int | None = None  # that it is; None: steps are no tokens


@dataclass(frozen=True)
class Hidden(JsonData):
    """Largest gradients of what a model makes of sequences that end in padding, without that of a step at itself."""

    input: str
    rows: int  # sequences looked at
    real: float  # to real steps
    padding: float  # to padding, where it is least


@dataclass(frozen=True)
class Merged(JsonData):
    """Tokens that a model cannot tell apart."""

    input: str
    tokens: int  # different ones that occur, padding left out
    merged: int  # of them, those that another one may stand for
    example: tuple[int, ...]  # some that are the same
    lost: float  # share of the tokens' entropy


@dataclass(frozen=True)
class Weighing(JsonData):
    """Weights of self-attention, [..., queries, keys], from a softmax and summed over keys with the values."""

    place: str  # file and line of the person's code where they are multiplied by the values
    axis: int  # of the softmax
    axes: int  # in all
    lowest: float  # of their sums over the keys
    highest: float


@dataclass(frozen=True)
class OrderUse(JsonData):
    """Largest changes of the outputs of a model with attention."""

    order: float  # when the tokens of each sequence change places, but for outputs that go with them
    tokens: float  # when they are exchanged for others


@dataclass(frozen=True)
class Ignored(JsonData):
    """Class targets that the loss leaves out."""

    share: float
    markers: tuple[int, ...]  # their values
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


Misuse = Literal[
    "softmax_twice",
    "sigmoid_twice",
    "exp_twice",
    "no_log_probabilities",
    "no_shares",
    "no_signs",
    "exchanged",
    "broadcast",
    "cut_off",
]


@dataclass(frozen=True)
class Misused(JsonData):
    """A call of one of torch's losses that gets what it does not take."""

    function: str
    misuse: Misuse
    value: float  # what shows it: the highest number, the pairs compared; 0 where there is none
    place: str  # file and line of the person's code, or nothing


@dataclass(frozen=True)
class Regrouped(JsonData):
    """A call of view or reshape whose sizes change their places."""

    function: str
    place: str  # file and line of the person's code
    before: tuple[int, ...]
    after: tuple[int, ...]
    of_samples: bool  # the axis of samples is among them


@dataclass(frozen=True)
class UsageMeasured(JsonData):
    """What model, loss and metric make of one real batch (probe `usage`). None: it does not apply, or could not be
    asked."""

    inputs: tuple[InputUse, ...] = ()  # empty: a single one
    later: Later | None = None
    copied: Copied | None = None
    padded: Padded | None = None
    hidden: Hidden | None = None
    merged: Merged | None = None
    weighing: Weighing | None = None
    order: OrderUse | None = None
    ignored: Ignored | None = None
    direction: Direction | None = None
    columns: Columns | None = None
    misused: tuple[Misused, ...] = ()
    regrouped: tuple[Regrouped, ...] = ()
