"""What a probe looks at."""

from __future__ import annotations

from dataclasses import dataclass, field

from tunekit.configuration import TrainingConfig, Values
from tunekit.training.workbench import Workbench


@dataclass(frozen=True)
class Subject:
    """The model of a configuration on a bench: as it stands at a checkpoint, or fresh."""

    config: TrainingConfig
    bench: Workbench
    checkpoint: bytes | None = None
    args: Values = field(default_factory=dict)  # the request's
