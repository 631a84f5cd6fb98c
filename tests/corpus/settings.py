"""What is trained: the settings of a subject, drawn from its number, and what each intervention makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from tests.corpus.problems import PROBLEMS, SEEN, UNSEEN

SUBJECTS = 600
SEEDS = 4
"""Trainings of each variant: of the same start as the subject's."""

RATES = {
    ("mlp", "sgd"): 0.05,
    ("mlp", "adam"): 2e-3,
    ("cnn", "sgd"): 0.05,
    ("cnn", "adam"): 2e-3,
    ("lstm", "sgd"): 0.5,
    ("lstm", "adam"): 5e-3,
    ("transformer", "sgd"): 0.05,
    ("transformer", "adam"): 1.5e-3,
}
"""A rate that works for most, by family and optimizer: what subjects have is drawn about it."""

ITERATIONS = {"mlp": 2000, "cnn": 600, "lstm": 400, "transformer": 350}
"""The most of a training, for the corpus' cost: batches are larger, or samples fewer, where it would take more."""
WIDTHS = {"mlp": (8, 32, 128), "cnn": (4, 8, 16), "lstm": (8, 16, 32), "transformer": (8, 16, 32)}
BATCHES = {"mlp": (16, 32, 64, 128), "cnn": (16, 32, 64, 128), "lstm": (16, 32, 64), "transformer": (16, 32, 64)}
DEPTHS = {"mlp": (1, 2, 3), "cnn": (2, 3), "lstm": (1, 2), "transformer": (1, 2)}

FAULTS = (
    "shuffled_labels",  # training's are of other samples
    "unscaled_inputs",  # a hundred times as large, and off their centre
    "unscaled_validation",  # validation is not scaled as training is
    "frozen_body",  # the head alone trains
    "zero_start",  # all weights begin at zero
    "sorted_batches",  # training is not mixed: its classes come one after the other
    "leaked_validation",  # validation's samples are training's
    "squashed",  # sigmoids in a deep network
)


@dataclass(frozen=True)
class Settings:
    """One training but for its seed. `lr` is the highest of the schedule; `warmup` a share of the iterations."""

    problem: str
    size: int
    family: str
    width: int
    depth: int
    norm: bool
    dropout: float
    optimizer: str
    lr: float
    weight_decay: float
    batch: int
    epochs: int
    schedule: str
    warmup: float
    clip: float | None
    fault: str | None
    data: int
    """Seed of its samples."""


@dataclass(frozen=True)
class Subject:
    """A network that was trained as a person might, and how its log was kept."""

    number: int
    settings: Settings
    by_iterations: bool
    form: str
    every: int
    """Points a training of `by_iterations` logs; evaluations are a fifth of them."""
    tells: tuple[str, ...]
    """What the log holds beside the losses: of `val_metric`, `train_metric`, `lr`."""


FORMS = ("csv", "jsonl", "printed", "keras", "trainer_state", "lightning", "table")


