"""What a recipe can tune, told: optimizers, schedules, regularisers, augmentations, layers. Words alone: no torch."""

from __future__ import annotations

from tunekit.techniques.augmentation import AUGMENTATIONS
from tunekit.techniques.losses import LOSSES
from tunekit.techniques.metrics import METRICS
from tunekit.techniques.models import MODELS
from tunekit.techniques.optimizers import OPTIMIZERS
from tunekit.techniques.regularisation import REGULARISATION
from tunekit.techniques.schedules import SCHEDULES
from tunekit.techniques.sources import SOURCES
from tunekit.techniques.technique import KINDS, Technique

TECHNIQUES: dict[str, Technique] = {
    technique.name: technique
    for technique in (*OPTIMIZERS, *SCHEDULES, *LOSSES, *METRICS, *REGULARISATION, *AUGMENTATIONS, *MODELS, *SOURCES)
}
"""By the name in a recipe, kind by kind. Each is one entry of its kind's module."""

__all__ = ["KINDS", "TECHNIQUES", "Technique"]
