"""Step 4, what to run: sweeps for values that move the rate, cells, halving, drawn trials, growth at an edge."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MinLen

from tunekit.configuration import Values, decimal, digest
from tunekit.space import Axis, Choices, Range, Space
from tunekit.steps import baselines
from tunekit.steps.coarse_grid.decays import CLASSICAL, alike, decay_ladder
from tunekit.steps.coarse_grid.drawn import drawn_axes, with_own
from tunekit.steps.context import Context, same_values
from tunekit.steps.lr_sweep import STEP as lr_sweep
from tunekit.steps.lr_sweep import SWEEP, SweptRates, pick_rate, plan_sweep, swept_values
from tunekit.steps.lr_sweep.held_out import is_unmoved
from tunekit.steps.noise import compare, diverged, finite, last_validation, ranked, share_loss
from tunekit.steps.regime import is_fine_tuning, most_frozen_epochs, passes
from tunekit.steps.step import Count, Epochs, NonNegative, Part, Positive, Settings
from tunekit.vocabulary import Measurement, Record, Request, Suggestion, Training

CELL, ROW, DRAWN = "cell", "further row", "drawn cell"

LEAST_ITERATIONS = 200  # a cell's budget, within 1 to 5 epochs, where the recipe does not say
MOST_EPOCHS = 5
WAVE = 4  # drawn trials asked for at a time, whatever the number of workers, so that draws do not depend on it
MOVES_RATE = ("batch_size", "optimizer", "model", "loss", "clip_grad_norm")
"""Search axes that move the best rate: each of their values gets its own sweep. (What regularises does
not: dropout, label smoothing, L1, augmentation, averaged weights.)"""
KEEPS_RATE = ("model.args.dropout", "loss.args.label_smoothing", "optimizer.decay_on")
GROWTH = {"lr": 2.0, "weight_decay": 10.0}
DOWN = 6  # rows below the grid in fine-tuning, at most: the best rate is to lie inside
DOWNWARD = 3.0  # the factor of these rows


@dataclass(frozen=True)
class CoarseGrid(Settings):
    lr_factors: Annotated[tuple[Positive, ...], MinLen(1)] = (0.5, 1.0, 2.0)
    weight_decays: Annotated[tuple[NonNegative, ...], MinLen(1)] | None = None  # None: the optimizer's own
    epochs: Epochs | None = None  # None: enough for 200 iterations, within 1 to 5
    sampler: Literal["grid", "random", "tpe"] = "grid"
    trials: Count = 20  # for random and tpe
    pruner: Literal["none", "halving"] = "none"
    extend: Annotated[int, Ge(0), Le(6)] = 2  # further rows beyond an edge, at most

    def asks_for(self, search: Mapping[str, Sequence[Any]]) -> int:
        if self.sampler != "grid":
            return self.trials
        decays = CLASSICAL if self.weight_decays is None else self.weight_decays
        return len(self.lr_factors) * len(decays) * math.prod(map(len, search.values()))


def plan(context: Context[CoarseGrid], records: Sequence[Record]) -> Sequence[Request]:
    """Sweeps for values that move the rate, then the cells, then further rows while the best stands at an edge. In the
    first round also what the cells are to beat."""
    beside = baselines.requests(context) if not records else []
    if context.settings.sampler != "grid":
        return [*_drawn(context, [record for record in records if is_cell(record)]), *beside]
    return [*_plan_grid(context, records), *beside]


def _plan_grid(context: Context[CoarseGrid], records: Sequence[Record]) -> list[Training]:
    sweeps: list[Training] = []
    grounds: list[tuple[Values, float]] = []  # searched values with the rate around which their cells lie
    for fixed in combinations(context, moving=True):
        rate, more = _rate_for(context, fixed, records)
        sweeps += more
        if rate is not None:
            grounds.append((fixed, rate))
    if sweeps:
        return sweeps
    known = {record.request.trial_identity: record for record in records if is_cell(record)}
    wanted = [
        cell
        for fixed, rate in grounds
        for others in combinations(context, moving=False)
        for cell in cells_around(context, {**fixed, **others}, rate, known)
    ]
    return _fresh(context, wanted, records) or _growth(context, records)


def cells_around(
    context: Context[CoarseGrid], values: Values, rate: float, known: Mapping[str, Record]
) -> list[dict[str, Any]]:
    """Cells around a rate: rates by weight decays. First all rates at the first decay, and one at the last: where these
    two come to the same, so would those between. `known`: cells that ran, by their trial's identity."""
    factors = (1.0,) if context.optimizer(values).finds_rate else context.settings.lr_factors
    rates = [decimal(rate * factor) for factor in factors]
    centre = rates[min(range(len(factors)), key=lambda place: abs(math.log(factors[place])))]
    first, *others = sorted(set(decay_ladder(context, context.settings.weight_decays, values, rate)))
    cells = [{**values, "lr": one, "weight_decay": first} for one in rates]
    if not others:
        return cells
    pair = [{**values, "lr": centre, "weight_decay": decay} for decay in (first, others[-1])]
    rest = [{**values, "lr": one, "weight_decay": decay} for decay in others for one in rates]
    if context.settings.pruner != "none" or len(others) + len(rates) <= 2:
        return [*cells, *rest]
    first_end, last_end = (known.get(cell_of(context, params).trial_identity) for params in pair)
    if first_end is None or last_end is None or alike(first_end, last_end):
        return [*cells, pair[1]]
    return [*cells, *rest]