def subject(number: int) -> Subject:
    """The subject of a number: the same always. Even numbers are of problems that are seen, odd ones of the others; a
    third has ten epochs or fewer, and a third is logged by iterations."""
    draw = np.random.default_rng([7, number])
    names = list(UNSEEN if number % 2 else SEEN)
    name = names[number // 2 % len(names)]
    problem = PROBLEMS[name]
    family = problem.families[number // 2 // len(names) % len(problem.families)]
    optimizer = str(draw.choice(["sgd", "adam"], p=[0.35, 0.65]))
    far = draw.uniform(-0.6, 0.5) if draw.random() < 0.6 else draw.uniform(-3.0, 1.7)
    epochs = int(draw.integers(2, 11)) if draw.random() < 0.4 else int(np.exp(draw.uniform(np.log(11), np.log(120))))
    size, batch = int(draw.choice(problem.sizes)), int(draw.choice(BATCHES[family]))
    batch = min(batch, max(8, size // 4))
    while epochs * size / batch > ITERATIONS[family] and batch < min(256, size // 4):
        batch *= 2
    epochs = max(2, min(epochs, ITERATIONS[family] * batch // size))
    norm = family in ("mlp", "cnn") and bool(draw.random() < 0.4)
    fault = str(draw.choice(FAULTS)) if draw.random() < 0.16 else None
    schedule = str(draw.choice(["constant", "cosine", "step", "linear"], p=[0.5, 0.25, 0.15, 0.1]))
    settings = Settings(
        problem=name,
        size=size,
        family=family,
        width=int(draw.choice(WIDTHS[family])),
        depth=int(draw.choice(DEPTHS[family])),
        norm=norm,
        dropout=float(draw.choice([0.0, 0.1, 0.3, 0.5], p=[0.6, 0.15, 0.15, 0.1])),
        optimizer=optimizer,
        lr=float(f"{RATES[family, optimizer] * 10**far:.2g}"),
        weight_decay=float(draw.choice([0.0, 1e-4, 1e-2], p=[0.5, 0.25, 0.25])),
        batch=batch,
        epochs=epochs,
        schedule=schedule,
        warmup=0.1 if draw.random() < 0.2 else 0.0,
        clip=1.0 if draw.random() < 0.2 else None,
        fault=_fitting(fault, family, PROBLEMS[name].families),
        data=int(draw.integers(2**31)),
    )
    told = tuple(
        what for what, share in (("val_metric", 0.7), ("train_metric", 0.3), ("lr", 0.3)) if draw.random() < share
    )
    by_iterations = bool(draw.random() < 0.36)
    return Subject(number, settings, by_iterations, str(draw.choice(FORMS)), int(draw.choice([25, 60, 150])), told)


def _fitting(fault: str | None, family: str, families: tuple[str, ...]) -> str | None:
    """A fault that such a network can have: tokens have no scale, and a sigmoid stands in an MLP."""
    of_tokens = "lstm" in families and "cnn" not in families
    if fault == "squashed":
        return fault if family == "mlp" else "frozen_body"
    return "shuffled_labels" if of_tokens and fault in ("unscaled_inputs", "unscaled_validation") else fault


Change = Callable[[Settings], Settings | None]
"""What an intervention makes of settings; None where they have it already."""


def _wider(settings: Settings, factor: float) -> Settings | None:
    width = max(2, int(settings.width * factor))
    return None if width == settings.width else replace(settings, width=width)


def _regularised(settings: Settings) -> Settings | None:
    dropout = min(0.6, settings.dropout + 0.25)
    decay = max(10 * settings.weight_decay, 1e-2 if settings.optimizer == "adam" else 1e-3)
    return replace(settings, dropout=dropout, weight_decay=min(decay, 0.1))


def _larger_batch(settings: Settings) -> Settings | None:
    batch = min(4 * settings.batch, settings.size)
    return None if batch < 2 * settings.batch else replace(settings, batch=batch)


TRAINED: Mapping[str, Change] = MappingProxyType(
    {
        "longer": lambda one: replace(one, epochs=2 * one.epochs),
        "lower_rate": lambda one: replace(one, lr=one.lr / 3),
        "higher_rate": lambda one: replace(one, lr=one.lr * 3),
        "wider": lambda one: _wider(one, 4),
        "narrower": lambda one: _wider(one, 0.25),
        "regularised": _regularised,
        "larger_batch": _larger_batch,
        "warm_up": lambda one: None if one.warmup else replace(one, warmup=0.1),
        "clipped": lambda one: None if one.clip else replace(one, clip=1.0),
        "decayed": lambda one: replace(one, schedule="cosine") if one.schedule == "constant" else None,
        "mended": lambda one: replace(one, fault=None) if one.fault else None,
    }
)
"""Interventions that are trainings of their own, from the same start: twice as long (the schedule stretched), a third
and three times the rate, four times the width and a quarter of it, dropout and weight decay added, four times the
batch at the same rate, a warm-up over a tenth, gradients clipped at 1, a rate that falls to zero, the fault mended."""

BESIDE = ("earlier_stop", "averaged", "larger_validation")
"""Interventions whose model the subject's own training gives besides: the weights of the lowest validation loss, an
exponential average of all, and those of the lowest loss of a larger validation."""

INTERVENTIONS = (*TRAINED, *BESIDE)
