"""Histories by name, each drawn once, of forms that a kind of `histories` does not have. No test here."""

from __future__ import annotations

import math

import numpy as np
from histories import FAULTS, PRAISE, SOUND, History

from tunekit.logs.log import Array

SOURCE = np.random.default_rng(7)


def t(n: int) -> Array:
    return np.linspace(0.0, 1.0, n)


def fall(n: int, start: float, floor: float, speed: float) -> Array:
    return floor + (start - floor) * np.exp(-speed * t(n))


def power(n: int, start: float, floor: float, exponent: float, half: float = 1.0) -> Array:
    return floor + (start - floor) * (1 + np.arange(n) / half) ** -exponent


def noisy(y: Array, size: float = 0.01) -> Array:
    return y * np.exp(size * SOURCE.standard_normal(len(y)))


def counted(rate: Array, samples: int = 5000) -> Array:
    return np.asarray(SOURCE.binomial(samples, np.clip(rate, 0, 1)) / samples)


def sparse(n: int, y: Array, at: Array | list[int]) -> Array:
    held = np.full(n, np.nan)
    held[at] = y if len(y) == len(at) else y[at]
    return held


def is_sound(columns: dict[str, Array], *besides: str, every: int = 0) -> History:
    return History(columns, SOUND | set(besides), FAULTS - set(besides), every)


def is_one_of(codes: str, columns: dict[str, Array], *besides: str, every: int = 0) -> History:
    """What is at fault: called good or at its beginning it is not; other faults are false but for those named."""
    right = frozenset(codes.split())
    return History(columns, right, (FAULTS | PRAISE) - right - set(besides), every)


NAMED: dict[str, History] = {}
A, B, N = t(40), t(60), 60

for classes in (2, 3, 7, 20, 37, 100, 1000):
    guess = math.log(classes) * noisy(np.ones(20), 0.002)
    NAMED[f"dead at ln {classes}"] = is_one_of(
        "not_learning", {"train_loss": guess, "val_loss": guess, "val_accuracy": counted(np.full(20, 1 / classes))}
    )
for share in (0.6, 0.9, 0.97):
    entropy = -(share * math.log(share) + (1 - share) * math.log(1 - share))
    same = np.full(15, share)
    NAMED[f"one answer, right in {share}"] = is_one_of(
        "not_learning cannot_tell",
        {"loss": entropy * noisy(1 + 0.2 * (t(15) == 0)), "val_loss": entropy * noisy(np.ones(15)), "val_acc": same},
    )
for n in (5, 6, 8):
    NAMED[f"{n} dead epochs"] = is_one_of(
        "not_learning",
        {"train_loss": 0.6931 + 0.0005 * np.cos(np.arange(n)), "val_loss": 0.6932 + 0.0004 * np.sin(np.arange(n))},
    )
    early = 0.42 + 0.13 * np.abs(np.arange(n) - 1) ** 1.1
    NAMED[f"{n} epochs of fine-tuning, overfit"] = is_one_of(
        "overfit", {"train_loss": noisy(0.7 * np.exp(-0.9 * np.arange(n)), 0.02), "val_loss": noisy(early)}
    )
    NAMED[f"{n} sound epochs"] = is_sound(
        {"train_loss": noisy(power(n, 1.2, 0.15, 1.2)), "val_loss": noisy(power(n, 0.9, 0.22, 1.2))}
    )
    NAMED[f"{n} epochs that diverge"] = is_one_of(
        "diverged", {"train_loss": np.exp(0.9 * np.arange(n)), "val_loss": 1.1 * np.exp(0.9 * np.arange(n))}
    )
for scale in (1e-6, 1e-3, 1e4, 1e8):
    y, v = scale * noisy(fall(N, 1, 0.12, 10)), scale * noisy(fall(N, 1, 0.14, 10), 0.02)
    NAMED[f"a regression in {scale:g}"] = is_sound(
        {"loss": y, "val_loss": v, "val_mae": v**0.5, "val_r2": 1 - v / scale}
    )
    v = scale * noisy(fall(N, 1, 0.3, 14) + 0.35 * np.maximum(B - 0.3, 0))
    NAMED[f"a regression in {scale:g}, overfit"] = is_one_of(
        "overfit", {"loss": scale * noisy(fall(N, 1, 0.01, 7)), "val_loss": v}
    )