def idle_decays(context: Context[CoarseGrid], cells: Sequence[Record]) -> list[Record]:
    """Cells at the strongest weight decay of their rate that came to the same as those at the weakest."""
    if context.settings.sampler != "grid":
        return []
    beside: dict[str, list[Record]] = {}
    for record in cells:
        others = {path: value for path, value in record.params.items() if path != "weight_decay"}
        beside.setdefault(digest(others), []).append(record)
    idle = []
    for group in beside.values():
        ordered = sorted(group, key=lambda record: float(record.params["weight_decay"]))
        if len(ordered) > 1 and alike(ordered[0], ordered[-1]):
            idle.append(ordered[-1])
    return idle


def _fresh(context: Context[CoarseGrid], wanted: Iterable[Values], records: Sequence[Record]) -> list[Training]:
    """Cells that have not run yet; with halving, the better half of them a rung further.

    Successive halving (Jamieson and Talwalkar, AISTATS 2016) by whole rungs: every cell goes one epoch, the better
    half of them two, and so on. What is pruned does not depend on which worker was faster.
    """
    known = {record.request.identity for record in records}
    cells = list({cell.identity: cell for cell in (cell_of(context, params) for params in wanted)}.values())
    if context.settings.pruner == "none" or not cells:
        return [cell for cell in cells if cell.identity not in known]
    alive = [cell.params for cell in cells]
    least = max(2, context.wanted)
    for number, epochs in enumerate(rungs(context, cells[0].params)):
        rung = [cell_of(context, params, epochs, round_=number) for params in alive]
        asked = {cell.identity for cell in rung}
        if asked - known:
            return [cell for cell in rung if cell.identity not in known]
        best = _ranked(context, [record for record in records if record.request.identity in asked])
        alive = [record.params for record in best[: max(least, math.ceil(len(rung) / 2))]]
    return []


def rungs(context: Context[CoarseGrid], params: Values) -> list[int]:
    """Epochs at which halving looks: 1, 2, 4, ... and the whole budget."""
    whole = budget(context, params) // context.iterations_per_epoch(params)
    return [2**k for k in range(whole.bit_length()) if 2**k < whole] + [whole]


def moves_rate(path: str) -> bool:
    """Whether each value of an axis has a sweep of its own."""
    return path.startswith(MOVES_RATE) and path not in KEEPS_RATE


def combinations(context: Context[CoarseGrid], moving: bool) -> list[Values]:
    """Every combination of the searched values that move the rate, or of the others; one empty one for no axis."""
    axes = {path: values for path, values in context.recipe.search.items() if moves_rate(path) == moving}
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _rate_for(
    context: Context[CoarseGrid], fixed: Values, records: Sequence[Record]
) -> tuple[float | None, list[Training]]:
    """The rate around which to build the grid for these values, or the sweep that finds it."""
    if all(context.recipe.get(path) == value for path, value in fixed.items()):
        return context.recipe.optimizer.lr, []
    swept = [record for record in records if is_sweep(record) and same_values(record, fixed)]
    sound = [record for record in swept if not record.error]
    if swept and not sound:
        return None, []
    sweep = context.of(lr_sweep).at(fixed)
    more = plan_sweep(sweep, swept, fixed)
    return (None, more) if more else (pick_rate(sweep, sound), [])


def swept_rates(context: Context[CoarseGrid], best: Values, records: Sequence[Record]) -> SweptRates | None:
    """What the sweep found that these values had: that of step 3, or one of their own."""
    fixed = {path: value for path, value in best.items() if moves_rate(path)}
    if all(context.recipe.get(path) == value for path, value in fixed.items()):
        return context.handoff(lr_sweep)
    swept = [record for record in records if is_sweep(record) and same_values(record, fixed) and not record.error]
    found = lr_sweep.judge(context.of(lr_sweep).at(fixed), swept).handoff if swept else None
    return found if isinstance(found, SweptRates) else None


