"""Measurements of data and models before and between trainings: numbers as JSON, no verdicts. PROBES lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tunekit.training.probes.dataset import measure_data
from tunekit.training.probes.describe import describe
from tunekit.training.probes.initial import measure_initial
from tunekit.training.probes.tiny import measure_tiny
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import TrainingConfig

Probe = Callable[[TrainingConfig, Workbench, bytes | None, dict[str, Any]], dict[str, Any]]

PROBES: dict[str, Probe] = {
    "describe": describe,
    "data": measure_data,
    "initial": measure_initial,
    "tiny": measure_tiny,
}
"""Name -> function of (configuration, where, checkpoint or None, arguments), giving JSON."""