base = noisy(fall(N, 2.3, 0.3, 9))
held = noisy(fall(N, 2.3, 0.34, 9), 0.015)
rate = counted(1 - fall(N, 0.9, 0.1, 9))
plan = np.select([B < 0.33, B < 0.66], [0.75 + 1.6 * np.exp(-20 * B), 0.3 + 0 * B], 0.22)
ups = 0.5 * (1 + np.cos(2 * np.pi * 6 * B))
NAMED |= {
    "settled": is_sound({"train_loss": base, "val_loss": held, "val_accuracy": rate}),
    "settled in two digits and per cent": is_sound(
        {"loss": base.round(2), "val_loss": held.round(2), "val_acc": (100 * rate).round(1)}
    ),
    "an error rate": is_sound({"train_loss": base, "valid_loss": held, "valid_error_rate": 1 - rate}),
    "perplexities": is_sound({"train_ppl": np.exp(base), "valid_ppl": np.exp(held)}),
    "accuracies alone": is_sound({"train_acc": rate + 0.01, "val_acc": rate}),
    "validation each tenth epoch": is_sound({"train_loss": base, "eval_loss": sparse(N, held, list(range(9, N, 10)))}),
    "validation summed over batches": is_sound({"train_loss": base, "val_loss": 313 * held}, "train_val_mismatch"),
    "dropout": is_sound({"loss": noisy(fall(N, 2.3, 0.62, 12)), "val_loss": noisy(fall(N, 1.9, 0.41, 12))}),
    "mixup": is_sound({"train_loss": noisy(fall(N, 6.8, 3.1, 9)), "test_loss": noisy(fall(N, 5.8, 0.95, 9))}),
    "distillation": is_sound({"train_loss": noisy(fall(N, 14, 5.2, 8)), "val_loss": noisy(fall(N, 4, 1.1, 8))}),
    "a floor of regularisation": is_sound({"loss": 5 + base, "val_loss": 5 + held, "val_accuracy": rate}),
    "a contrastive loss": is_sound({"train_loss": noisy(fall(N, 6.2, 4.4, 6)), "val_loss": noisy(fall(N, 6, 4.5, 6))}),
    "a step schedule": is_sound({"train_loss": noisy(plan), "val_loss": noisy(1.15 * plan, 0.03)}),
    "a cyclic rate": is_sound({"loss": base + 0.12 * ups, "val_loss": held + 0.13 * ups, "lr": 1e-3 + 0.01 * ups}),
    "a cosine": is_sound(
        {
            "train_loss": base + 0.28 * np.cos(np.pi * B / 2) ** 2,
            "val_loss": held + 0.3 * np.cos(np.pi * B / 2) ** 2,
            "lr": 0.05 * (1 + np.cos(np.pi * B)),
        }
    ),
    "a density below zero": is_sound(
        {"train_loss": -3 + 5 * np.exp(-9 * B) + 0.01 * base, "val_loss": -2.9 + 4.9 * np.exp(-9 * B) + 0.01 * held}
    ),
    "a bound that crosses zero": is_sound({"train_loss": 100 * (base - 1), "val_loss": 100 * (held - 1)}),
    "one loss that is not finite": is_sound(
        {"loss": np.where(np.arange(N) == 25, np.nan, base), "val_loss": held}, "diverged"
    ),
    "a resumed optimizer's bump": is_sound(
        {"train_loss": base + 0.4 * np.exp(-((B - 0.6) ** 2) / 1e-4), "val_loss": held}, "unstable"
    ),
    "grokking": is_sound(
        {
            "train_loss": noisy(fall(N, 3.5, 0.01, 15), 0.02),
            "val_loss": noisy(np.where(B < 0.6, 3.5, 0.05 + 3.45 * np.exp(-20 * np.maximum(B - 0.6, 0))), 0.02),
        }
    ),
    "means within an epoch": is_sound(
        {"loss": 0.3 + 1.5 * power(12, 1, 0, 1.3), "val_loss": 0.34 + 0.45 * power(12, 1, 0, 1.3)}
    ),
    "a finished model that goes on": is_sound(
        {"train_loss": noisy(np.full(20, 0.21), 0.02), "val_loss": noisy(np.full(20, 0.23), 0.02)}, "not_learning"
    ),
    "overfit from the first epoch": is_one_of(
        "overfit",
        {"train_loss": noisy(fall(40, 1.1, 0.01, 8)), "val_loss": noisy(0.45 + 0.6 * np.exp(-40 * A) + 1.2 * A)},
    ),
    "overfit late": is_one_of(
        "overfit",
        {
            "train_loss": noisy(fall(40, 2.3, 0.15, 3.5)),
            "val_loss": noisy(fall(40, 2.3, 0.5, 6) + 1.1 * np.maximum(A - 0.6, 0)),
        },
    ),
    "overfit by accuracies alone": is_one_of(
        "overfit",
        {"train_acc": counted(0.999 - 0.7 * np.exp(-7 * A)), "val_acc": counted(0.62 - 0.4 * np.exp(-12 * A))},
    ),
    "overfit by few validations": is_one_of(
        "overfit",
        {
            "train_loss": fall(50, 2.3, 0.02, 5),
            "eval_loss": sparse(50, np.array([0.8, 0.7, 0.9, 1.2, 1.5]), list(range(9, 50, 10))),
        },
    ),
    "two passes, the second by heart": is_one_of(
        "overfit",
        {
            "loss": noisy(np.where(t(800) < 0.5, 1.4 - 2.5 * np.minimum(t(800), 0.1), 0.8), 0.1),
            "eval_loss": sparse(
                800, np.where(t(800) < 0.5, 1.15 - 0.05 * t(800), 1.3 + 0.05 * t(800)), list(range(49, 800, 50))
            ),
        },
        every=10,
    ),
    "spikes that recover": is_one_of(
        "unstable", {"train_loss": np.where(np.arange(N) % 17 == 16, 2.4, base), "val_loss": held}, "lr_too_high"
    ),
    "a collapse to chance": is_one_of(
        "diverged discontinuity",
        {"train_loss": np.where(B < 0.6, base, 2.303), "val_loss": np.where(B < 0.6, held, 2.31)},
    ),
    "a spike that stays": is_one_of(
        "diverged discontinuity",
        {"loss": noisy(np.where(t(2000) < 0.65, power(2000, 10.9, 3, 0.7, 30), 7.5), 0.02)},
        every=10,
    ),
    "not finite from the first": is_one_of("diverged", {"loss": np.where(np.arange(20) < 1, 2.4, np.nan)}),
    "infinite": is_one_of("diverged", {"loss": np.full(20, np.inf), "val_loss": np.full(20, np.inf)}),
    "a search for the rate": is_one_of(
        "diverged",
        {
            "loss": np.where(
                t(100) < 0.8,
                2.3 - 1.2 * np.exp(-(((t(100) - 0.65) / 0.2) ** 2)),
                2.3 * np.exp(0.25 * np.maximum(np.arange(100) - 80, 0)),
            )
        },
        every=1,
    ),
    "validation that is not finite": is_one_of(
        "train_val_mismatch", {"loss": base, "val_loss": np.where(B < 0.5, held, np.nan)}
    ),
    "validation that does not move": is_one_of("train_val_mismatch", {"loss": base, "val_loss": np.full(N, 0.4)}),
    "validation of other labels": is_one_of(
        "train_val_mismatch overfit",
        {
            "loss": noisy(fall(N, 2.3, 0.05, 7)),
            "val_loss": noisy(2.31 + 0.9 * B),
            "val_accuracy": counted(np.full(N, 0.1)),
        },
    ),
    "a metric that falls with the loss": is_one_of(
        "cannot_tell metric_loss_disagree overfit",
        {"loss": base, "val_loss": held, "val_accuracy": counted(0.8 - 0.25 * B)},
    ),
    "an answer in the input": is_one_of(
        "val_suspicious",
        {"loss": fall(20, 0.2, 0.01, 8), "val_loss": fall(20, 1e-3, 1e-5, 9), "val_accuracy": np.ones(20)},
    ),
    "a standstill at ln 2": is_one_of(
        "plateau_then_drop",
        {
            "train_loss": noisy(np.where(B < 0.4, 0.693, 0.1 + 0.593 * np.exp(-12 * np.maximum(B - 0.4, 0))), 0.003),
            "val_loss": noisy(np.where(B < 0.4, 0.7, 0.1 + 0.6 * np.exp(-12 * np.maximum(B - 0.4, 0))), 0.003),
        },
    ),
    "a line": is_one_of(
        "lr_too_low not_converged", {"loss": noisy(2.3 - 0.25 * B, 0.002), "val_loss": noisy(2.3 - 0.24 * B, 0.002)}
    ),
    "poor": is_one_of(
        "underfit",
        {
            "loss": fall(N, 2.3, 1.75, 12),
            "val_loss": fall(N, 2.25, 1.77, 12),
            "val_accuracy": 1 - fall(N, 0.88, 0.62, 12),
        },
    ),
    "adversaries": is_one_of(
        "other_objective", {"g_loss": 2 + 2 * B + 0.3 * base, "d_loss": 0.7 - 0.4 * B + 0.1 * base}
    ),
    "a return": is_one_of(
        "other_objective", {"rollout/ep_rew_mean": -200 + 380 * (1 - np.exp(-4 * B)), "train/value_loss": 5 + 100 * B}
    ),
    "a return that is lost": is_one_of(
        "reward_collapse", {"rollout/ep_rew_mean": np.where(B < 0.5, 20 + 300 * B, 25) + base, "train/loss": 5 + base}
    ),
    "preferences": is_one_of(
        "other_objective",
        {"loss": 0.25 + 0.44 * np.exp(-3 * B), "rewards/chosen": -1.2 * B, "rewards/rejected": -3.5 * B},
    ),
    "a weight that grows": is_one_of(
        "other_objective", {"loss": 100 + 60 * B + base, "recon": 100 - 10 * B + base, "kl": 40 - 15 * B, "beta": B}
    ),
}
