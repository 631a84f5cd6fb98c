"""Learning-rate schedules as factors on the base rate, one entry each in SCHEDULES."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tunekit.configuration import ScheduleSpec
from tunekit.recipe.arguments import check_arguments
from tunekit.recipe.text import kind_of
from tunekit.telling import refused
from tunekit.vocabulary import UserError

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
    done = min(iteration / max(1, total), 1.0)
    if done < rise:
        return start + (1 - start) * 0.5 * (1 - math.cos(math.pi * done / rise))
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * (done - rise) / max(1 - rise, 1e-12)))


@dataclass(frozen=True)
class Schedule:
    """`factor` takes the iteration and the recipe's arguments; `needs_total`: it depends on where the run ends."""

    factor: Callable[..., float]
    needs_total: bool = False


SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(constant),
    "step": Schedule(step),
    "exponential": Schedule(exponential),
    "cosine": Schedule(cosine, needs_total=True),
    "linear": Schedule(linear, needs_total=True),
    "one-cycle": Schedule(one_cycle, needs_total=True),
}


def ending_at(spec: ScheduleSpec, total: int) -> ScheduleSpec:
    """The schedule with the iterations after which it ends, where it depends on them and the recipe does not say."""
    if spec.name not in SCHEDULES or not SCHEDULES[spec.name].needs_total:
        return spec
    return ScheduleSpec(spec.name, {"total": total, **spec.args})


def build_schedule(spec: ScheduleSpec) -> Callable[[int], float]:
    """Factor on the base rate at iteration k (from 0). Every schedule takes `warmup`, iterations of linear rise.

    Errors: UserError for an unknown name or argument.
    """
    name, args = spec.name, dict(spec.args)
    warmup = args.pop("warmup", 0)
    if name not in SCHEDULES:
        raise UserError(f"schedule: no schedule {name!r}; one of {', '.join(SCHEDULES)}")
    if isinstance(warmup, bool) or not isinstance(warmup, int) or warmup < 0:
        raise UserError(f"schedule.args.warmup: a number of iterations, not {kind_of(warmup)}")
    if warmup > LONGEST_WARMUP:
        raise UserError(f"schedule.args.warmup: at most {LONGEST_WARMUP:,} iterations, not {warmup:,}")
    function = SCHEDULES[name].factor
    check_arguments(function, args, f"schedule.args: {name}")
    try:
        function(1, **args)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UserError(f"schedule.args: {name}: {refused(error)}") from None

    def factor(iteration: int) -> float:
        rise = min(1.0, (iteration + 1) / (warmup + 1)) if warmup else 1.0
        return rise * function(iteration, **args)

    return factor
