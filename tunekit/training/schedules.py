"""Learning-rate schedules as factors on the base rate, one entry each in SCHEDULES."""

from __future__ import annotations

import math
from collections.abc import Callable

from tunekit.vocabulary import UserError, Values

Factor = Callable[..., float]


def constant(iteration: int) -> float:
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


SCHEDULES: dict[str, Factor] = {
    "constant": constant,
    "step": step,
    "exponential": exponential,
    "cosine": cosine,
    "linear": linear,
    "one-cycle": one_cycle,
}


def build_schedule(spec: Values) -> Callable[[int], float]:
    """Factor on the base rate at iteration k (from 0). Every schedule takes `warmup`, iterations of linear rise.

    Errors: UserError for an unknown name or argument.
    """
    name, args = spec["name"], dict(spec["args"])
    warmup = args.pop("warmup", 0)
    if name not in SCHEDULES:
        raise UserError(f"schedule: no schedule {name!r}; one of {', '.join(SCHEDULES)}")
    if not isinstance(warmup, int) or warmup < 0:
        raise UserError(f"schedule.args.warmup: a number of iterations, not {warmup!r}")
    function = SCHEDULES[name]
    try:
        function(1, **args)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UserError(f"schedule.args: {name}: {str(error).partition(')')[2].strip() or error}") from None

    def factor(iteration: int) -> float:
        rise = min(1.0, (iteration + 1) / (warmup + 1)) if warmup else 1.0
        return rise * function(iteration, **args)

    return factor
