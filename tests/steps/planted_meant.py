"""Models and losses that do on purpose what is a fault elsewhere, beside those where it is one: frozen weights, random
numbers in eval mode, scaled outputs."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from planted_data import clouds, tokens
from torch import Tensor, nn
from torch.utils.data import TensorDataset


def same() -> Any:
    """Samples that are their own targets."""
    return tuple(TensorDataset(part.tensors[0], part.tensors[0]) for part in clouds())


# Frozen weights.


def layers(inputs: int = 12, width: int = 32, outputs: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))


class Head(nn.Module):
    """A trained head on a frozen body: `loaded` from what is the same under every seed, or as it was built."""

    def __init__(self, loaded: bool = False, no_grad: bool = False, kind: str = "linear") -> None:
        super().__init__()
        if kind == "lstm":
            self.body: nn.Module = nn.LSTM(12, 32, batch_first=True)
        else:
            self.body = layers(outputs=32)
        self.head, self.no_grad, self.kind = nn.Linear(32, 4), no_grad, kind
        if loaded:
            draw = torch.Generator().manual_seed(7)
            for p in self.body.parameters():
                p.data = 0.2 * torch.randn(p.shape, generator=draw)
        self.body.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.no_grad):
            h = self.body(x[:, None])[0][:, 0] if self.kind == "lstm" else self.body(x)
        return self.head(F.relu(h))


def everything_frozen() -> nn.Module:
    return layers().requires_grad_(False)


class Taught(nn.Module):
    """A student beside its teacher, who was trained for a moment."""

    def __init__(self, no_grad: bool = True) -> None:
        super().__init__()
        self.teacher, self.student, self.no_grad = layers(width=64), layers(), no_grad
        self.teacher.requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.no_grad):
            told = self.teacher(x)
        return self.student(x), told


def distilled(outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
    student, teacher = outputs
    near = F.kl_div(F.log_softmax(student / 2, 1), F.softmax(teacher / 2, 1), reduction="batchmean")
    return 0.5 * F.cross_entropy(student, targets) + 2 * near


class Follower(nn.Module):
    """A momentum encoder that follows in forward(): `pairs` gives likenesses with its keys, else both sides."""

    def __init__(self, pairs: bool = False) -> None:
        super().__init__()
        self.online, self.pairs = layers(outputs=16), pairs
        self.predictor = nn.Identity() if pairs else layers(16, 32, 16)
        self.target = copy.deepcopy(self.online).requires_grad_(False)

    def forward(self, x: Tensor) -> Any:
        shift = 0.1 * torch.tanh(x.roll(1, 1))
        with torch.no_grad():
            if self.training:
                for p, q in zip(self.online.parameters(), self.target.parameters(), strict=True):
                    q.lerp_(p, 0.01)
            keys = F.normalize(self.target(x + shift), dim=1)
        if self.pairs:
            return F.normalize(self.online(x), dim=1) @ keys.T
        return F.normalize(self.predictor(self.online(x)), dim=1), keys


def near_the_target(outputs: tuple[Tensor, Tensor], _targets: Tensor) -> Tensor:
    return 2 - 2 * (outputs[0] * outputs[1]).sum(1).mean()


def each_to_its_own(outputs: Tensor, _targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs / 0.5, torch.arange(len(outputs)))


class Fourier(nn.Module):
    """Features of fixed random frequencies."""

    def __init__(self) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(12, 32), requires_grad=False)
        self.head = layers(64, 32, 4)

    def forward(self, x: Tensor) -> Tensor:
        z = x @ self.frequencies
        return self.head(torch.cat([z.sin(), z.cos()], 1))


# Random numbers in eval mode.


class Variational(nn.Module):
    """A variational autoencoder that samples in either mode; `dropped`: with a dropout that never ends."""

    def __init__(self, dropped: bool = False) -> None:
        super().__init__()
        self.encoder, self.decoder, self.dropped = layers(outputs=8), layers(4, 32, 12), dropped

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(F.dropout(z, 0.2) if self.dropped else z), mean, log_variance


def evidence(outputs: tuple[Tensor, Tensor, Tensor], targets: Tensor) -> Tensor:
    made, mean, log_variance = outputs
    divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()
    return F.mse_loss(made, targets) * targets.shape[1] + divergence


class Diffusion(nn.Module):
    """Draws the time and the noise, which is to be found. `mask`: hides random inputs in either mode instead."""

    def __init__(self, mask: bool = False) -> None:
        super().__init__()
        self.body, self.mask = layers(13, 64, 12), mask

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        t = torch.randint(0, 100, (len(x), 1)) / 100
        if self.mask:
            kept = torch.bernoulli(torch.full_like(x, 0.7))
            return self.body(torch.cat([x * kept, t], 1)), x
        noise = torch.randn_like(x)
        return self.body(torch.cat([(1 - t).sqrt() * x + t.sqrt() * noise, t], 1)), noise


def noise_found(outputs: tuple[Tensor, Tensor], _targets: Tensor) -> Tensor:
    return F.mse_loss(*outputs)


class Sampled(nn.Module):
    """Weights that are drawn in each pass, around means that train."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.mean = layers(outputs=32), nn.Parameter(0.1 * torch.randn(32, 4))
        self.spread = nn.Parameter(torch.full((32, 4), -3.0))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        weight = torch.distributions.Normal(self.mean, F.softplus(self.spread)).rsample()
        return self.body(x) @ weight, (self.mean**2).sum() * 1e-4