def without_rate(context: Context[CoarseGrid], records: Sequence[Record]) -> list[Values]:
    """Searched values for which no rate works, or whose sweep failed: they have no cells."""
    if context.settings.sampler != "grid":
        return []
    return [fixed for fixed in combinations(context, moving=True) if _rate_for(context, fixed, records) == (None, [])]


def part(request: Training | Measurement) -> Part | None:
    """The sweep of a searched value that a request belongs to; None for cells."""
    return Part(lr_sweep, swept_values(request)) if request.purpose == SWEEP else None


def space(context: Context[CoarseGrid], records: Sequence[Record]) -> Space:
    """The rates around those of the sweeps, the decays, each as far as the grid may grow, and the searched values."""
    if context.settings.sampler != "grid":
        return {**drawn_axes(context), **_searched(context)}
    factors = context.settings.lr_factors
    grounds = [(fixed, _rate_for(context, fixed, records)[0]) for fixed in combinations(context, moving=True)]
    rates = [rate for _, rate in grounds if rate]
    low, high = (decimal(end(rates, default=1.0) * end(factors)) for end in (min, max))
    for _ in range(context.settings.extend):
        low, high = decimal(low / GROWTH["lr"]), decimal(high * GROWTH["lr"])
    for _ in range(DOWN if is_fine_tuning(context) else 0):
        low = decimal(low / DOWNWARD)
    given = context.settings.weight_decays
    ladders = [decay_ladder(context, given, fixed, rate) for fixed, rate in grounds if rate] or [given or CLASSICAL]
    return {"lr": Range(low, high, log=True), **other_axes(context, ladders)}


def other_axes(context: Context[CoarseGrid], ladders: Sequence[Sequence[float]]) -> dict[str, Axis]:
    """The decays, each ladder as far as the grid may grow, and the searched values. Zero is no end of a logarithmic
    range: a ladder that holds it is one of values."""
    decays: set[float] = set()
    for ladder in ladders:
        decays |= set(ladder)
        top = max(ladder)
        for _ in range(context.settings.extend):
            top = decimal(top * GROWTH["weight_decay"])
            decays.add(top)
    ordered = sorted(decays)
    decay = Range(ordered[0], ordered[-1], log=True) if ordered[0] > 0 else Choices(tuple(ordered))
    return {"weight_decay": decay, **_searched(context)}


def _searched(context: Context[CoarseGrid]) -> dict[str, Axis]:
    return {path: Choices(tuple(values)) for path, values in context.recipe.search.items()}


def is_sweep(record: Record) -> bool:
    return record.request.purpose == SWEEP


def is_cell(record: Record) -> bool:
    """Whether a record is of the grid's own trainings."""
    return not is_sweep(record) and not baselines.is_baseline(record)


def budget(context: Context[CoarseGrid], params: Values) -> int:
    """Iterations of a cell: the recipe's epochs, or enough for 200 iterations within 1 to 5 epochs."""
    per_epoch = context.iterations_per_epoch(params)
    epochs = context.settings.epochs
    if epochs is None:
        epochs = passes(context, LEAST_ITERATIONS, per_epoch, MOST_EPOCHS) + most_frozen_epochs(context)
    return epochs * per_epoch


def cell_of(
    context: Context[CoarseGrid], params: Values, epochs: int | None = None, purpose: str = CELL, round_: int = 0
) -> Training:
    whole = budget(context, params)
    until = whole if epochs is None else epochs * context.iterations_per_epoch(params)
    return Training(context.config(params), until, dict(params), purpose=purpose, round=round_, whole=whole)


def _drawn(context: Context[CoarseGrid], records: Sequence[Record]) -> list[Suggestion]:
    """The next wave of drawn trials."""
    settings = context.settings
    wave = max((record.request.round + 1 for record in records), default=0)

    def build(params: Values) -> Training:
        return cell_of(context, with_own(context, params), purpose=DRAWN, round_=wave)

    numbers = range(wave * WAVE, min((wave + 1) * WAVE, settings.trials))
    series = f"{settings.sampler} over {budget(context, {})} iterations"
    return [
        Suggestion(number, numbers.start, settings.sampler, series, build, purpose=DRAWN, round=wave)
        for number in numbers
    ]


