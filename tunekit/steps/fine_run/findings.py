"""What the fine run says of its runs, each code beside what says it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from tunekit import citations
from tunekit.configuration import LONGER, Values, short
from tunekit.steps.baselines import NO_BETTER_THAN_CHANCE, NO_BETTER_THAN_PRETRAINED
from tunekit.steps.check_init_loss.data import NOT_REPEATABLE
from tunekit.steps.coarse_grid import STEP as coarse_grid
from tunekit.steps.coarse_grid import WITHIN_NOISE
from tunekit.steps.coarse_grid.findings import LATE_UNDECIDED
from tunekit.steps.coarse_grid.late import DECAY, is_late, is_on
from tunekit.steps.context import Context, described
from tunekit.steps.fine_run.plan import NAME, FineRun, epochs_of, value_of
from tunekit.steps.lr_sweep.codes import BEST_AT_EDGE
from tunekit.steps.noise import Difference, best_validation, compare_rank
from tunekit.telling import counted
from tunekit.vocabulary import RAW, Code, Finding, Record, Remedy

LATE = 0.9  # of the run: a best value that lies beyond it was still being improved on
STILL_FALLS = 0.02  # of the validation loss, from the third to the last quarter of the run
COUNTING = 2.0  # times what a metric varies by through counting alone, that the spread over seeds exceeds
OTHER_COUNTING = 0.05  # of its value: what a metric that is no share varies by on its own

UNSTABLE_ACROSS_SEEDS = Code(
    "unstable_across_seeds",
    "warn",
    "The winner's result depends on the seed more than on what was tuned.",
    "Standard deviation of the validation metric over three seeds or more: larger than what separates the best from "
    f"the worst setting of this step, and than {COUNTING:g} times what a share varies by through counting alone, "
    f"sqrt(p (1 - p) / n) over n validation samples (for other metrics {OTHER_COUNTING:.0%} of their value).",
    "A small validation split or training that is hardly stable.",
    ("report mean and spread; try a smaller rate, a warm-up or clipping",),
    "Bouthillier et al., 'Accounting for Variance in Machine Learning Benchmarks', MLSys 2021",
)
FINE_RUN_DIVERGED = Code(
    "fine_run_diverged",
    "fail",
    "Every run of the fine step diverged.",
    "Loss not finite or far above its start.",
    "A rate that is only just stable in short runs.",
    ("take smaller rates in the grid",),
    citations.LECTURE,
)
STILL_IMPROVING = Code(
    "still_improving",
    "note",
    "The best run was still getting better when it ended.",
    f"The best validation value lies behind {LATE:.0%} of the run, and the validation loss of its last quarter is more "
    f"than {STILL_FALLS:.0%} below that of the quarter before.",
    "The run was short.",
    (f"train {LONGER} times as long",),
    f"{citations.PLAYBOOK} (is the run still improving at its end?)",
)
FINE_RUN_LENGTHENED = Code(
    "fine_run_lengthened",
    "note",
    "The runs went on for longer than the recipe says: the grid's had been longer already.",
    "`steps.fine-run.epochs` against the epochs of the grid's best cell.",
    "A fine run that is set shorter than the grid.",
    ("set `steps.fine-run.epochs` above `steps.coarse-grid.epochs`",),
    "",
)
EMA_COMPARED = Code(
    "ema_compared",
    "note",
    "Averaged weights were validated beside the weights themselves; the average is what counts and what is kept.",
    "The validation metric of both, each at its best epoch of the best run (`val_...` and `raw_val_...` in its "
    "metrics.csv).",
    "An average over more iterations than the training has lags behind; one over few follows the weights.",
    ("an average that validates worse is too long for the training: a smaller `ema`, or none",),
    "Izmailov et al., 'Averaging Weights Leads to Wider Optima and Better Generalization', UAI 2018",
)
CODES = (
    WITHIN_NOISE,
    UNSTABLE_ACROSS_SEEDS,
    FINE_RUN_DIVERGED,
    STILL_IMPROVING,
    NOT_REPEATABLE,
    FINE_RUN_LENGTHENED,
    NO_BETTER_THAN_CHANCE,
    NO_BETTER_THAN_PRETRAINED,
    BEST_AT_EDGE,
    LATE_UNDECIDED,
    EMA_COMPARED,
)


def findings_on_step(context: Context[FineRun]) -> list[Finding]:
    findings = []
    if not context.facts.shareable:
        findings.append(NOT_REPEATABLE.finding("; ".join(context.facts.notes) or "runs start anew"))
    epochs = epochs_of(context)
    if epochs > context.settings.epochs:
        message = (
            f"trained for {counted(epochs, 'epoch')}, as the grid's best was, and not for {context.settings.epochs}"
        )
        findings.append(FINE_RUN_LENGTHENED.finding(message, {"epochs": epochs, "asked": context.settings.epochs}))
    return findings


def findings_on_runs(
    context: Context[FineRun], ranked: Sequence[Record], reached: tuple[int, int, float], values: Sequence[float]
) -> list[Finding]:
    """On the best run, the first of `ranked`. `reached`: its best validation; `values`: the metric over seeds."""
    findings = []
    best, (_, iteration, value) = ranked[0], reached
    difference = compared(context, best, ranked[1]) if len(ranked) > 1 else None
    if difference is not None and not difference.clear and difference.pairs:
        message = (
            f"the winner is not clearly better than the runner-up ({described(ranked[1].params)}): "
            f"by {0 - difference.mean:.2g} +- {difference.error:.2g} of {difference.of} over {difference.pairs} samples"
        )
        evidence: Values = {"difference": difference.mean, "error": difference.error}
        findings.append(WITHIN_NOISE.finding(message, evidence))
    if len(values) > 2 and len(ranked) > 1:
        spread = stdev(values)
        worst = value_of(context, ranked[-1])
        gain = abs(value - worst[2]) if worst else 0.0
        if spread > gain and spread > COUNTING * _counting_error(context, value):
            message = (
                f"the spread over {len(values)} seeds ({context.difference_text(spread)}) is larger than what "
                f"separates the best from the worst setting ({context.difference_text(gain)})"
            )
            evidence = {"spread": spread, "gain": gain, "values": list(values)}
            findings.append(UNSTABLE_ACROSS_SEEDS.finding(message, evidence))
    perfect = context.facts.share and context.facts.maximize and value >= 1
    if best.iterations and iteration >= LATE * best.iterations and _falls(best) and not perfect:
        message = (
            f"the best value lies at iteration {iteration} of {best.iterations} and the validation loss still falls"
        )
        longer = Remedy(NAME, {f"steps.{NAME}.epochs": LONGER * epochs_of(context)})
        evidence = {"iteration": iteration, "iterations": best.iterations}
        findings.append(STILL_IMPROVING.finding(message, evidence, remedies=(longer,)))
    return findings


def averaging(context: Context[FineRun], best: Record, reached: tuple[int, int, float]) -> list[Finding]:
    """What averaging the weights was worth in the best run, where it is on. `reached`: its best validation."""
    raw = best_raw(context, best)
    if raw is None:
        return []
    told = averaging_told(context, reached[2], raw)
    evidence: Values = {"averaged": reached[2], "raw": raw}
    decay = 1 / (1 - best.request.config.ema) if best.request.config.ema else 0.0
    message = f"averaged over some {decay:.0f} iterations, {told}"
    if not context.is_better(raw, reached[2]):
        return [EMA_COMPARED.finding(message, evidence, advice=())]
    return [EMA_COMPARED.finding(message, evidence, remedies=(Remedy(NAME, {"ema": None}),))]


def best_raw(context: Context[Any], record: Record) -> float | None:
    """The best validation of the weights beside their average; None where they are not averaged."""
    best = best_validation(record, f"{RAW}{context.metric}", context.facts.maximize)
    return None if best is None else best[2]


def averaging_told(context: Context[Any], averaged: float, raw: float) -> str:
    """Which of both weights validate better, and by how much: a sentence's part."""
    by = context.difference_text(abs(averaged - raw))
    values = f"{context.metric} {context.metric_text(averaged)} against {context.metric_text(raw)} of the raw ones"
    if averaged == raw:
        return f"the weights validate as they do by themselves: {values}"
    word = "better" if context.is_better(averaged, raw) else "worse"
    return f"the weights validate {word} by {by}: {values}"


