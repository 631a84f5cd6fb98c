"""Measurements of data and models before and between trainings: numbers, no verdicts. PROBES lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tunekit.jsondata import JsonData
from tunekit.training.probes.chance import measure_chance, measure_untouched
from tunekit.training.probes.dataset import measure_data
from tunekit.training.probes.describe import describe
from tunekit.training.probes.final import measure_package, measure_split
from tunekit.training.probes.initial import measure_initial
from tunekit.training.probes.rehearsal import rehearse
from tunekit.training.probes.speed import measure_speed
from tunekit.training.probes.subject import Subject
from tunekit.training.probes.tiny import measure_tiny_set, measure_tiny_trained
from tunekit.training.probes.usage import measure_usage

__all__ = ["PROBES", "Subject"]

PROBES: Mapping[str, Callable[[Subject], JsonData]] = {
    "describe": describe,
    "rehearse": rehearse,
    "speed": measure_speed,
    "data": measure_data,
    "initial": measure_initial,
    "usage": measure_usage,
    "tiny-set": measure_tiny_set,
    "tiny-trained": measure_tiny_trained,
    "chance": measure_chance,
    "untouched": measure_untouched,
    "split": measure_split,
    "package": measure_package,
}
"""Name of a probe -> function that measures a subject, giving a dataclass of tunekit/measured.py."""
