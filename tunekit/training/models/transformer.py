"""A small transformer over tokens: of the next token at each place, or of one class a sequence."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tunekit.telling import counted
from tunekit.training.models.layers import (
    InitSetting,
    activation_of,
    draw_weights,
    dropout_rates,
    dropped,
    whole,
)
from tunekit.vocabulary import UserError

STD = 0.02  # of the embeddings' and layers' first weights (Radford et al., 2019: GPT-2)


class Attention(nn.Module):
    """Softmax(Q K^T / sqrt(d)) V by heads of size d: [B, T, width] to the same. Vaswani et al., 2017. `seen_by`: which
    places each place sees, [B, 1, T, T]; all without it, and never those after it where it is `causal`."""

    def __init__(self, width: int, heads: int, rate: float, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal, self.dropout = heads, causal, rate
        self.mixed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor, seen_by: Tensor | None = None) -> Tensor:
        batch, time, width = x.shape
        query, key, value = self.mixed(x).view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        rate = self.dropout if self.training else 0.0
        causal = self.causal and seen_by is None
        if self.causal and seen_by is not None:
            seen_by = seen_by & torch.ones(time, time, dtype=torch.bool, device=x.device).tril()
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=seen_by, dropout_p=rate, is_causal=causal)
        out: Tensor = self.out(seen.transpose(1, 2).reshape(batch, time, width))
        return out


class Block(nn.Module):
    """Attention, then a layer over each place, each beside an identity and behind a LayerNorm (Xiong et al., 2020)."""

    def __init__(self, width: int, heads: int, rate: float, causal: bool, activation: str) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, rate, causal)
        self.layers = nn.Sequential(nn.Linear(width, 4 * width), activation_of(activation), nn.Linear(4 * width, width))
        self.drop = nn.Sequential(*dropped(rate))

    def forward(self, x: Tensor, seen_by: Tensor | None = None) -> Tensor:
        x = x + self.drop(self.attention(self.norm1(x), seen_by))
        out: Tensor = x + self.drop(self.layers(self.norm2(x)))
        return out


class Transformer(nn.Module):
    """Tokens [B, T] to [B, T, outputs], or, `pooled`, to [B, outputs] by the mean over the places. No other place sees
    one of the token `padding`, and none of them is in the mean."""

    def __init__(
        self, vocab: int, length: int, width: int, blocks: Sequence[Block], pooled: bool, padding: int | None
    ) -> None:
        super().__init__()
        self.padding = padding
        self.tokens, self.places = nn.Embedding(vocab, width), nn.Embedding(length, width)
        self.blocks, self.norm, self.pooled = nn.Sequential(*blocks), nn.LayerNorm(width), pooled
        self.head: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        known, longest = self.tokens.num_embeddings, self.places.num_embeddings
        if x.shape[1] > longest:
            raise UserError(
                f"model.args: transformer: {counted(x.shape[1], 'token')}, and places for {longest}; say length"
            )
        try:
            tokens = self.tokens(x)
        except IndexError:
            low, high = int(x.min()), int(x.max())
            raise UserError(
                f"model.args: transformer: tokens from {low} to {high}, and {known} are known; say how many: vocab"
            ) from None
        hidden = tokens + self.places(torch.arange(x.shape[1], device=x.device))
        real = None if self.padding is None else x != self.padding
        seen_by = None
        if real is not None:  # padding sees itself, or a softmax over nothing would be NaN
            seen_by = real[:, None, None, :] | torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
        for block in self.blocks:
            hidden = block(hidden, seen_by)
        hidden = self.norm(hidden)
        out: Tensor = self.head(_mean(hidden, real) if self.pooled else hidden)
        return out


def _mean(hidden: Tensor, real: Tensor | None) -> Tensor:
    """[B, width] of the places that are real."""
    if real is None:
        return hidden.mean(1)
    weights = real.unsqueeze(2).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp_min(1)


def transformer(  # noqa: PLR0913 - the recipe's `model.args`
    shape: Sequence[int],
    outputs: int,
    vocab: int | None = None,
    each_place: bool = False,
    depth: int = 2,
    width: int = 64,
    heads: int = 4,
    length: int | None = None,
    dropout: float = 0.0,
    activation: str = "gelu",
    init: InitSetting | None = None,
    causal: bool | None = None,
    padding: int | None = None,
) -> nn.Module:
    """A transformer over tokens [B, T]: to [B, T, outputs] where a target stands at each place (`each_place`; then no
    place sees those after it, unless `causal: false`), else to [B, outputs].

    `vocab` is the number of tokens, by default as many as the data have; `length` the most places, by default T.
    `padding` is the token that fills shorter sequences: no other place sees it, and the mean leaves it out.
    `dropout` is the probability of dropping in the attention and behind each half of a block. `init` is of standard
    deviation 0.02 unless another is given. Errors: UserError, ValueError.
    """
    if len(shape) != 1:
        raise UserError(f"model: transformer takes tokens [B, T], not samples of shape {list(shape)}")
    if vocab is None:
        raise UserError("model.args: transformer takes whole numbers, one a token; of other inputs say how many: vocab")
    if whole("width", width) % whole("heads", heads):
        raise ValueError(f"width must be a multiple of heads: {width} is none of {heads}")
    _, [rate] = dropout_rates(dropout, 1)
    looks_back = each_place if causal is None else causal
    blocks = [Block(width, heads, rate, looks_back, activation) for _ in range(whole("depth", depth))]
    places = shape[0] if length is None else whole("length", length, shape[0])
    if padding is not None and whole("padding", padding, 0) >= whole("vocab", vocab):
        raise ValueError(f"padding is one of the tokens, from 0 to {vocab - 1}, not {padding}")
    model = Transformer(whole("vocab", vocab), places, width, blocks, not each_place, padding)
    for table in (model.tokens, model.places):
        nn.init.normal_(table.weight, std=STD)
    draw_weights(model.modules(), {"normal": STD} if init is None else init)
    model.head = nn.Linear(width, outputs)
    nn.init.normal_(model.head.weight, std=STD)
    nn.init.zeros_(model.head.bias)
    return model
