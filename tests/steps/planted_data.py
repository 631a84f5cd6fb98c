"""Small data for the planted faults: real digits and synthetic tables, images, tokens and sequences. Sound ones first,
then one fault each. All return (train, val)."""

import gzip
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

Pair = tuple[Dataset, Dataset]


@lru_cache
def _digits() -> tuple[Tensor, Tensor]:
    spec = find_spec("sklearn")
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    with gzip.open(path, "rt") as file:
        table = torch.tensor(np.loadtxt(file, delimiter=",", dtype=np.float32))
    order = torch.randperm(len(table), generator=_draw(1))
    return table[order, :64].reshape(-1, 1, 8, 8), table[order, 64].long()


def _draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _pair(x: Tensor, y: Tensor, share: float = 0.75) -> Pair:
    cut = int(len(x) * share)
    return TensorDataset(x[:cut], y[:cut]), TensorDataset(x[cut:], y[cut:])


def _standard(x: Tensor) -> Tensor:
    return (x - x.mean()) / x.std()


def images() -> Pair:
    x, y = _digits()
    return _pair(_standard(x), y)


def _clouds(classes: int, features: int = 12, n: int = 800, seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = _draw(seed)
    y = torch.randint(classes, (n,), generator=draw)
    centres = 1.5 * torch.randn(classes, features, generator=draw)
    x = centres[y] + torch.randn(n, features, generator=draw)
    return (x - x.mean(0)) / x.std(0), y


def clouds(classes: int = 4, features: int = 12) -> Pair:
    return _pair(*_clouds(classes, features))


def clouds_uneven(ratio: int) -> Pair:
    """Three classes, the last `ratio` times rarer than the first."""
    x, y = _clouds(3, n=3000)
    shares = torch.tensor([1.0, 0.6, 1.0 / ratio])
    keep = torch.rand(len(y), generator=_draw(2)) < shares[y]
    x, y = x[keep], y[keep]
    return _pair(x, y)


def clouds_dicts() -> Pair:
    x, y = _clouds(4)
    rows = [{"inputs": a, "label": b} for a, b in zip(x, y, strict=True)]
    return _Rows(rows[:600]), _Rows(rows[600:])


class _Rows(Dataset):
    def __init__(self, rows: list[dict[str, Tensor]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.rows[index]


def tokens(vocabulary: int = 30, length: int = 12, classes: int = 3) -> Pair:
    """The class is the third of the vocabulary that most tokens come from."""
    draw = _draw(3)
    y = torch.randint(classes, (900,), generator=draw)
    favoured = y[:, None] * (vocabulary // classes) + torch.randint(
        vocabulary // classes, (900, length), generator=draw
    )
    anywhere = torch.randint(vocabulary, (900, length), generator=draw)
    x = torch.where(torch.rand(900, length, generator=draw) < 0.6, favoured, anywhere)
    return _pair(x, y)


def sequences() -> Pair:
    """Waves of three frequencies with noise, [N, 16, 2]."""
    draw = _draw(4)
    y = torch.randint(3, (600,), generator=draw)
    phase = 6.28 * torch.rand(600, 1, generator=draw)
    angle = phase + (y[:, None] + 1) * torch.linspace(0, 3.14, 16)
    x = torch.stack([angle.sin(), angle.cos()], 2) + 0.2 * torch.randn(600, 16, 2, generator=draw)
    return _pair(x, y)


def _plane(n: int = 600) -> tuple[Tensor, Tensor]:
    draw = _draw(5)
    x = torch.randn(n, 8, generator=draw)
    y = x @ torch.randn(8, generator=draw) / 8**0.5 + 0.3 * x[:, 0] * x[:, 1] + 0.1 * torch.randn(n, generator=draw)
    return x, (y - y.mean()) / y.std()


def regression(mean: float = 0.0, std: float = 1.0, column: bool = True) -> Pair:
    x, y = _plane()
    y = mean + std * y
    return _pair(x, y[:, None] if column else y)


def binary(positive: float = 0.5) -> Pair:
    """Targets [N, 1] of 0 and 1."""
    x, y = _plane(1200)
    limit = torch.quantile(y, 1 - positive)
    return _pair(x, (y > limit).float()[:, None])


def multilabel(labels: int = 5) -> Pair:
    draw = _draw(6)
    x = torch.randn(800, 10, generator=draw)
    y = (x @ torch.randn(10, labels, generator=draw) > 1.0).float()
    return _pair(x, y)


# One fault each.


def labels_from_one() -> Pair:
    x, y = _clouds(4)
    return _pair(x, y + 1)


def labels_with_marker(marker: int = -1) -> Pair:
    x, y = _clouds(4)
    y[::9] = marker
    return _pair(x, y)


def binary_of_one_and_two() -> Pair:
    x, y = _plane(1200)
    return _pair(x, (y > 0).float()[:, None] + 1)


def targets_with_nan() -> Pair:
    x, y = _plane()
    y[[5, 40]] = float("nan")
    return _pair(x, y[:, None])


def column_with_infinity() -> Pair:
    x, y = _clouds(4)
    x[33, 2] = float("inf")
    return _pair(x, y)


def constant_rows() -> Pair:
    x, y = _clouds(4)
    return _pair(torch.full_like(x, 0.7), y)


def raw_images() -> Pair:
    """Values 0 to 255, as they come out of a file."""
    x, y = _digits()
    return _pair((x * (255 / 16)).round(), y)


def repeated_across_splits() -> Pair:
    x, y = _clouds(4)
    return TensorDataset(x[:600], y[:600]), TensorDataset(torch.cat([x[600:], x[:60]]), torch.cat([y[600:], y[:60]]))


def one_column_in_other_units() -> Pair:
    """A thousand times in one column of validation."""
    x, y = _clouds(4)
    train, val = x[:600], x[600:].clone()
    val[:, 3] = 5.0 + 3.0 * val[:, 3]
    return TensorDataset(train, y[:600]), TensorDataset(val, y[600:])


def class_missing_in_training() -> Pair:
    x, y = _clouds(4)
    train = (y != 2) & (torch.arange(len(y)) < 600)
    return TensorDataset(x[train], y[train]), TensorDataset(x[600:], y[600:])


def shuffled_twins() -> Pair:
    """Every training row twice, its second label drawn anew."""
    x, y = _clouds(4)
    again = y[torch.randperm(300, generator=_draw(7))]
    return TensorDataset(torch.cat([x[:300]] * 2), torch.cat([y[:300], again])), TensorDataset(x[600:], y[600:])


def coloured() -> Pair:
    """Images [N, 3, 32, 32] with a class by their brightness."""
    draw = _draw(11)
    x = torch.randn(64, 3, 32, 32, generator=draw)
    y = torch.arange(64) % 2
    return _pair(x + y.view(-1, 1, 1, 1), y)
