"""Learning-rate schedules as factors on the base rate, one entry each in SCHEDULES, and what a recipe says of one: its
warm-up, and the length that it takes from the training."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tunekit.configuration import ScheduleSpec, Values
from tunekit.recipe.arguments import check_arguments
from tunekit.recipe.text import kind_of, nearest
from tunekit.telling import refused
from tunekit.vocabulary import UserError

AUTO = "auto"
"""The recipe's word for the schedule that suits: what it is in a whole training stands in DECAY."""

DECAY = "cosine"
STEADY = "constant"

LONGEST_WARMUP = 10**9
"""Iterations: more is no training."""


def constant(_iteration: int) -> float:
    """1, always."""
    return 1.0


def step(iteration: int, every: int = 1000, gamma: float = 0.1) -> float:
    """gamma^(iteration // every)."""
    return float(gamma ** (iteration // every))


def exponential(iteration: int, gamma: float = 0.999) -> float:
    """gamma^iteration."""
    return float(gamma**iteration)


def cosine(iteration: int, total: int, final: float = 0.0) -> float:
    """Half a cosine from 1 to `final` (Loshchilov and Hutter, 'SGDR', ICLR 2017)."""
    done = min(iteration / max(1, total), 1.0)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * done))


def linear(iteration: int, total: int, final: float = 0.0) -> float:
    """A line from 1 to `final`."""
    done = min(iteration / max(1, total), 1.0)
    return 1 + (final - 1) * done


def one_cycle(iteration: int, total: int, rise: float = 0.3, start: float = 0.04, final: float = 1e-4) -> float:
    """Up along a cosine for a share `rise` of the run, then down to `final` (Smith and Topin, 2018)."""
    _is_share("rise", rise)
    done = min(iteration / max(1, total), 1.0)
    if done < rise:
        return start + (1 - start) * 0.5 * (1 - math.cos(math.pi * done / rise))
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * (done - rise) / max(1 - rise, 1e-12)))


def warmup_stable_decay(iteration: int, total: int, decay: float = 0.2, final: float = 0.0) -> float:
    """1, and over the last share `decay` of the run a line to `final` (Hägele et al., 2024)."""
    _is_share("decay", decay)
    done = min(iteration / max(1, total), 1.0)
    return 1 + (final - 1) * max(0.0, (done - (1 - decay)) / max(decay, 1e-12))


def _is_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is a share of the run, from 0 to 1, not {value:g}")


PATIENCE = 5


class Plateau:
    """Times `factor` after `patience` epochs in a row without a validation loss that lies `min_delta` below the lowest
    before; never below `final`. It counts the validations that it is told of, and so has a state."""

    def __init__(
        self, factor: float = 0.1, patience: int = PATIENCE, min_delta: float = 1e-4, final: float = 0.0
    ) -> None:
        if not (0 < factor < 1 and patience >= 1 and min_delta >= 0 and 0 <= final <= 1):
            raise ValueError("factor lies between 0 and 1, patience is 1 or more, min_delta 0 or more, final 0 to 1")
        self.factor, self.patience, self.min_delta, self.final = factor, patience, min_delta, final
        self.scale, self.lowest, self.waited = 1.0, math.inf, 0

    def __call__(self, _iteration: int) -> float:
        return self.scale

    def observe(self, loss: float) -> None:
        """A validation at the end of an epoch."""
        if loss < self.lowest - self.min_delta:
            self.lowest, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.scale, self.waited = max(self.scale * self.factor, min(self.final, self.scale)), 0


@dataclass(frozen=True)
class Schedule:
    """`factor` takes the iteration and the recipe's arguments; `needs_total`: it depends on where the run ends;
    `observes`: it is built of the arguments, then takes the iteration, and hears of validations."""

    factor: Callable[..., float] | type[Plateau]
    needs_total: bool = False
    observes: bool = False


SCHEDULES: dict[str, Schedule] = {
    STEADY: Schedule(constant),
    "step": Schedule(step),
    "exponential": Schedule(exponential),
    "cosine": Schedule(cosine, needs_total=True),
    "linear": Schedule(linear, needs_total=True),
    "one-cycle": Schedule(one_cycle, needs_total=True),
    "wsd": Schedule(warmup_stable_decay, needs_total=True),
    "plateau": Schedule(Plateau, observes=True),
}


class Pace:
    """A schedule at work: the factor on the base rate at iteration k (from 0). A warm-up of w iterations rises in a
    line to where the schedule begins; what depends on the end has the rest of `total` for itself."""

    def __init__(self, factor: Callable[[int], float], warmup: int) -> None:
        self._factor, self._warmup = factor, warmup

    def __call__(self, iteration: int) -> float:
        if iteration < self._warmup:
            return (iteration + 1) / (self._warmup + 1) * self._factor(0)
        return self._factor(iteration - self._warmup)

    def observe(self, loss: float) -> None:
        """The validation loss at an epoch's end."""
        if isinstance(self._factor, Plateau):
            self._factor.observe(loss)

    def state(self) -> dict[str, float]:
        """What it has made of the validations so far."""
        return dict(vars(self._factor)) if isinstance(self._factor, Plateau) else {}

    def restore(self, state: Mapping[str, float]) -> None:
        if isinstance(self._factor, Plateau):
            vars(self._factor).update(state)


