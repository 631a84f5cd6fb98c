"""Plain words of the field, and the entries that they stand for: codes and techniques by their names. Words alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

ALIASES: Mapping[str, Sequence[str]] = {
    "activation": ("relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "dead_units"),
    "auc": ("auroc", "average_precision"),
    "auprc": ("average_precision",),
    "batch normalisation": ("batch_norm", "normalized_by_few", "shared_statistics", "statistics_not_updated"),
    "batch size": ("batch_is_everything", "normalized_by_few", "noisy_train"),
    "binary cross entropy": ("bce",),
    "bn": ("batch normalisation",),
    "class weights": ("balanced", "focal", "class_imbalance"),
    "convergence": ("not_converged", "still_improving", "lr_too_low", "diverged"),
    "data leakage": ("split_leak", "near_copies", "groups_overlap", "windows_overlap", "target_among_inputs"),
    "data augmentation": ("augmentation",),
    "dead relu": ("dead_units", "leaky_relu"),
    "divergence": ("diverged", "all_diverged", "cells_diverged", "fine_run_diverged", "lr_too_high"),
    "dropout rate": ("dropout",),
    "exponential moving average": ("ema",),
    "fine tune": ("fine tuning",),
    "fine tuning": ("pretrained", "weights", "freeze"),
    "frozen layers": ("freeze", "frozen_parameters"),
    "generalisation": ("overfit", "underfit", "good_fit"),
    "glorot": ("xavier",),
    "gradient clipping": ("clip_grad_norm", "exploding_gradients"),
    "gradient descent": ("sgd", "momentum"),
    "imbalance": ("class_imbalance", "balanced", "balanced_accuracy", "focal"),
    "imbalanced": ("imbalance",),
    "initialisation": ("he", "xavier", "lecun", "normal", "initial_loss_high", "identical_units"),
    "kaiming": ("he",),
    "l1 regularisation": ("l1_penalty",),
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
    "learning rate decay": ("schedule",),
    "learning rate schedule": ("schedule",),
    "log loss": ("cross_entropy", "bce"),
    "loss function": ("cross_entropy", "bce", "focal", "mse", "l1", "huber", "smooth_l1", "nll", "multi_margin"),
    "lr": ("learning rate",),
    "lr decay": ("schedule",),
    "mean absolute error": ("mae", "l1"),
    "mean squared error": ("mse", "rmse"),
    "nan": ("input_not_finite", "initial_loss_not_finite", "loss_not_finite", "metric_not_finite", "diverged"),
    "never predicted": ("class_imbalance", "balanced", "focal", "balanced_accuracy"),
    "normalisation": ("batch_norm", "input_not_normalized", "targets_not_standardized"),
    "overfitting": ("overfit", "cannot_overfit", "regularisation"),
    "patience": ("early_stopping", "plateau"),
    "perplexity": ("cross_entropy",),
    "polyak averaging": ("ema",),
    "pr auc": ("average_precision",),
    "precision recall": ("average_precision", "f1"),
    "pretraining": ("pretrained", "weights", "freeze"),
    "r squared": ("r2",),
    "regulariser": ("regularisation",),
    "roc": ("auroc",),
    "roc auc": ("auroc",),
    "rotation": ("rotate",),
    "scheduler": ("schedule",),
    "seed": ("unstable_across_seeds", "not_reproducible"),
    "stochastic gradient descent": ("sgd",),
    "swa": ("ema",),
    "symmetry": ("identical_units",),
    "test time augmentation": ("five-crop",),
    "threshold": ("class_imbalance", "balanced", "balanced_accuracy", "auroc", "average_precision"),
    "transfer learning": ("pretrained", "weights", "freeze"),
    "tta": ("five-crop",),
    "underfitting": ("underfit", "lr_too_low", "not_converged"),
    "warm up": ("warmup",),
    "weight averaging": ("ema", "ema_compared"),
    "weight decay": ("decoupled", "l2", "decay_on", "weight_decay_high"),
    "weight initialisation": ("initialisation",),
}
"""By the words: entries, kinds of techniques (all of a kind), or other words of this table."""

SHORT = ENDING = 3  # letters of a word's beginning that is typed, and of the ending that is not: at least so many
_DIALECT = re.compile(r"i[sz](e[rd]?|ations?|ing)\b")


def find(asked: str, kinds: Mapping[str, str]) -> list[str]:
    """The entries that a name or plain words stand for, in their order: the one of that name, those of a kind, those of
    the table, and those whose names hold all the words; where there are none, what the words hold, in any order and by
    their beginnings. `kinds`: of each entry by its name.

    >>> find("Weight Decay", {"l2": "regularisation", "decoupled": "regularisation", "adam": "optimizer"})
    ['decoupled', 'l2']
    >>> find("regularization with l2", {"l2": "regularisation", "adam": "optimizer"})
    ['l2']
    """
    return _called(asked, kinds) or _within(_words(asked), kinds)


def _called(asked: str, kinds: Mapping[str, str]) -> list[str]:
    words = _words(asked)
    if (exact := next((name for name in kinds if name == asked or _words(name) == words), None)) is not None:
        return [exact]
    if (glued := next((name for name in kinds if "".join(_words(name)) == "".join(words)), None)) is not None:
        return [glued]
    of_kind = [name for name, kind in kinds.items() if _words(kind) == words]
    told = next((ALIASES[alias] for alias in ALIASES if "".join(_words(alias)) == "".join(words)), ())
    found = [*of_kind, *(name for one in told for name in _called(one, kinds))]
    named = [name for name in kinds if words and set(words) <= set(_words(name))]
    return list(dict.fromkeys([*found, *named]))


def _within(words: Sequence[str], kinds: Mapping[str, str]) -> list[str]:
    """The entries that the longest names among the words are of, narrowed by the kinds and plain words beside them; or
    else those of the plain words of which these are a part."""
    used = {term: _used(_words(term), words) for term in {**kinds, **dict.fromkeys(kinds.values()), **ALIASES}}
    longest = [term for term, some in used.items() if some and not any(some < more for more in used.values())]
    found = [term for term in longest if term in kinds]
    for term in longest:
        of_term = _called(term, kinds) if term in ALIASES else [name for name, kind in kinds.items() if kind == term]
        narrowed = [name for name in found if name in of_term]
        found = narrowed or [*found, *(of_term if term in ALIASES or not found else ())]
    whole = [alias for alias in ALIASES if words and all(_begins(word, _words(alias)) for word in words)]
    return list(dict.fromkeys(found or [name for alias in whole for name in _called(alias, kinds)]))


def _used(parts: Sequence[str], words: Sequence[str]) -> frozenset[str]:
    """The words that all the parts of a term begin with; none where a part is left."""
    used = {part: [word for word in words if _begins(word, (part,))] for part in parts}
    return frozenset(word for some in used.values() for word in some) if all(used.values()) else frozenset()


def _begins(word: str, parts: Sequence[str]) -> bool:
    return any(word == part or (SHORT <= len(word) <= len(part) - ENDING and part.startswith(word)) for part in parts)


def _words(name: str) -> tuple[str, ...]:
    """In lower case, in one spelling and without plurals: `Class-Weights` and `class_weight` are the same."""
    spelled = _DIALECT.sub(r"is\1", re.sub(r"[\W_]+", " ", name.lower()))
    return tuple(
        word.removesuffix("s") if len(word) > 3 and not word.endswith("ss") else word for word in spelled.split()
    )
