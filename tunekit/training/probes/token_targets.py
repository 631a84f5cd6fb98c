"""Whether the targets are of the inputs' own tokens. Counts, no verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from tunekit.training.data import Batch

FEWEST = 10  # classes, below which their shares may agree by chance
APART = 0.3  # between the shares of targets and of tokens (total variation)
LOOKED_AT = 1_000_000  # tokens


def are_tokens(counts: Mapping[int, int], batches: Sequence[Batch]) -> bool:
    """Whether classes occur as often as tokens of the same numbers do in the inputs: letters or words to be predicted.
    The most frequent one is left out: most of what is sparse is zero."""
    tokens: Counter[int] = Counter()
    for batch in batches:
        for value in batch.inputs:
            if isinstance(value, Tensor) and value.dim() > 1 and value.dtype in (torch.int32, torch.int64):
                numbers, often = value.unique(return_counts=True)
                tokens.update(dict(zip(numbers.tolist(), often.tolist(), strict=True)))
        if tokens.total() > LOOKED_AT:
            break
    classes = Counter({name: count for name, count in counts.items() if name >= 0})
    if len(classes) < FEWEST or not tokens:
        return False
    common = classes.most_common(1)[0][0]
    shares = []
    for part in (classes, tokens):
        part.pop(common, None)
        shares.append({name: count / max(1, part.total()) for name, count in part.items()})
    first, second = shares
    return sum(abs(first.get(name, 0.0) - second.get(name, 0.0)) for name in first | second) / 2 < APART