def build_schedule(spec: ScheduleSpec) -> Pace:
    """The schedule of a configuration, whose warm-up is resolved to iterations. Errors: UserError for an unknown name
    or argument, and for a factor that is none."""
    name, args = spec.name, dict(spec.args)
    warmup, unit = read_warmup(args.pop("warmup", 0))
    if name not in SCHEDULES:
        raise UserError(f"schedule: no schedule {name!r}{nearest(name, _names())}; one of {', '.join(_names())}")
    if unit:
        raise UserError(f"schedule.args.warmup: a number of iterations, not {kind_of(spec.args['warmup'])}")
    entry, place = SCHEDULES[name], f"schedule.args: {name}"
    check_arguments(entry.factor, args, place)
    if entry.needs_total and isinstance(args.get("total"), int | float):
        if args["total"] < 1:
            raise UserError(f"{place}: total must be 1 iteration or more, not {args['total']:g}")
        args["total"] = max(1, args["total"] - warmup)
    try:
        if isinstance(entry.factor, type):
            return Pace(entry.factor(**args), int(warmup))
        function = entry.factor
        for iteration in (0, 1, LONGEST_WARMUP):
            value = function(iteration, **args)
            if not 0 <= value <= 1:
                raise ValueError(f"the factor on the rate lies between 0 and 1, not at {value:g}")
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UserError(f"{place}: {refused(error)}") from None
    return Pace(lambda iteration: function(iteration, **args), int(warmup))


_WARMUP = re.compile(r"(\d+(?:\.\d+)?) ?(iterations?|epochs?|%)", re.ASCII)


def read_warmup(value: object) -> tuple[float, str]:
    """A warm-up as a recipe writes it, and its unit: iterations (""), "epochs" or "%" of the training. Errors:
    UserError."""
    text = _WARMUP.fullmatch(value.strip()) if isinstance(value, str) else None
    if text is not None:
        number, unit = float(text[1]), {"i": "", "e": "epochs", "%": "%"}[text[2][0]]
    elif isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        number, unit = value, ""
    else:
        raise UserError(
            f"schedule.args.warmup: iterations (500), '2 epochs' or '5 %' of the training, not {kind_of(value)}"
        )
    if unit == "%" and number > 100:
        raise UserError(f"schedule.args.warmup: at most 100 % of the training, not {number:g} %")
    if number > LONGEST_WARMUP:
        raise UserError(f"schedule.args.warmup: at most {LONGEST_WARMUP:,} iterations, not {number:,.0f}")
    return number, unit


def check_schedule(name: str, args: Values) -> None:
    """What can be said of a recipe's schedule before its length is known. Errors: UserError."""
    build_schedule(resolved(name, args, 1, LONGEST_WARMUP))


def resolved(name: str, args: Values, per_epoch: int, total: int) -> ScheduleSpec:
    """A recipe's schedule for a training of so many iterations: its warm-up in iterations, and where it depends on its
    end that end, unless the recipe says it. Errors: UserError."""
    name, own = DECAY if name == AUTO else name, dict(args)
    if "warmup" in own:
        number, unit = read_warmup(own["warmup"])
        iterations = {"": number, "epochs": number * per_epoch, "%": number / 100 * total}[unit]
        own["warmup"] = min(round(iterations), LONGEST_WARMUP)
    if name in SCHEDULES and SCHEDULES[name].needs_total:
        own = {"total": total, **own}
    return ScheduleSpec(name, own)


LENGTHS = ("total", "warmup", "every")
"""Arguments that are iterations."""


def default(name: str, args: Values, argument: str) -> Any:
    """An argument of a schedule as a recipe says it, or else as it stands in its signature."""
    return args.get(argument, inspect.signature(SCHEDULES[name].factor).parameters[argument].default)


def stretched(spec: ScheduleSpec, times: float) -> ScheduleSpec:
    """The same course over so many times the iterations."""
    known = inspect.signature(SCHEDULES[spec.name].factor).parameters
    args = {name: known[name].default for name in LENGTHS if name in known and name != "total"} | dict(spec.args)
    args = {name: round(value * times) if name in LENGTHS else value for name, value in args.items()}
    if spec.name == "exponential":
        args["gamma"] = args.get("gamma", known["gamma"].default) ** (1 / times)
    return ScheduleSpec(spec.name, args)


def warm_up(spec: ScheduleSpec) -> ScheduleSpec:
    """A constant rate behind the warm-up of a schedule: how steps 2 to 5 train."""
    return ScheduleSpec(STEADY, {name: value for name, value in spec.args.items() if name == "warmup"})


def _names() -> list[str]:
    return [AUTO, *SCHEDULES]
