"""The catalogue: every code tunekit can say, what it means, how it is measured and what to do. No judging here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache

from tunekit.vocabulary import Code, Finding, Severity, Values


@dataclass(frozen=True)
class Entry:
    """What `tunekit explain CODE` prints. `severity` is the one a finding has unless its step says otherwise."""

    steps: tuple[str, ...]
    severity: Severity
    meaning: str
    measured: str
    causes: str
    advice: tuple[str, ...]
    source: str
    symptom: bool = True  # a fault that an earlier step names would explain it
    explains_later: bool = False  # it explains what goes wrong in later steps


LECTURE = "CS231n 2024, lecture 3 and 7, 'Choosing hyperparameters', steps 1 to 6"
NOTES = "CS231n course notes, neural-networks-3 (learning and evaluation)"
KARPATHY = "A. Karpathy, 'A Recipe for Training Neural Networks', 2019"
PLAYBOOK = "Godbole et al., 'Deep Learning Tuning Playbook', 2023"
GLOROT = "Glorot and Bengio, 'Understanding the difficulty of training deep feedforward networks', AISTATS 2010"
PRECHELT = "L. Prechelt, 'Early Stopping - But When?', 1998"

_SWEEP = ("lr-sweep",)
_GRID = ("coarse-grid",)
_FINE = ("fine-run",)
_DIAGNOSE = ("diagnose",)

CATALOGUE: dict[str, Entry] = {
    "no_learning_rate_works": Entry(
        _SWEEP,
        "fail",
        "No rate lowers the loss by more than its noise.",
        "Drop of the smoothed training loss from its start, for each rate, against twice its standard error.",
        "A fault in the model or the data rather than the rate: step 2 tells which.",
        ("run `tunekit overfit-tiny` and mend what it names",),
        f"{LECTURE} (step 3)",
    ),
    "all_diverged": Entry(
        _SWEEP,
        "fail",
        "Every rate makes the loss diverge.",
        "Loss not finite, or above its start by more than three times its scale, at all rates.",
        "A loss that is summed, inputs on a huge scale, or an exploding start.",
        ("run `tunekit check-init-loss` and mend what it names",),
        f"{LECTURE} (step 3)",
    ),
    "best_at_edge": Entry(
        ("lr-sweep", "coarse-grid"),
        "warn",
        "The best value is the last one tried: a better one may lie beyond.",
        "The best rate (or cell) is the first or last of its axis after the extensions that the step makes itself.",
        "A scale far from usual: inputs, loss or optimizer.",
        ("widen the range in the recipe under `steps`",),
        f"{NOTES} (careful with best values on border)",
    ),
    "narrow_range": Entry(
        _SWEEP,
        "warn",
        "Only one rate works; its neighbours fail.",
        "Rates whose drop is at least 80 % of the best: a single one, while a neighbour diverges.",
        "Training that is hardly stable: no normalisation, no clipping, a poor initialisation.",
        ("try `clip_grad_norm: 1.0`, a warm-up or normalisation layers",),
        PLAYBOOK,
    ),
    "cells_diverged": Entry(
        _GRID,
        "note",
        "Some cells of the grid diverged.",
        "Loss not finite or far above its start; such cells are never scored.",
        "The rate is too high there.",
        ("nothing to do where the best cell lies well away from them",),
        LECTURE,
    ),
    "cells_failed": Entry(
        _GRID,
        "warn",
        "Some cells of the grid raised an error, twice.",
        "The error that the model, the loss or the data raised.",
        "Out of memory, or a value on a `search:` axis that the model cannot take.",
        ("read the error in result.json and run the step again: failed cells are tried anew",),
        "",
    ),
    "within_noise": Entry(
        _GRID,
        "note",
        "Several cells are as good as the best.",
        "Paired differences of the losses of the same validation samples: within two standard errors of zero.",
        "The validation split is too small, or the values matter little here.",
        ("prefer the simpler or the more regularised of them; the fine run looks at the best few",),
        "Dietterich, 'Approximate Statistical Tests', Neural Computation 1998 (paired comparison)",
    ),
    "unstable_across_seeds": Entry(
        _FINE,
        "warn",
        "The winner's result depends on the seed more than on what was tuned.",
        "Spread (standard deviation) of the validation metric over seeds against the gain over the runner-up.",
        "A small validation split or training that is hardly stable.",
        ("report mean and spread; try a smaller rate, a warm-up or clipping",),
        "Bouthillier et al., 'Accounting for Variance in Machine Learning Benchmarks', MLSys 2021",
    ),
    "fine_run_diverged": Entry(
        _FINE,
        "fail",
        "Every run of the fine step diverged.",
        "Loss not finite or far above its start.",
        "A rate that is only just stable in short runs.",
        ("take a smaller rate: `--set steps.coarse-grid.lr_factors=[0.1,0.3,1]`",),
        LECTURE,
    ),
    "still_improving": Entry(
        _FINE,
        "note",
        "The best run was still getting better when it ended.",
        "The best validation value lies in the last tenth of the run and the smoothed curve still falls.",
        "The run was short.",
        ("train longer: `--set steps.fine-run.epochs=40`",),
        f"{PLAYBOOK} (is the run still improving at its end?)",
    ),
    "diverged": Entry(
        _DIAGNOSE,
        "fail",
        "The loss blew up.",
        "Training loss not finite at the end (or three times), at its end above twice its minimum and its start, "
        "or back at four fifths of its start after it had halved.",
        "A rate that is too high, a numerical fault, bad samples.",
        (
            "divide the rate by 10",
            "add a warm-up, clip gradients at 1.0",
            "look at the batch of the first NaN",
        ),
        f"{NOTES}; TheDeepChecker (factor 2)",
    ),
    "not_learning": Entry(
        _DIAGNOSE,
        "fail",
        "The training loss stays where it started.",
        "A drop below 2 %, or below its noise and 10 %; with a metric within 0.03, behind the first 5 % alone.",
        "No gradient, a rate far too small, wrong labels.",
        ("overfit 20 samples first: `tunekit overfit-tiny`", "raise the rate tenfold"),
        f"{NOTES}; AUTOTRAINER (0.01)",
    ),
    "train_val_mismatch": Entry(
        _DIAGNOSE,
        "fail",
        "Training improves and validation does not move: the two are not the same task.",
        "Training loss down by half, validation loss by less than a fifth and never below 90 % of training's "
        "start, metric unmoved; or half of the validation losses not finite.",
        "Other transforms, normalisation or label order in validation; train mode left on.",
        (
            "give both splits the same deterministic transforms and label map",
            "call model.eval() in validation",
        ),
        "Goodfellow et al., 'Deep Learning', 2016, section 11.5",
    ),
    "overfit": Entry(
        _DIAGNOSE,
        "warn",
        "Training goes on improving while validation got worse, or stands far behind.",
        "Validation loss above its best by 5 % and twice its noise while training fell on; or a stalled validation "
        "25 % above a training loss that fell on by a fifth; or accuracies 0.2 apart (0.1 where validation stalled).",
        "More capacity or more epochs than the data bear.",
        (
            "stop at the best epoch",
            "more augmentation, dropout or weight decay",
            "more data or a smaller model",
        ),
        f"{NOTES}; {PRECHELT}",
    ),
    "underfit": Entry(
        _DIAGNOSE,
        "warn",
        "Training itself ends high, with no gap to validation.",
        "Training settled, validation within 25 % of it, and an accuracy below 0.6; without an accuracy, less than a "
        "fifth of the loss gone.",
        "Too little capacity, too much regularisation, or noise that nothing can learn.",
        ("a larger model", "less regularisation", "another rate: `tunekit lr-sweep`"),
        f"{NOTES} (no gap: too small a model)",
    ),
    "unstable": Entry(
        _DIAGNOSE,
        "warn",
        "The training loss jumps up and recovers.",
        "Jumps above three times the level before, six times the noise and 30 % of the start, which recover.",
        "A rate near the limit, bad samples, no clipping.",
        ("a smaller rate, a warm-up, or gradients clipped at 1.0",),
        f"{PLAYBOOK} (training instability)",
    ),
    "lr_too_high": Entry(
        _DIAGNOSE,
        "warn",
        "The rate is too high: the loss jumps, or stays at a noisy level and drops when the rate does.",
        "Means of epochs that jump by 20 % about a level reached fast, in both curves; a fall of more than 10 % at a "
        "decay of the rate; a rate above the range that the sweep found.",
        "The rate.",
        ("divide the rate by 3 to 10, or decay it earlier", "`tunekit lr-sweep` finds the range that works"),
        f"{NOTES} (effects of different learning rates)",
    ),
    "lr_too_low": Entry(
        _DIAGNOSE,
        "warn",
        "The loss falls along a straight line: the rate is too low.",
        "A line explains 90 % of the curve, 40 to 60 % of the fall lie in its first half, less than half of the loss "
        "is gone, still falling; or a rate below the range that the sweep found.",
        "The rate.",
        ("multiply the rate by 3 to 10", "`tunekit lr-sweep` finds the range that works"),
        f"{NOTES} (effects of different learning rates)",
    ),
    "plateau_then_drop": Entry(
        _DIAGNOSE,
        "warn",
        "The loss stood still at first and fell only later.",
        "At least 8 % of the run within 3 % of the start, then a drop of 12 % or more.",
        "A poor initialisation, saturated units, a rate that is too small at first.",
        ("He or Xavier initialisation, the last bias at the log of the class prior", "normalisation layers"),
        f"{NOTES}; {KARPATHY}",
    ),
    "noisy_val": Entry(
        _DIAGNOSE,
        "warn",
        "The validation loss jumps so much that single values mean little.",
        "Two spikes or more above five times the local median (or 20 times the lowest) and half of the start, behind "
        "the first tenth, that training does not share.",
        "A small validation split, BatchNorm statistics, a rate that is too high.",
        ("a larger validation split, averaged weights (`ema: 0.999`) or a smaller rate",),
        f"{PLAYBOOK} (late step-to-step variance)",
    ),
    "val_suspicious": Entry(
        _DIAGNOSE,
        "warn",
        "Validation is too good to be true.",
        "A metric of 0.999 or more for 80 % of the run, with a validation loss below half of training's or both "
        "losses below a thousandth of the start.",
        "Validation samples in the training split, or the label in the input.",
        ("look for duplicates across the splits: `tunekit inspect`", "test on fresh data"),
        KARPATHY,
    ),
    "metric_loss_disagree": Entry(
        _DIAGNOSE,
        "warn",
        "The validation loss rises while the metric holds or improves.",
        "Validation loss up by 5 to 50 % from its best, metric up by 0.01 since then and at its best, no gap.",
        "Growing confidence: calibration suffers, the decisions do not.",
        (
            "choose the checkpoint by the metric",
            "label smoothing or temperature scaling for calibrated outputs",
        ),
        "Guo et al., 'On Calibration of Modern Neural Networks', ICML 2017",
    ),
    "discontinuity": Entry(
        _DIAGNOSE,
        "warn",
        "The curve breaks: its level jumps at one point and stays there.",
        "A step of more than 2 times whose medians before and after differ by 2.5 and four times the noise, for good.",
        "A resumed run with another state, two runs in one log, a changed loss.",
        ("judge each part by itself", "check that the optimizer's state was restored"),
        "",
    ),
    "no_validation": Entry(
        _DIAGNOSE,
        "warn",
        "There is no validation curve: nothing can be said of generalisation.",
        "No column or tag that reads as validation.",
        "Validation was not logged.",
        ("hold out a tenth of the data and log its loss each epoch",),
        NOTES,
    ),
    "insufficient_data": Entry(
        _DIAGNOSE,
        "warn",
        "There are too few points to judge.",
        "Fewer than 5 training and 8 validation points.",
        "A run that has just begun, or a log that keeps only the last value.",
        ("log more often, or come back later",),
        "",
    ),
    "good_fit": Entry(
        _DIAGNOSE,
        "note",
        "Training and validation improved together and have settled.",
        "None of the other rules speaks.",
        "",
        ("nothing to mend; evaluate on the test set once",),
        NOTES,
    ),
    "not_converged": Entry(
        _DIAGNOSE,
        "note",
        "Both curves were still falling when the run ended.",
        "Significant downward slopes of training and validation in the last quarter, with more than 3 % to gain.",
        "The run was short.",
        ("train longer, or let the rate decay to its end",),
        f"{PLAYBOOK} (still improving at the end)",
    ),
    "noisy_train": Entry(
        _DIAGNOSE,
        "note",
        "The training loss is very noisy from step to step.",
        "Spread of the residual to the smoothed curve above 30 % of its level.",
        "Small batches; normal for a loss logged each iteration.",
        ("a larger batch, if the noise stands in the way",),
        f"{NOTES} (the wiggle and the batch size)",
    ),
}
"""The codes that do not stand beside what says them."""

FOLDERS = {"check-init-loss": "tunekit.steps.check_init_loss", "overfit-tiny": "tunekit.steps.overfit_tiny"}


@cache
def catalogue() -> dict[str, Entry]:
    """Every code, in the order of the steps."""
    codes = {step: importlib.import_module(folder).CODES for step, folder in FOLDERS.items()}
    return {code.name: _entry(step, code) for step in FOLDERS for code in codes[step]} | CATALOGUE


def _entry(step: str, code: Code) -> Entry:
    return Entry(
        (step,),
        code.severity,
        code.meaning,
        code.measured,
        code.causes,
        code.advice,
        code.source,
        code.symptom,
        code.explains_later,
    )


def finding(
    code: str,
    message: str,
    evidence: Values | None = None,
    *,
    advice: tuple[str, ...] | None = None,
    severity: Severity | None = None,
) -> Finding:
    """A finding with the catalogue's severity and advice, unless the caller knows better."""
    entry = catalogue()[code]
    return Finding(
        code=code,
        severity=severity or entry.severity,
        message=message,
        evidence=dict(evidence or {}),
        advice=entry.advice if advice is None else advice,
    )
