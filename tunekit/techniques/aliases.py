"""Plain words of the field, and the entries that they stand for: codes and techniques by their names. Words alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

ALIASES: Mapping[str, Sequence[str]] = {
    "activation": ("relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "dead_units"),
    "batch size": ("batch_is_everything", "normalized_by_few", "noisy_train"),
    "binary cross entropy": ("bce",),
    "class weights": ("balanced", "focal", "class_imbalance"),
    "convergence": ("not_converged", "still_improving", "lr_too_low", "diverged"),
    "data leakage": ("split_leak", "near_copies", "groups_overlap", "windows_overlap", "target_among_inputs"),
    "data augmentation": ("augmentation",),
    "dead relu": ("dead_units", "leaky_relu"),
    "divergence": ("diverged", "all_diverged", "cells_diverged", "fine_run_diverged", "lr_too_high"),
    "dropout rate": ("dropout",),
    "exponential moving average": ("ema",),
    "fine tuning": ("pretrained", "weights", "freeze"),
    "frozen layers": ("freeze", "frozen_parameters"),
    "generalisation": ("overfit", "underfit", "good_fit"),
    "gradient clipping": ("clip_grad_norm", "exploding_gradients"),
    "gradient descent": ("sgd", "momentum"),
    "imbalance": ("class_imbalance", "balanced", "balanced_accuracy", "focal"),
    "initialisation": ("he", "xavier", "lecun", "normal", "initial_loss_high", "identical_units"),
    "label noise": ("conflicting_labels", "targets_disagree", "label_smoothing"),
    "leak": ("data leakage",),
    "learning rate": (
        "lr_too_high",
        "lr_too_low",
        "no_learning_rate_works",
        "narrow_range",
        "best_at_edge",
        "schedule",
    ),
    "learning rate schedule": ("schedule",),
    "loss function": ("cross_entropy", "bce", "focal", "mse", "l1", "huber", "smooth_l1", "nll", "multi_margin"),
    "lr": ("learning rate",),
    "mean absolute error": ("mae", "l1"),
    "mean squared error": ("mse", "rmse"),
    "nan": ("input_not_finite", "initial_loss_not_finite", "loss_not_finite", "metric_not_finite", "diverged"),
    "normalisation": ("batch_norm", "input_not_normalized", "targets_not_standardized"),
    "overfitting": ("overfit", "cannot_overfit", "regularisation"),
    "patience": ("early_stopping", "plateau"),
    "pretraining": ("pretrained", "weights", "freeze"),
    "regulariser": ("regularisation",),
    "scheduler": ("schedule",),
    "seed": ("unstable_across_seeds", "not_reproducible"),
    "stochastic gradient descent": ("sgd",),
    "symmetry": ("identical_units",),
    "transfer learning": ("pretrained", "weights", "freeze"),
    "underfitting": ("underfit", "lr_too_low", "not_converged"),
    "weight averaging": ("ema", "ema_compared"),
    "weight decay": ("decoupled", "l2", "decay_on", "weight_decay_high"),
    "weight initialisation": ("initialisation",),
}
"""By the words: entries, kinds of techniques (all of a kind), or other words of this table."""

_DIALECT = re.compile(r"i[sz](e[rd]?|ations?|ing)\b")


def find(asked: str, kinds: Mapping[str, str]) -> list[str]:
    """The entries that a name or plain words stand for, in their order: the one of that name, those of a kind, those of
    the table, and those whose names hold all the words. `kinds`: of each entry by its name.

    >>> find("Weight Decay", {"l2": "regularisation", "decoupled": "regularisation", "adam": "optimizer"})
    ['decoupled', 'l2']
    """
    words = _words(asked)
    if (exact := next((name for name in kinds if name == asked or _words(name) == words), None)) is not None:
        return [exact]
    if (glued := next((name for name in kinds if "".join(_words(name)) == "".join(words)), None)) is not None:
        return [glued]
    of_kind = [name for name, kind in kinds.items() if _words(kind) == words]
    told = next((ALIASES[alias] for alias in ALIASES if _words(alias) == words), ())
    found = [*of_kind, *(name for one in told for name in find(one, kinds))]
    named = [name for name in kinds if words and set(words) <= set(_words(name))]
    return list(dict.fromkeys([*found, *named]))


def _words(name: str) -> tuple[str, ...]:
    """In lower case, in one spelling and without plurals: `Class-Weights` and `class_weight` are the same."""
    spelled = _DIALECT.sub(r"is\1", re.sub(r"[\W_]+", " ", name.lower()))
    return tuple(
        word.removesuffix("s") if len(word) > 3 and not word.endswith("ss") else word for word in spelled.split()
    )
