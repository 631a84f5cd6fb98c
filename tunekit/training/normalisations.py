"""Layers that normalise: which they are, and those that keep statistics. Subclasses are what they come of, such as
SyncBatchNorm and timm's LayerNorm2d. A class of the person's own is none: its vectors are known by their one dimension.
"""

from __future__ import annotations

from typing import Any, TypeGuard

from torch import nn

BatchNorm = nn.modules.batchnorm._BatchNorm
KEEPING = nn.modules.batchnorm._NormBase
"""BatchNorm and InstanceNorm, which may keep running statistics."""
NORMALISATIONS = (KEEPING, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def normalising_parameters(model: nn.Module) -> set[int]:
    """The ids of the normalisation layers' own parameters, not of what a subclass holds besides."""
    norms = (module for module in model.modules() if isinstance(module, NORMALISATIONS))
    return {id(parameter) for norm in norms for parameter in norm.parameters(recurse=False)}


def batch_norms(model: nn.Module) -> dict[str, BatchNorm]:
    """The BatchNorm layers by their names."""
    return {name: module for name, module in model.named_modules() if isinstance(module, BatchNorm)}


def keeps_statistics(module: Any) -> TypeGuard[nn.Module]:
    """Whether a layer keeps running statistics."""
    return isinstance(module, KEEPING) and module.running_mean is not None


def averaging(model: nn.Module) -> list[BatchNorm]:
    """Of a model in training mode the BatchNorm layers whose statistics follow from batches: those that are frozen, or
    never move, keep theirs."""
    found = batch_norms(model).values()
    return [norm for norm in found if norm.track_running_stats and norm.momentum != 0 and norm.training]
