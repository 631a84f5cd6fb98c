"""Models by name: the built-in ones, torchvision's and timm's, a person's own callable; and weights from a file.

One file a built-in family, its entry in `table`; `libraries` asks torchvision and timm.
"""

from tunekit.training.models.build import build_model
from tunekit.training.models.hooks import has_convolutions, hookable
from tunekit.training.models.layers import ACTIVATIONS
from tunekit.training.models.table import MODELS

__all__ = ["ACTIVATIONS", "MODELS", "build_model", "has_convolutions", "hookable"]