def _counting_error(context: Context[FineRun], value: float) -> float:
    """What the metric may vary by on its own: sqrt(p (1 - p) / n) for a share over n samples, else a twentieth."""
    if not context.facts.share or not 0 <= value <= 1:
        return OTHER_COUNTING * abs(value)
    return float((value * (1 - value) / max(1, context.facts.n_val)) ** 0.5)


def _falls(record: Record) -> bool:
    """Whether the validation loss of the last quarter lies clearly below that of the quarter before."""
    losses = [value for _, value in record.validations("val_loss")]
    quarter = max(1, len(losses) // 4)
    if len(losses) < 4:
        return False
    last, before = fmean(losses[-quarter:]), fmean(losses[-2 * quarter : -quarter])
    return last < before - STILL_FALLS * abs(before)


def findings_on_diverged(count: int) -> list[Finding]:
    message = f"all {count} runs diverged or failed"
    smaller = Remedy(coarse_grid.name, {f"steps.{coarse_grid.name}.lr_factors": [0.1, 0.3, 1.0]})
    return [FINE_RUN_DIVERGED.finding(message, remedies=(smaller,))]


def edges(context: Context[FineRun], best: Record) -> list[Finding]:
    """The best rate where the grid had grown to, or beyond: two steps agree on the side, whatever the noise."""
    cells = context.handoff(coarse_grid)
    if cells is None or not cells.edge:
        return []
    rate, edge = best.params["lr"], cells.values["lr"]
    if not (rate >= edge if cells.edge == "highest" else rate <= edge):
        return []
    message = f"the best lr, {short(rate)}, is at the {cells.edge} end, as the grid's was after it had grown there"
    more = Remedy(coarse_grid.name, {f"steps.{coarse_grid.name}.extend": 6})
    evidence: Values = {"lr": rate, "side": cells.edge}
    return [BEST_AT_EDGE.finding(message, evidence, advice=("let the grid grow further",), remedies=(more,))]


def undecided(context: Context[FineRun], ranked: Sequence[Record]) -> list[Finding]:
    """Searched regularisers whose arms are within noise of each other: the weaker one won, and a longer training might
    say otherwise."""
    findings = []
    best = ranked[0]
    for path in best.params:
        values = [record.params.get(path) for record in ranked]
        if path == DECAY or not is_late(path) or is_on(values[0], values):
            continue
        other = next((r for r, value in zip(ranked, values, strict=True) if is_on(value, values)), None)
        difference = None if other is None else compared(context, best, other)
        if other is not None and difference is not None and difference.pairs and not difference.clear:
            message = (
                f"{path}: {best.params[path]} is not clearly better than {other.params[path]} in {epochs_of(context)} "
                "epochs, and the stronger of them pays late"
            )
            findings.append(LATE_UNDECIDED.finding(message, {"difference": difference.mean, "error": difference.error}))
    return findings


def compared(context: Context[FineRun], first: Record, second: Record) -> Difference | None:
    """Paired differences of two runs, each at its best epoch, by what ranks them."""
    here, there = (value_of(context, record) for record in (first, second))
    if here is None or there is None:
        return None
    return compare_rank(context.facts, (first, second), (here[0], there[0]))
