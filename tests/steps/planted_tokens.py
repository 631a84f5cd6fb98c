"""Models of sequences that do not see what they should of their tokens: sound ones, and the same with one fault."""

import torch
import torch.nn.functional as F
from planted_data import Pair, _draw
from torch import Tensor, nn
from torch.utils.data import TensorDataset


class Attending(nn.Module):
    """A layer of attention by the person's own hand over padded words, to a class or to a tag a word. `mask`: "right",
    "inverted". `head`: "mean" of real words, "first", "tags". `axis`: of the softmax."""

    def __init__(
        self, outputs: int = 2, mask: str = "right", head: str = "mean", axis: int = 2, placed: bool = True
    ) -> None:
        super().__init__()
        self.mask, self.head, self.axis = mask, head, axis
        self.embedding = nn.Embedding(30, 24, padding_idx=0)
        self.place = nn.Embedding(14, 24) if placed else None
        self.query, self.key, self.value = (nn.Linear(24, 24) for _ in range(3))
        self.norm, self.out = nn.LayerNorm(24), nn.Linear(24, outputs)

    def forward(self, words: Tensor, mask: Tensor | None = None) -> Tensor:
        hidden = self.embedding(words) + (self.place(torch.arange(words.shape[1])) if self.place else 0)
        real = words != 0 if mask is None else mask
        seen = real if self.mask == "right" else ~real
        scores = self.query(hidden) @ self.key(hidden).transpose(1, 2) / 24**0.5
        scores = scores.masked_fill(~seen[:, None], -1e9)
        hidden = self.norm(hidden + scores.softmax(self.axis) @ self.value(hidden))
        if self.head == "tags":
            return self.out(hidden)
        if self.head == "first":
            return self.out(hidden[:, 0])
        return self.out((hidden * real[..., None]).sum(1) / real.sum(1, keepdim=True))


class Recurrent(nn.Module):
    """Words to a class by a recurrent layer's state at the last real word. `how` they are looked up: "whole", "clamp",
    "hash", "two hashes", "rare unknown", "own table", "case" (the second half of the vocabulary is rare capitals)."""

    def __init__(self, how: str = "whole", vocabulary: int = 30) -> None:
        super().__init__()
        self.how, self.vocabulary = how, vocabulary
        self.embedding = nn.Embedding(vocabulary, 24)
        self.second = nn.Embedding(6, 24) if how == "two hashes" else None
        self.body, self.head = nn.GRU(24, 24, batch_first=True), nn.Linear(24, 2)

    def looked_up(self, words: Tensor) -> Tensor:
        half = self.vocabulary // 2
        if self.how == "clamp":
            words = words.clamp(max=9)
        if self.how == "hash":
            words = torch.where(words == 0, words, words % 12 + 1)
        if self.how == "rare unknown":
            words = torch.where(words > self.vocabulary - 4, 1, words)
        if self.how == "case":
            words = torch.where(words > half, words - half, words)
        if self.how == "two hashes":
            return self.embedding(words // 6) + self.second(words % 6)
        return self.embedding.weight[words % 8] if self.how == "own table" else self.embedding(words)

    def forward(self, words: Tensor) -> Tensor:
        states, _ = self.body(self.looked_up(words))
        last = (words != 0).sum(1).clamp_min(1) - 1
        return self.head(states[torch.arange(len(words)), last])


class Encoder(nn.Module):
    """torch's own encoder, which leaves padding out by itself, over words to a tag a word, or to a class by the first.
    `how`: "", "clamp", "inverted", "no places"."""

    def __init__(self, how: str = "", outputs: int = 2) -> None:
        super().__init__()
        self.how, self.outputs = how, outputs
        self.embedding = nn.Embedding(30, 24, padding_idx=0)
        self.place = None if how == "no places" else nn.Embedding(14, 24)
        self.body = nn.TransformerEncoder(nn.TransformerEncoderLayer(24, 2, 48, batch_first=True), 2)
        self.head = nn.Linear(24, outputs)

    def forward(self, words: Tensor, mask: Tensor | None = None) -> Tensor:
        real = words != 0 if mask is None else mask
        hidden = self.embedding(words.clamp(max=9) if self.how == "clamp" else words)
        if self.place is not None:
            hidden = hidden + self.place(torch.arange(words.shape[1]))
        out = self.head(self.body(hidden, src_key_padding_mask=real if self.how == "inverted" else ~real))
        return out if self.outputs > 2 else out[:, 0]


def mixed_case() -> Pair:
    """Letters 1 to 15, one in twelve as its capital, 16 to 30; the class is which half of the letters prevails."""
    draw = _draw(91)
    letters = torch.randint(1, 16, (400, 14), generator=draw)
    y = (letters > 7).float().mean(1).gt(0.55).long()
    x = letters + 15 * (torch.rand(letters.shape, generator=draw) < 0.08)
    return TensorDataset(x[:300], y[:300]), TensorDataset(x[300:], y[300:])


class Counts(nn.Module):
    """How often each word stands in a sequence, without an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Linear(29, 24), nn.ReLU(), nn.Linear(24, 2))

    def forward(self, words: Tensor) -> Tensor:
        return self.head(F.one_hot(words, 30).float()[..., 1:].mean(1))


class Weighed(nn.Module):
    """Rows of numbers, each weighed by the others. `how`: "queries", "heads" or "keys" (of two heads) are what the
    softmax is over; "slots" are divided by their sums, "turned" has keys before queries, "both ways" looks twice."""

    def __init__(self, how: str = "keys") -> None:
        super().__init__()
        self.how = how
        self.query, self.key, self.value = nn.Linear(6, 16), nn.Linear(6, 16), nn.Linear(6, 16)
        self.head = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (each(x).view(len(x), -1, 2, 8).transpose(1, 2) for each in (self.query, self.key, self.value))
        scores = q @ k.transpose(2, 3) / 8**0.5
        if self.how == "turned":
            mixed = (v.transpose(2, 3) @ (k @ q.transpose(2, 3)).softmax(2)).transpose(2, 3)
        elif self.how == "slots":
            weights = scores.softmax(2) + 1e-8
            mixed = (weights / weights.sum(3, keepdim=True)) @ v
        elif self.how == "both ways":
            mixed = scores.softmax(3) @ v + scores.softmax(2).transpose(2, 3) @ q
        else:
            mixed = F.dropout(scores.softmax({"queries": 2, "heads": 1, "keys": 3}[self.how]), 0.1, self.training) @ v
        return self.head(mixed.transpose(1, 2).flatten(2).tanh().mean(1))


def rows_of_numbers() -> Pair:
    draw = _draw(92)
    x = torch.randn(400, 9, 6, generator=draw)
    y = ((x[..., 0] * x[..., 1]).mean(1) > 0).long()
    return TensorDataset(x[:300], y[:300]), TensorDataset(x[300:], y[300:])
