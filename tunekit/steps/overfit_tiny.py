"""Step 2: can the model learn a handful of samples by heart, with every regulariser off? If not, why not?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from tunekit.findings import codes_of, finding
from tunekit.steps.context import Context, percent
from tunekit.steps.noise import diverged, tail
from tunekit.steps.step import Count, Handoff, Judgement, Positive, Settings, Step
from tunekit.vocabulary import (
    Finding,
    Measurement,
    Record,
    Request,
    ScheduleSpec,
    StopRule,
    Subset,
    Training,
    TrainingConfig,
    UserError,
    Values,
    short,
)

NAME = "overfit-tiny"


@dataclass(frozen=True)
class OverfitTiny(Settings):
    per_class: Count = 10
    samples: Count = 32  # where there are no classes
    rates: tuple[Positive, ...] = (1e-2, 1e-3, 1e-4)
    epochs: Count = 300


@dataclass(frozen=True)
class Learned(Handoff):
    lr: float
    epochs: int
    loss: float


NEAR_FLOOR = 0.03  # of the way from the start down to the floor
NEAR_FIT = 0.10  # the same way, where the floor is the best linear map's: the last part of it takes long
RESIDUAL = 0.01  # regression: share of the targets' variance that may be left (measured in the loss by the probe)
NEAR_SCORE = 0.9  # of the best linear map's accuracy, for models with few parameters
FAR_TARGETS = 4.0  # squared mean of the targets over their variance, above which outputs have far to go
ODD_SCALE = 100.0  # standard deviation of targets, or its inverse, that outputs of unit scale do not reach soon
SLOW = 200  # passes over the tiny set; some tens is usual
FLAT = 0.02  # largest drop, as a share of the start, of a loss that does not move
MODES = 0.10  # accuracy by which the two modes may differ
LARGEST = 500  # samples, all in one batch
SGD_FAMILY = ("sgd", "momentum", "nesterov", "adagrad")
SGD_FACTOR = 10.0  # rates of plain gradient descent lie a decade above Adam's


def plan(context: Context, records: Sequence[Record]) -> list[Request]:
    """First what the set allows, then the rates, then a longer or faster try where none solved it; last the control
    with zeroed inputs and a look at the trained model."""
    settings = context.settings
    if not records:
        return [_measure(context, _config(context, _rates(context)[0]), 0)]
    if any(record.error for record in records):
        return []
    start = records[0].values
    tried = [record for record in records if _is_main(record)]
    if not tried:
        return [_training(context, rate, start, settings.epochs) for rate in _rates(context)]
    best = _best(context, tried, start)
    if not _solved(context, best, start):
        more = _further(context, tried, best, start)
        if more:
            return [more]
    if not any(isinstance(record.request, Measurement) and record.request.at for record in records):
        if diverged(best):
            return []  # there is no trained model to look at
        control = _training(context, best.params["lr"], start, max(1, best.iterations), blank=True)
        return [_measure(context, best.request.config, best.iterations), control]
    return []


def _rates(context: Context) -> list[float]:
    rates = context.settings.rates
    factor = SGD_FACTOR if context.recipe.optimizer.target in SGD_FAMILY else 1.0
    return [rate * factor for rate in rates] if list(rates) == [1e-2, 1e-3, 1e-4] else rates


def _config(context: Context, rate: float, blank: bool = False) -> TrainingConfig:
    """The tiny training: no weight decay, dropout, augmentation, averaging or clipping; the set in one batch."""
    settings = context.settings
    subset = Subset(settings.per_class) if context.facts.classes else Subset(samples=min(settings.samples, LARGEST))
    base = context.config({"lr": rate, "weight_decay": 0.0})
    size = settings.per_class * context.facts.classes if context.facts.classes else settings.samples
    return base.with_(
        data=replace(base.data, subset=subset, blank=blank, augment=()),
        batch_size=max(2, min(size, LARGEST)),
        metric="auto",
        schedule=ScheduleSpec(),
        clip_grad_norm=None,
        ema=None,
        regularize=False,
    )


def _measure(context: Context, config: TrainingConfig, at: int) -> Measurement:
    return Measurement(
        "tiny", config, {"lr": config.lr, "at": at}, at=at, purpose="the trained model" if at else "the set"
    )


def _training(context: Context, rate: float, start: Values, until: int, blank: bool = False) -> Training:
    params = {"lr": rate, "inputs": "zeroed" if blank else "real"}
    rule = StopRule(solved_loss=_target(start), solved_metric=_wanted_score(context, start))
    return Training(_config(context, rate, blank), until, params, rule, purpose="control" if blank else "rate")


def _target(start: Values) -> float:
    """The loss that counts as learned: regression a hundredth of the variance, else near the floor."""
    floor, first = start["floor"], start["start"]
    if "variance" in start:
        return float(floor + max(start.get("residual", RESIDUAL * start["variance"]), 1e-12))
    return float(floor + (NEAR_FIT if "score" in start else NEAR_FLOOR) * abs(first - floor))


def _wanted_score(context: Context, start: Values) -> float | None:
    if context.recipe.task == "regression" or ":" in context.recipe.task:
        return None
    return NEAR_SCORE * float(start["score"]) if "score" in start else 1.0


def _is_main(record: Record) -> bool:
    return isinstance(record.request, Training) and not record.request.config.data.blank


def _score_column(record: Record) -> str | None:
    return next((name for name in record.rows if name.startswith("train_") and name != "train_loss"), None)


def _reached(record: Record) -> tuple[float, float]:
    """(accuracy or NaN, loss) over the last three iterations, which are the whole set each."""
    losses = record.column("train_loss")[-3:]
    name = _score_column(record)
    scores = record.column(name)[-3:] if name else []
    return (min(scores) if scores else math.nan), (max(losses) if losses else math.nan)


def _solved(context: Context, record: Record, start: Values) -> bool:
    score, loss = _reached(record)
    wanted = _wanted_score(context, start)
    return loss <= _target(start) and (wanted is None or score >= wanted)


def _best(context: Context, tried: Sequence[Record], start: Values) -> Record:
    """The rate that solved it first, or else came lowest; of several lengths of one rate the longest."""

    def order(record: Record) -> tuple[bool, float]:
        solved = _solved(context, record, start)
        loss = _reached(record)[1]
        return (not solved, float(record.iterations) if solved else loss if math.isfinite(loss) else math.inf)

    return min(tried, key=order)


def _further(context: Context, tried: Sequence[Record], best: Record, start: Values) -> Training | None:
    """Once ten times the rate where the highest was best, then four times the iterations where the loss still falls."""
    if diverged(best):
        low = min(record.params["lr"] for record in tried)
        return _training(context, low / 10, start, context.settings.epochs) if len(tried) == 3 else None
    rates = [record.params["lr"] for record in tried]
    settings = context.settings
    if best.params["lr"] == max(rates) and len(set(rates)) == len(_rates(context)):
        return _training(context, best.params["lr"] * 10, start, settings.epochs)
    longest = max(record.iterations for record in tried)
    losses = best.column("train_loss")
    falls = len(losses) > 40 and tail(losses).mean() < 0.98 * fmean(losses[-len(losses) // 4 : -len(losses) // 8])
    if falls and longest <= settings.epochs:
        return _training(context, best.params["lr"], start, 4 * settings.epochs)
    return None


def objective(context: Context, record: Record) -> float | None:
    """The loss at the end: how much of the tiny set was learned."""
    if isinstance(record.request, Measurement):
        loss = record.values.get("train", {}).get("loss", record.values.get("start"))
        return None if loss is None else float(loss)
    return None if diverged(record) else _reached(record)[1]


def judge(context: Context, records: Sequence[Record]) -> Judgement:
    failed = [record for record in records if record.error]
    if failed:
        causes = context.causes
        why = f"; this follows from {', '.join(causes[:3])}, found before" if causes else ""
        raise UserError(f"{failed[0].error}{why}")
    start = records[0].values
    tried = [record for record in records if _is_main(record)]
    best = _best(context, tried, start)
    solved = _solved(context, best, start)
    looked = next((r.values for r in records if isinstance(r.request, Measurement) and r.request.at), {})
    control = next((r for r in records if isinstance(r.request, Training) and r.request.config.data.blank), None)
    score, loss = _reached(best)
    reached = _reached_text(context, score, loss, start)
    findings: list[Finding] = []
    if solved:
        summary = (
            f"{start['samples']} samples learned to {reached} in {best.iterations} epochs at rate "
            f"{short(best.params['lr'])}; some tens is usual."
        )
        if best.iterations > SLOW:
            findings.append(_slow(best, start))
        findings += _modes(looked, context)
        if control is not None and _solved(context, control, start):
            message = f"with zeroed inputs the set is learned as well, in {control.iterations} epochs"
            findings.append(finding("memorizes_without_input", message, {"epochs": control.iterations}))
    else:
        findings.append(_cause(context, tried, best, start, looked))
        summary = f"{start['samples']} samples were not learned: {reached} at best, at rate {short(best.params['lr'])}."
    table = [_row(context, record, start) for record in tried]
    if control is not None:
        table.append({**_row(context, control, start), "inputs": "zeroed"})
    handoff = {"lr": best.params["lr"], "epochs": best.iterations, "loss": loss} if solved else {}
    return Judgement(
        summary, findings, Learned(**handoff) if handoff else None, table, {"lr": "rate", "accuracy": "share"}
    )


def _slow(best: Record, start: Values) -> Finding:
    """Slow for no reason that is known, or because the outputs have far to go to targets that are not standardised."""
    message = f"{best.iterations} passes over {start['samples']} samples were needed; some tens is usual"
    evidence: dict[str, Any] = {"epochs": best.iterations}
    if not _off_scale(start):
        return finding("overfit_slow", message, evidence)
    message = f"{message}; {_scale_text(start)}"
    return finding("overfit_slow", message, evidence, advice=(STANDARDISE,), severity="note")


STANDARDISE = "standardise the targets: subtract their training mean and divide by their standard deviation"


def _off_scale(start: Values) -> bool:
    """Whether regression targets lie far from where outputs start, for their spread."""
    if "variance" not in start or not start["variance"]:
        return False
    spread = math.sqrt(start["variance"])
    return start["mean"] ** 2 > FAR_TARGETS * start["variance"] or not 1 / ODD_SCALE < spread < ODD_SCALE


def _scale_text(start: Values) -> str:
    return f"the targets have mean {start['mean']:.3g} and standard deviation {math.sqrt(start['variance']):.3g}"


def _reached_text(context: Context, score: float, loss: float, start: Values) -> str:
    if "variance" in start:
        residual = start.get("residual", RESIDUAL * start["variance"])
        if residual <= 0:
            return f"a loss of {loss:.3g}"
        if math.isclose(residual, RESIDUAL * start["variance"], rel_tol=0.01):
            return f"a residual of {100 * loss / start['variance']:.2g} % of the variance"
        return f"a loss of {loss:.3g} ({residual + start['floor']:.3g} where 1 % of the variance is left)"
    return f"{percent(score)} accuracy, loss {loss:.3g}"


def _row(context: Context, record: Record, start: Values) -> Values:
    score, loss = _reached(record)
    stopped = diverged(record)
    verdict = f"diverged at {stopped}" if stopped else "learned" if _solved(context, record, start) else "not learned"
    name = _score_column(record)
    row = {"lr": record.params["lr"], "inputs": "real", "epochs": record.iterations, "loss": loss, "verdict": verdict}
    return row if name is None or "variance" in start else {**row, "accuracy": score}


def _modes(looked: Values, context: Context) -> list[Finding]:
    if not looked or context.recipe.task == "regression":
        return []
    train, evaluated = looked["train"]["score"], looked["eval"]["score"]
    if not abs(train - evaluated) > MODES:
        return []
    message = (
        f"accuracy is {percent(train)} in train mode and {percent(evaluated)} in eval "
        "mode on the same samples, BatchNorm's statistics made anew"
    )
    return [finding("eval_mode_differs", message, {"train": train, "eval": evaluated})]


def _cause(context: Context, tried: Sequence[Record], best: Record, start: Values, looked: Values) -> Finding:
    """Why the set is not learned, from what the losses, the gradients, the parameters and the labels say."""
    drops = [
        start["start"] - min((x for x in r.column("train_loss") if math.isfinite(x)), default=math.inf) for r in tried
    ]
    evidence: dict[str, Any] = {"start": start["start"], "floor": start["floor"], "loss": _reached(best)[1]}
    if all(diverged(record) for record in tried):
        first = min(diverged(record) or 0 for record in tried)
        message = f"the loss leaves all bounds at every rate, first at iteration {first}"
        return finding("loss_not_finite", message, {**evidence, "iteration": first})
    if start["conflicting"]:
        count = f"{start['conflicting']} of the {start['samples']} samples"
        message = f"{count} share their input with a sample of another target"
        advice = ("mend the labels of identical inputs",)
        return finding("cannot_overfit", message, {**evidence, "conflicting": start["conflicting"]}, advice=advice)
    if looked:
        evidence |= {"gradient_norm": looked["gradient_norm"], "moved": looked["moved"]}
        if looked["moved"] == 0:
            message = "no parameter of the model moved: the optimizer holds other parameters, or gradients are zero"
            return finding("loss_flat", message, evidence)
    scale = max(abs(start["start"] - start["floor"]), 1e-12)
    if max(drops) < FLAT * scale:
        gradient = looked.get("gradient_norm")
        shown = f"; the gradient's norm is {gradient:.1e}" if gradient is not None else ""
        message = f"the loss moved by {100 * max(drops) / scale:.1f} % of the way to its floor at best{shown}"
        return finding("loss_flat", message, evidence)
    parameters, samples = start["parameters"], start["samples"]
    score, loss = _reached(best)
    message = f"after {best.iterations} epochs at the best rate: {_reached_text(context, score, loss, start)}"
    if _off_scale(start):
        evidence |= {"mean": start["mean"], "variance": start["variance"]}
        return finding("cannot_overfit", f"{message}; {_scale_text(start)}", evidence, advice=(STANDARDISE,))
    if parameters < samples:
        advice = ("give the model more parameters than this set has samples",)
        return finding(
            "cannot_overfit", f"{message}; {parameters} parameters for {samples} samples", evidence, advice=advice
        )
    if looked and looked["gradient_norm"] < 1e-6:
        advice = ("the gradients died: look at the last layer and at saturated activations",)
        return finding(
            "cannot_overfit",
            f"{message}; the gradient's norm is {looked['gradient_norm']:.1e}",
            evidence,
            advice=advice,
        )
    return finding("cannot_overfit", message, evidence)


STEP = Step(
    NAME,
    "Learn a handful of samples by heart, or say why that fails.",
    OverfitTiny,
    Learned,
    "the rate",
    plan,
    judge,
    lambda: codes_of(NAME),
    objective=objective,
    choices=lambda context: {"inputs": ["real", "zeroed"]},
)
