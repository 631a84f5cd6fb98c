"""What a probe looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from tunekit.vocabulary import TrainingConfig, Values


@dataclass(frozen=True)
class Subject:
    """The model of a configuration: as it stands at a checkpoint, or fresh."""

    config: TrainingConfig
    folder: Path  # the recipe's: modules and relative paths
    device: torch.device
    checkpoint: bytes | None = None
    args: Values = field(default_factory=dict)  # the request's
