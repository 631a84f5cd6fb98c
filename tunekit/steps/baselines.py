"""What tuning must beat: guessing, and a model that comes trained as it came. Asked once by the steps that rank by
validation; what cannot be measured costs its row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunekit.configuration import Values
from tunekit.measured import ChanceMeasured, Guess, UntouchedMeasured
from tunekit.steps.context import Context
from tunekit.steps.estimate import Estimate, counting_error, cross_fitted, halves_of
from tunekit.steps.noise import ERRORS, share_loss
from tunekit.steps.regime import comes_trained
from tunekit.vocabulary import Code, Finding, Format, Measurement, Record, Severity, StepResult

if TYPE_CHECKING:
    from tunekit.steps.estimate import Halves

CHANCE, UNTOUCHED = "guessing", "untouched"
PURPOSES = (CHANCE, UNTOUCHED)

NO_BETTER_THAN_CHANCE = Code(
    "no_better_than_chance",
    "fail",
    "The best that was reached is no better than guessing.",
    "Metric and loss on the validation samples against those of the best constant answer: the most frequent class, how "
    "often each class occurs, the targets' mean or median. For a loss or a metric of your own: against the untrained "
    f"model's answers on permuted targets. Neither is better by more than {ERRORS:g} standard errors. Where the loss "
    "alone is better it warns: the metric does not see what was learned.",
    "Labels that the inputs say nothing of, a model that ignores its input, or far too few iterations.",
    (
        "look at inputs and labels side by side as the model gets them: `tunekit inspect RECIPE`",
        "run `tunekit overfit-tiny RECIPE`: does the model learn a few samples at all?",
        "where it does: more epochs (a few iterations show nothing), or more validation samples (few cannot tell)",
    ),
    "Karpathy, 'A Recipe for Training Neural Networks', 2019 (dumb baselines, input-independent baseline)",
)
NO_BETTER_THAN_PRETRAINED = Code(
    "no_better_than_pretrained",
    "warn",
    "Tuning made the model that came trained no better than it was.",
    "Metric and loss of the best training against those of the model as it came, on the same validation samples: "
    f"neither is better by more than {ERRORS:g} standard errors (choosing on one half of the samples and scoring on "
    "the other, where results are kept by sample).",
    "Too few samples to tune on, rates that forget what was known, or nothing left to learn.",
    (
        "the model as it came is handed on",
        "tune fewer parameters (a new head on a frozen body, LoRA), lower rates, or more samples",
    ),
    "Kumar et al., 'Fine-Tuning can Distort Pretrained Features', ICLR 2022",
)


@dataclass(frozen=True)
class Baselines:
    """What was measured; None where it could not be, or was not asked for."""

    chance: ChanceMeasured | None = None
    untouched: UntouchedMeasured | None = None


@dataclass(frozen=True)
class Gain:
    """By how much the best is better than a baseline (above zero: better), with its standard error. None: not known."""

    metric: Estimate | None
    loss: Estimate | None

    @property
    def is_known(self) -> bool:
        return self.metric is not None or self.loss is not None

    @property
    def by_metric(self) -> bool:
        return _clear(self.metric)

    @property
    def by_loss(self) -> bool:
        return _clear(self.loss)

    @property
    def is_better(self) -> bool:
        """Clearly by the metric; or by the loss, where the metric is not known or not clearly worse."""
        metric = self.metric
        return self.by_metric or (self.by_loss and (metric is None or metric.value > -ERRORS * metric.error))

    @property
    def is_chance(self) -> bool:
        """Whether a baseline of guessing is not beaten: by the metric or, where that is not known, by the loss."""
        return self.is_known and not self.by_metric and not (self.metric is None and self.by_loss)


def _clear(gain: Estimate | None) -> bool:
    return gain is not None and gain.value > ERRORS * gain.error and gain.value > 0


@dataclass(frozen=True)
class Chosen:
    """What was chosen among: the metric of all candidates over halves, their losses likewise (None: not kept), and the
    raw best's metric and loss."""

    metric: Halves | None
    loss: Halves | None
    value: float
    val_loss: float | None


def requests(context: Context[Any]) -> list[Measurement]:
    """What to measure in a plan's first round."""
    chance = Measurement("chance", context.config(), {}, purpose=CHANCE)
    return [chance, *(untouched_request(context) if comes_trained(context) else [])]


def untouched_request(context: Context[Any]) -> list[Measurement]:
    """The model as it came, of which a training is to be better."""
    return [Measurement("untouched", context.config(), {}, purpose=UNTOUCHED)]


def is_baseline(record: Record) -> bool:
    return record.request.purpose in PURPOSES


def read(records: Sequence[Record]) -> Baselines:
    """The answers among a step's records."""
    answers = {r.request.purpose: r.values for r in records if isinstance(r.request, Measurement) and r.values}
    chance, untouched = (answers.get(purpose) for purpose in PURPOSES)
    return Baselines(
        None if chance is None else ChanceMeasured.from_json(chance),
        None if untouched is None else UntouchedMeasured.from_json(untouched),
    )


