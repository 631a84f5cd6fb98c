"""What to do about a verdict, in the order of the procedure: check, capacity, rate, regularisation, go on or stop.

General advice is the catalogue's (tunekit/findings.py); here it meets the numbers of a log and, in tunekit's own
runs, becomes recipe lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tunekit.diagnosis.measures import Measures
from tunekit.findings import CATALOGUE
from tunekit.vocabulary import short

OWN = "tunekit"

CHANGES: Mapping[str, str] = {
    "insufficient_data": "five training points or more, or a validation curve of eight",
    "diverged": "losses that are finite to the end and end near their lowest",
    "discontinuity": "the parts before and after the step, judged each by itself",
    "not_learning": "a fall of the loss by more than 2 % and its noise, or a metric that moves by 0.03",
    "train_val_mismatch": "a validation loss, from the same transforms and in eval mode, that falls by a fifth",
    "noisy_val": "the same curve over a larger validation split, or with averaged weights",
    "val_suspicious": "the same metric on fresh data, with duplicates across the splits removed",
    "metric_loss_disagree": "a metric that falls as well, or a validation loss that falls again",
    "overfit": "a validation curve that improves again, or training in eval mode as far behind",
    "unstable": "the same run at a third of the rate, or with gradients clipped, without the jumps",
    "lr_too_high": "a run at a third of the rate that ends no lower",
    "lr_too_low": "a run at three times the rate that ends no lower",
    "no_validation": "a validation curve",
    "not_converged": "a longer run whose last quarter brings less than 3 % of the fall",
    "underfit": "a larger model, or a rate from a sweep, that ends no lower: then it is noise in the data",
    "plateau_then_drop": "a start without a standstill under another initialisation or with a warm-up",
    "good_fit": "a longer run in which validation rises by 5 % or the loss falls on by 3 %",
    "noisy_train": "a larger batch with the same spread",
}
"""Which evidence would change a headline."""


def advice_for(code: str, m: Measures, best_epoch: float | None, best_x: float | None) -> tuple[str, ...]:
    """The advice for a headline, most useful first; recipe lines last, for tunekit's own runs alone."""
    special = SPECIAL.get(code)
    lines = special(m, best_epoch, best_x) if special else CATALOGUE[code].advice
    own = _recipe_lines(code, m) if m.log.format == OWN else ()
    return (*lines, *own)


def moment(m: Measures, best_epoch: float | None, best_x: float | None) -> str:
    """The best validation's place in words: its epoch where the log has epochs, else its step or row."""
    if best_epoch is not None:
        return f"epoch {shown_place(best_epoch)}"
    side = m.val or m.train
    unit = side.unit if side is not None else "point"
    return f"{unit} {shown_place(best_x)}" if best_x is not None else "the best validation"


def shown_place(value: float) -> str:
    """A step or an epoch, unabridged: 5000 and 12.5, never 5e+03."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.2f}"


def _overfit(m: Measures, best_epoch: float | None, best_x: float | None) -> tuple[str, ...]:
    return (
        "more augmentation: it is the cheapest new data",
        "more regularisation: dropout, weight decay, label smoothing",
        f"an earlier stop: keep the checkpoint of {moment(m, best_epoch, best_x)}, the best in validation",
        "then more data or a smaller model",
    )


def _not_converged(m: Measures, best_epoch: float | None, best_x: float | None) -> tuple[str, ...]:
    return (
        "go on: train about half as long again, then look at the curves once more",
        "a schedule that decays the rate to its end, once the loss falls slowly",
    )


def _good_fit(m: Measures, best_epoch: float | None, best_x: float | None) -> tuple[str, ...]:
    score = m.score
    lines = ["refine around this rate and weight decay, or stop here; evaluate on the test set once"]
    if score is not None and score.gap is not None and score.gap > 0.08:
        lines.append("the gap between the metrics leaves room for augmentation and weight decay")
    lines.append("to go further: a larger model, as long as the gap stays small")
    return tuple(lines)


def _underfit(m: Measures, best_epoch: float | None, best_x: float | None) -> tuple[str, ...]:
    return (
        "more capacity: a wider or deeper model, or features that carry more",
        "another rate: a sweep tells a poor rate from a small model",
        "less regularisation: weight decay, dropout and augmentation down",
        "if nothing helps, the labels may hold noise that nothing can learn",
    )


def _diverged(m: Measures, best_epoch: float | None, best_x: float | None) -> tuple[str, ...]:
    first = m.train.bad_x if m.train is not None else None
    unit = m.train.unit if m.train is not None else "point"
    batch = (
        f"look at the batch at {unit} {shown_place(first)}, the first that is not finite" if first is not None else ""
    )
    lines = (
        "divide the rate by 10",
        "add a warm-up and clip gradients at 1.0",
        batch,
        "look for log, sqrt and division near zero, and for fp16 (bf16 does not overflow)",
    )
    return tuple(line for line in lines if line)


def _not_learning(m: Measures, best_epoch: float | None, best_x: float | None) -> tuple[str, ...]:
    return (
        "overfit 20 samples first: if that fails, the fault is in the pipeline",
        "see that gradients reach the weights, that the optimizer holds them, and that labels belong to inputs",
        "raise the rate tenfold, and once lower it tenfold",
        "no activation behind the last layer, inputs normalised",
    )


SPECIAL: Mapping[str, Callable[[Measures, float | None, float | None], tuple[str, ...]]] = {
    "overfit": _overfit,
    "not_converged": _not_converged,
    "good_fit": _good_fit,
    "underfit": _underfit,
    "diverged": _diverged,
    "not_learning": _not_learning,
}


def _recipe_lines(code: str, m: Measures) -> tuple[str, ...]:
    """Options of a tunekit command that act on the verdict, with this run's own numbers."""
    rate, decay = _number(m.context, "lr"), _number(m.context, "weight_decay")
    run = m.context.get("run") or m.context.get("recipe") or "RECIPE"
    swept = _number(m.context, "sweep_lr")
    stronger = 10 * decay if decay else 1e-4
    by_code: dict[str, tuple[str, ...]] = {
        "overfit": (f"--set optimizer.weight_decay={short(stronger)}",),
        "underfit": ("--set optimizer.weight_decay=0", f"tunekit lr-sweep {run}"),
        "not_learning": (f"tunekit overfit-tiny {run}", f"tunekit lr-sweep {run}"),
        "plateau_then_drop": (f"tunekit check-init-loss {run}",),
        "no_validation": ("--set data.val_fraction=0.1",),
        "noisy_val": ("--set data.val_fraction=0.3", "--set ema=0.999"),
        "train_val_mismatch": (f"tunekit inspect {run}",),
        "val_suspicious": (f"tunekit inspect {run}",),
    }
    lines = by_code.get(code, ())
    dropout = _number(m.context, "dropout")  # only where the model has such an argument
    if dropout is not None and code in ("overfit", "underfit"):
        changed = min(0.5, dropout + 0.2) if code == "overfit" else 0.0
        lines = (*lines, f"--set model.args.dropout={changed:g}")
    if rate and code in ("diverged", "unstable", "lr_too_high"):
        slower = swept if swept and swept < rate else rate / (10 if code == "diverged" else 3)
        lines = (f"--set optimizer.lr={short(slower)}", "--set clip_grad_norm=1.0")
    if rate and code == "lr_too_low":
        faster = swept if swept and swept > rate else 3 * rate
        lines = (f"--set optimizer.lr={short(faster)}",)
    return lines


def _number(context: Mapping[str, Any], key: str) -> float | None:
    value = context.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
