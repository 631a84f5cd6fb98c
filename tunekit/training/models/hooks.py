"""What of a model can be looked at."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn


def hookable(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The model's modules by name but for ScriptModules, on which torch takes no hooks."""
    return (named for named in model.named_modules() if not isinstance(named[1], torch.jit.ScriptModule))


def has_convolutions(model: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d) for module in model.modules())
