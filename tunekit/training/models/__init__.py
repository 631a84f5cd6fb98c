"""Models by name: the built-in ones, torchvision's and timm's, a person's own; weights from a file, a frozen body.

One file a built-in family, its entry in `table`; `libraries` asks torchvision and timm.
"""

from tunekit.training.models.build import build_model, check_inputs, found_in_data
from tunekit.training.models.freezing import Freezing
from tunekit.training.models.hooks import has_convolutions, hookable
from tunekit.training.models.layers import ACTIVATIONS
from tunekit.training.models.table import MODELS
from tunekit.training.models.weights import load_weights, weights_digests
from tunekit.training.models.widths import widened

__all__ = [
    "ACTIVATIONS",
    "MODELS",
    "Freezing",
    "build_model",
    "check_inputs",
    "found_in_data",
    "has_convolutions",
    "hookable",
    "load_weights",
    "weights_digests",
    "widened",
]