def with_prior(outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs[0], targets) + outputs[1]


class Force(nn.Module):
    """Gives the slope of what it computes, with a graph in every mode."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.body(x).sum(), x, create_graph=True)[0][:, :1]


# Outputs of a scale.


def line(seed: int = 0) -> Any:
    """Two classes of -1 and 1, on two inputs that tell them."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 2, (500,), generator=draw).float() * 2 - 1
    x = torch.randn(500, 2, generator=draw) + 1.5 * y[:, None]
    return TensorDataset(x[:400], y[:400]), TensorDataset(x[400:], y[400:])


class Plane(nn.Module):
    """A linear support vector machine whose start is turned the wrong way; `scale`: of its weights."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)
        with torch.no_grad():
            self.layer.weight.abs_().mul_(-scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).squeeze(1)


def hinge(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.relu(1 - outputs * targets).mean()


class Likenesses(nn.Module):
    """Two towers, and the likeness of all pairs over a temperature."""

    def __init__(self, learned: bool = True) -> None:
        super().__init__()
        self.left, self.right = layers(outputs=16), layers(outputs=16)
        self.scale: Any = nn.Parameter(torch.tensor(2.66)) if learned else torch.tensor(2.66)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.left(x), self.right(torch.tanh(x))
        return self.scale.exp() * F.normalize(left, dim=1) @ F.normalize(right, dim=1).T


def both_ways(outputs: Tensor, _targets: Tensor) -> Tensor:
    places = torch.arange(len(outputs))
    return (F.cross_entropy(outputs, places) + F.cross_entropy(outputs.T, places)) / 2


class Cold(nn.Module):
    """Scores over a temperature of a hundredth."""

    def __init__(self) -> None:
        super().__init__()
        self.body = layers()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) / 0.01


def calmed(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of scores that the loss makes small again."""
    return F.cross_entropy(outputs * 0.01, targets)


# Steps, and normalisation of single values.


def real_tokens() -> Any:
    """Tokens as real numbers."""
    return tuple(TensorDataset(part.tensors[0].float(), part.tensors[1]) for part in tokens())


class Stepped(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.last = kind, 0.0
        self.body = layers(32, 48, 3) if kind == "tokens" else layers(8, 48, 1)
        if kind == "tokens":
            self.embedding = nn.Embedding(30, 32)

    def forward(self, x: Tensor) -> Tensor:
        match self.kind:
            case "cast":
                return self.body((x / 10).long().float())
            case "tokens":
                return self.body(self.embedding(x.long()).mean(1))
        y = self.body(x)
        match self.kind:
            case "round":
                return torch.round(y)
            case "passed":
                return y + (torch.round(y * 4) / 4 - y).detach()
            case _:
                self.last = torch.round(y).mean().item()
                return y


class Normed(nn.Module):
    """What is normalised together."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        if kind == "pictures":
            self.body: nn.Module = nn.Conv2d(1, 32, 3)
        else:
            self.body = nn.Linear(12, 32)
        norms = {"groups": nn.GroupNorm(32, 32), "group": nn.GroupNorm(1, 32), "layer": nn.LayerNorm(32)}
        self.norm = (norms | {"beside": nn.LayerNorm(1), "pictures": nn.InstanceNorm2d(32)})[kind]
        self.head = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10 if kind == "pictures" else 4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        match self.kind:
            case "pictures":
                return self.head(F.relu(self.norm(h)).mean((2, 3)))
            case "beside":
                return self.head(torch.cat([self.norm(h[:, :1]), h[:, 1:]], 1))
            case _:
                h = self.norm(h)
        return self.head(h)


# Weight decay of an optimizer's own.


def decaying(model: nn.Module, lr: float, weight_decay: float, own: float, kind: str = "AdamW") -> Any:
    """One of torch's optimizers with a decay of its own for matrices, and the recipe's for the rest."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": own}, {"params": others}]
    return getattr(torch.optim, kind)(groups, lr=lr, weight_decay=weight_decay)


# Means over the batch.


def beside_a_mean(outputs: Tensor, targets: Tensor) -> Tensor:
    """Errors of each sample, and scores that are even over the batch."""
    shares = outputs.softmax(1).mean(0)
    return F.cross_entropy(outputs, targets) + 0.1 * (shares * shares.log()).sum()