def rows(context: Context[Any], baselines: Baselines, losses: bool = True) -> list[Values]:
    """Their rows of a table, with `losses` or without: what stands in `lr` for trainings is the name."""
    lines: list[Values] = []
    if baselines.untouched is not None:
        untouched = baselines.untouched
        values: Values = {context.metric: untouched.score, "val_loss": untouched.loss}
        lines.append({"lr": UNTOUCHED, **values, "verdict": "the model as it came"})
    chance = baselines.chance
    if chance is not None and (chance.score or chance.loss):
        values = {context.metric: chance.score and chance.score.value, "val_loss": chance.loss and chance.loss.value}
        lines.append({"lr": CHANCE, **values, "verdict": _how(chance, losses)})
    unwanted = set() if losses or context.metric == "val_loss" else {"val_loss"}
    return [{name: _finite(value) for name, value in line.items() if name not in unwanted} for line in lines]


def guessed(results: Sequence[StepResult], column: str) -> tuple[Any, Format | None] | None:
    """What guessing reaches by a column, and how it is shown, as the last step that asked it says in its table; None
    where none does."""
    for result in reversed(results):
        for row in result.table:
            if row.get("lr") == CHANCE and row.get(column) is not None:
                return row[column], result.formats.get(column)
    return None


def _how(chance: ChanceMeasured, losses: bool) -> str:
    """The guess by the metric and, where that is another, the one by the loss."""
    if chance.score is None or chance.loss is None or not losses or chance.score.how == chance.loss.how:
        return (chance.score or chance.loss or Guess(0.0, "")).how
    return f"{chance.score.how} (loss: {chance.loss.how})"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def kept_halves(context: Context[Any], records: Sequence[Record], column: str) -> list[Halves] | None:
    """A validation column of each training over halves. None where it was not kept, or is a loss of another function
    than the one that these baselines have."""
    if column == "val_loss" and not share_loss(context.facts, context.config(), *(r.request.config for r in records)):
        return None
    kept = [halves for record in records if (halves := halves_of(record, column)) is not None]
    return kept if len(kept) == len(records) else None


def over_chance(context: Context[Any], chance: ChanceMeasured, chosen: Chosen) -> Gain:
    facts = context.facts
    metric = _gain(chosen.metric, chosen.metric, facts.maximize, chance.score, chosen.value, facts.maximize)
    if metric is None and facts.share and chance.score is not None:  # results are not kept by sample: counting alone
        off = chosen.value - chance.score.value
        metric = Estimate(off if facts.maximize else -off, counting_error(chosen.value, facts.n_val), 1)
    return Gain(metric, _loss_gain(context, chosen, chance.loss))


def over_untouched(context: Context[Any], untouched: UntouchedMeasured, chosen: Chosen) -> Gain:
    facts = context.facts
    score = Guess(untouched.score, UNTOUCHED, halves=untouched.score_halves)
    loss = Guess(untouched.loss, UNTOUCHED, halves=untouched.loss_halves)
    metric = _gain(chosen.metric, chosen.metric, facts.maximize, score, chosen.value, facts.maximize)
    return Gain(metric, _loss_gain(context, chosen, loss))


def _loss_gain(context: Context[Any], chosen: Chosen, loss: Guess | None) -> Estimate | None:
    """By the loss of what the metric chooses; where the metric is not kept by sample, of what the loss chooses."""
    if chosen.metric is None or chosen.loss is None or chosen.metric.shape != chosen.loss.shape:
        return _gain(chosen.loss, chosen.loss, False, loss, chosen.val_loss, False)
    return _gain(chosen.metric, chosen.loss, context.facts.maximize, loss, chosen.val_loss, False)


def _gain(
    choosing: Halves | None,
    scored: Halves | None,
    choose_maximum: bool,
    baseline: Guess | None,
    raw: float | None,
    maximize: bool,
) -> Estimate | None:
    import numpy as np

    if baseline is None or choosing is None or scored is None or raw is None or not math.isfinite(baseline.value):
        return None
    sign = 1.0 if maximize else -1.0
    paired = len(baseline.halves) == scored.shape[1]
    beside = np.asarray(baseline.halves if paired else baseline.value, dtype=np.float64)
    gain = cross_fitted(choosing, sign * (scored - beside), choose_maximum)
    if gain is None:
        return None
    return Estimate(gain.value, math.hypot(gain.error, baseline.spread), gain.candidates)


def told(context: Context[Any], gain: Gain, than: str) -> tuple[str, Values]:
    """A gain in a sentence, and as evidence."""
    parts, evidence = [], {}
    for name, one in ((context.metric, gain.metric), ("val_loss", gain.loss)):
        if one is not None and name not in evidence:
            parts.append(f"{one.value:.2g} +- {one.error:.2g} of {name}")
            evidence[name] = {"gain": one.value, "error": one.error}
    return f"over samples that had no part in choosing it the best gains {' and '.join(parts)} on {than}", evidence


def findings(
    context: Context[Any], beside: Baselines, chosen: Chosen, then: str, severity: Severity | None = None
) -> list[Finding]:
    """What was chosen, against guessing and against the model as it came. `then`: what follows of the latter, and how
    grave that is."""
    found = []
    if beside.chance is not None:
        gain = over_chance(context, beside.chance, chosen)
        if gain.is_chance:
            message, evidence = told(context, gain, CHANCE)
            found.append(NO_BETTER_THAN_CHANCE.finding(message, evidence, severity="warn" if gain.by_loss else None))
    if beside.untouched is not None:
        gain = over_untouched(context, beside.untouched, chosen)
        if gain.is_known and not gain.is_better:
            message, evidence = told(context, gain, "the model as it came")
            found.append(NO_BETTER_THAN_PRETRAINED.finding(f"{message}{then}", evidence, severity=severity))
    return found