def _growth(context: Context[CoarseGrid], records: Sequence[Record]) -> list[Training]:
    """A further row where the best cell stands at the edge of its rates or decays and is clearly better than inside."""
    scored = scored_cells(context, records)
    rounds = max((record.request.round for record in records if record.request.purpose == ROW), default=0)
    if not scored:
        return []
    best = scored[0]
    plane = cells_beside(best, records)
    others = {path: value for path, value in best.params.items() if path not in GROWTH}
    for axis, factor in GROWTH.items():
        values = sorted({record.params[axis] for record in plane})
        other = "weight_decay" if axis == "lr" else "lr"
        across = sorted({record.params[other] for record in plane if record.params[axis] == best.params[axis]})
        down = axis == "lr" and _goes_down(context, best, values, records)
        beyond = _beyond(best.params[axis], values, DOWNWARD if down else factor, axis) if len(values) > 1 else None
        more = rounds < (DOWN if down else context.settings.extend)
        if beyond is not None and more and (down or clearly_better(context, best, plane, axis, values)):
            return [
                cell_of(context, {**others, axis: beyond, other: value}, purpose=ROW, round_=rounds + 1)
                for value in across
            ]
    return []


def _goes_down(context: Context[CoarseGrid], best: Record, values: Sequence[float], records: Sequence[Record]) -> bool:
    """Whether lower rates are to be tried in fine-tuning: the best is the lowest, and moves the model at all."""
    if not is_fine_tuning(context) or best.params["lr"] != values[0]:
        return False
    known = share_loss(context.facts, context.config(), best.request.config)
    return not (known and is_unmoved(last_validation(best, "val_loss"), baselines.read(records).untouched))


def ended_at_edge(cells: Sequence[Record], best: Record) -> str:
    """The side at which the best rate is the last after the grid had grown there: highest, lowest, or none."""
    rates = {record.params["lr"] for record in cells_beside(best, cells)}
    first = {record.params["lr"] for record in cells_beside(best, cells) if record.request.purpose != ROW}
    rate = best.params["lr"]
    if not first or min(first) <= rate <= max(first) or rate not in (min(rates), max(rates)):
        return ""
    return "highest" if rate == max(rates) else "lowest"


def cells_beside(best: Record, records: Sequence[Record]) -> list[Record]:
    """Cells that differ from the best in rate and weight decay alone: the plane in which the grid grows."""
    others = {path: value for path, value in best.params.items() if path not in GROWTH}
    return [record for record in records if is_cell(record) and same_values(record, others)]


def _beyond(value: float, values: Sequence[float], factor: float, axis: str) -> float | None:
    """The next value past the edge at which `value` stands, or None. Zero is the end of weight decay."""
    if value == values[-1]:
        return decimal(value * factor)
    if value == values[0] and value > 0 and axis == "lr":
        return decimal(value / factor)
    return None


def inside(value: float, values: Sequence[float]) -> float:
    """The neighbour of an edge within the grid."""
    place = values.index(value)
    return values[place - 1] if place else values[1]


def clearly_better(
    context: Context[CoarseGrid], best: Record, plane: Sequence[Record], axis: str, values: Sequence[float]
) -> bool:
    """Whether the best beats its neighbour inside the grid by more than noise; a diverged neighbour is beaten."""
    beside = {**best.params, axis: inside(best.params[axis], values)}
    neighbour = next((record for record in plane if same_values(record, beside)), None)
    if neighbour is None or neighbour.error or diverged(neighbour):
        return True
    difference = compare(context.facts, (best, neighbour), last_of_both(best, neighbour))
    return difference.clear and difference.mean < 0


def last_of_both(first: Record, second: Record) -> tuple[int, int]:
    """The last validation that both have."""
    last = min(len(first.val_losses), len(second.val_losses)) - 1
    return last, last


def scored_cells(context: Context[CoarseGrid], records: Sequence[Record]) -> list[Record]:
    """Cells that went to the end of their budget, the best first."""
    return _ranked(context, [record for record in records if objective(context, record) is not None])


def _ranked(context: Context[CoarseGrid], records: Sequence[Record]) -> list[Record]:
    """Records with a value, the best first: by the metric, equal ones by the validation loss."""
    valued = [(value, record) for record in records if (value := _value(context, record)) is not None]
    return ranked(context.facts, [(value, last_validation(record, "val_loss"), record) for value, record in valued])


def is_short(record: Record) -> bool:
    """Whether a cell ran for a rung of halving only."""
    return isinstance(record.request, Training) and record.request.is_beginning


def _value(context: Context[CoarseGrid], record: Record) -> float | None:
    if not is_cell(record) or record.error or diverged(record):
        return None
    value = last_validation(record, context.metric)
    return value if finite(value) else None


def objective(context: Context[CoarseGrid], record: Record) -> float | None:
    """The validation metric at the end of the cell's budget; None for cells that diverged or were pruned before, and
    for sweeps."""
    return _value(context, record) if is_cell(record) and not is_short(record) else None
