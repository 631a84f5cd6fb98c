"""Near misses: sound models that look like a planted fault, and data to go with them."""

import torch
import torch.nn.functional as F
from planted_data import Pair, _clouds, _draw, _pair, _plane
from planted_models import dense
from torch import Tensor, nn


def positive_targets() -> Pair:
    x, y = _plane()
    return _pair(x, (y - y.min())[:, None])


def share_targets() -> Pair:
    x, y = _plane()
    return _pair(x, torch.sigmoid(y)[:, None])


def two_targets() -> Pair:
    x, y = _plane()
    return _pair(x, torch.stack([y, 0.1 * y + x[:, 0]], 1))


def with_unknown(marker: int = 255) -> Pair:
    """Unknown labels carry a marker that the loss leaves out."""
    x, y = _clouds(4)
    y[::9] = marker
    return _pair(x, y)


def small_codes() -> Pair:
    """A table of three columns of few values: rows coincide by nature."""
    draw = _draw(8)
    x = torch.randint(0, 4, (800, 3), generator=draw).float()
    y = ((x.sum(1) + torch.rand(800, generator=draw)) > 5).long()
    return _pair((x - x.mean(0)) / x.std(0), y)


def segments() -> Pair:
    """Images [N, 1, 12, 12] and a class a pixel."""
    x = torch.randn(120, 1, 12, 12, generator=_draw(9))
    return _pair(x, (F.avg_pool2d(x, 3, 1, 1)[:, 0] > 0).long())


def next_tokens() -> Pair:
    """Sequences of a small grammar: the next token is the last plus one or two."""
    draw = _draw(10)
    steps = torch.randint(1, 3, (300, 17), generator=draw)
    walk = steps.cumsum(1) % 20
    return _pair(walk[:, :-1], walk[:, 1:])


def raw_clouds() -> Pair:
    x, y = _clouds(4)
    return _pair(300.0 + 40.0 * x, y)


def ten_to_one() -> Pair:
    x, y = _clouds(2, n=1100)
    y = (torch.arange(1100) % 11 == 0).long()
    return _pair(x + y[:, None], y, share=0.5)


def moved_mildly() -> Pair:
    """Validation a fifth of a standard deviation further on: what a random draw may give."""
    x, y = _clouds(4)
    from torch.utils.data import TensorDataset

    return TensorDataset(x[:600], y[:600]), TensorDataset(x[600:] + 0.2, y[600:])


def relu_end() -> nn.Module:
    model = nn.Sequential(dense(8, 1), nn.ReLU())
    nn.init.constant_(model[0][-1].bias, 1.0)
    return model


def plain_relu_end() -> nn.Module:
    return nn.Sequential(dense(8, 1), nn.ReLU())


def sigmoid_end() -> nn.Module:
    return nn.Sequential(dense(8, 1), nn.Sigmoid())


def softplus_end() -> nn.Module:
    return nn.Sequential(dense(8, 1), nn.Softplus())


def prior_bias(positive: float = 0.1) -> nn.Module:
    model = dense(8, 1)
    nn.init.constant_(model[-1].bias, float(torch.logit(torch.tensor(positive))))
    return model


def mean_bias(mean: float = 50.0) -> nn.Module:
    model = dense(8, 1)
    nn.init.constant_(model[-1].bias, mean)
    return model


class OwnAttention(nn.Module):
    """One block over raw float tokens, query, key and value from the same input; GPT-like small weights."""

    def __init__(self, features: int = 2, width: int = 24, outputs: int = 3, std: float = 0.02) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(features, width) for _ in range(3))
        self.out, self.head = nn.Linear(width, width), nn.Linear(width, outputs)
        for layer in (self.query, self.key, self.value, self.out, self.head):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)
        mixed = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(2) @ v
        return self.head(F.gelu(self.out(mixed)).mean(1))


class Language(nn.Module):
    def __init__(self, vocabulary: int = 20, width: int = 32, length: int = 16) -> None:
        super().__init__()
        self.embedding, self.place = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        layer = nn.TransformerEncoderLayer(width, 4, 64, batch_first=True, norm_first=True, dropout=0.1)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.head.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        mask = torch.triu(torch.full((length, length), -torch.inf), 1)
        out = self.body(self.embedding(x) + self.place(torch.arange(length)), mask=mask, is_causal=True)
        return self.head(out).transpose(1, 2)


class Gated(nn.Module):
    """Residual branches behind a scale that starts at zero (ReZero) or tiny (LayerScale)."""

    def __init__(self, start: float = 0.0, blocks: int = 6) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(12, 32), nn.Linear(32, 4)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32)) for _ in range(blocks)
        )
        self.scales = nn.ParameterList(nn.Parameter(torch.full((32,), start)) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for branch, scale in zip(self.branches, self.scales, strict=True):
            x = x + scale * branch(x)
        return self.head(x)


def norm_first() -> nn.Module:
    return nn.Sequential(nn.BatchNorm1d(12), dense())


def per_pixel() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 2, 3, padding=1))


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 48), nn.ReLU(inplace=True), nn.Linear(48, 48), nn.SELU(inplace=True))
        self.head = nn.Linear(48, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.body(x)
        return self.head(hidden), hidden


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.LSTM(2, 24, num_layers=2, batch_first=True), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0][:, -1])


def masked(outputs: Tensor, targets: Tensor) -> Tensor:
    """Leaves out what has no label."""
    known = targets >= 0
    return F.cross_entropy(outputs[known], targets[known])


def brier(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().mean()


def negative_log(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of probabilities, as a model that ends in softmax gives them."""
    return -torch.log(outputs[torch.arange(len(targets)), targets]).mean()


def correlation(outputs: Tensor, targets: Tensor) -> Tensor:
    """A loss below zero."""
    a, b = outputs - outputs.mean(), targets - targets.mean()
    return -(a * b).sum() / (a.norm() * b.norm() + 1e-8)


def gaussian(outputs: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood with a fixed small deviation: far below zero where it fits."""
    return (0.5 * ((outputs - targets) / 0.1).square() - 2.3).mean()


class LastHidden(nn.Module):
    """Rows of a picture through a recurrent layer; the head reads its last state, and nothing its steps."""

    def __init__(self, kind: str = "LSTM", both: bool = False) -> None:
        super().__init__()
        self.body = getattr(nn, kind)(8, 32, batch_first=True, bidirectional=both)
        self.head = nn.Linear(64 if both else 32, 10)

    def forward(self, x: Tensor) -> Tensor:
        state = self.body(x.flatten(1, -2))[1]
        state = state[0] if isinstance(state, tuple) else state
        return self.head(state.transpose(0, 1).flatten(1))
