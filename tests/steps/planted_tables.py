"""Tables whose labels never change, or of which one column says the target; and sound ones beside them."""

import torch
from planted_data import Pair, _draw, _pair


def labels(change: str = "") -> Pair:
    """Five labels a sample; label 3 is changed in training, in validation, or in both."""
    draw = _draw(71)
    x = torch.randn(400, 10, generator=draw)
    y = (x @ torch.randn(10, 5, generator=draw) > 1.0).float()
    part, _, value = change.partition(" ")
    rows = {"": slice(0, 0), "training": slice(0, 300), "both": slice(0, 400)}[part]
    y[rows, 3] = float(value == "on")
    if value == "rare":
        y[:, 3] = 0
        y[350, 3] = 1
    return _pair(x, y)
