"""Models, losses and optimizers for faults of the model's wiring, its loss and its optimizer, and for their near
misses: sound ones that look alike."""

import torch
import torch.nn.functional as F
from planted_models import dense
from torch import Tensor, nn

# Random numbers in eval mode.


class Noisy(nn.Module):
    """What it draws, and in which mode."""

    def __init__(self, kind: str, always: bool = True) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(12, 48), nn.Linear(48, 4)
        self.kind, self.always, self.seen = kind, always, torch.zeros(48)

    def forward(self, x: Tensor) -> Tensor:
        on = self.always or self.training
        x = F.relu(self.body(x))
        match self.kind:
            case "dropout":
                x = F.dropout(x, 0.3, training=on)
            case "noise":
                x = x + 0.2 * torch.randn_like(x) if on else x
            case "state":
                if on:
                    self.seen = 0.5 * self.seen + 0.5 * x.detach().mean(0)
                x = x + self.seen
        return self.head(x)


class TokensWithDropout(nn.Module):
    """Random in eval mode over tokens, whose dependence is seen by exchange: no sample leaks into another."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(30, 32), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.dropout(self.embedding(x), 0.3).mean(1))


class Sampled(nn.Module):
    """A variational bottleneck that samples only while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = nn.Linear(12, 32), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        mean, logvar = self.encoder(x).chunk(2, 1)
        return self.head(mean + torch.randn_like(mean) * (0.5 * logvar).exp() if self.training else mean)


# Not finite.


class SquareRoot(nn.Module):
    """A root whose slope at zero is infinite: of features that a mask leaves out."""

    def __init__(self, safe: bool = False) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(12, 48), nn.Linear(48, 4)
        self.safe, self.mask = safe, (torch.arange(48) % 2).float()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.sqrt((self.body(x) * self.mask).square() + (1e-6 if self.safe else 0.0)))


class Powers(nn.Module):
    """A power below one of what may be zero."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(8, 16)

    def forward(self, x: Tensor) -> Tensor:
        return (self.body(x) * (torch.arange(16) > 3)).square().pow(0.25).mean(1, keepdim=True)


class NaNInEval(nn.Module):
    """Divides by what only train mode fills."""

    def __init__(self) -> None:
        super().__init__()
        self.body = dense()
        self.register_buffer("scale", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        out = self.body(x)
        return out if self.training else (out - out.mean(0)) * 0.0 / self.scale


class MaskedAttention(nn.Module):
    """Infinities on purpose, before a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(2, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        length = x.shape[1]
        mask = torch.triu(torch.full((length, length), -torch.inf), 1)
        return self.head(((x @ x.transpose(1, 2) / 4 + mask).softmax(2) @ x).mean(1))


def over_nothing(outputs: Tensor, targets: Tensor) -> Tensor:
    """A mean over the samples of a class that there is not."""
    return F.cross_entropy(outputs, targets, reduction="none")[targets == 77].mean()


# Losses without a gradient, and below the least.


def share_of_errors(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.argmax(1) != targets).float().mean()


def rounded(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.round() - targets).square().mean()


def masked_out(outputs: Tensor, targets: Tensor) -> Tensor:
    """Nothing of any batch counts."""
    return F.cross_entropy(outputs, targets, reduction="none").mul((targets > 90).float()).mean()


def satisfied_hinge(outputs: Tensor, targets: Tensor) -> Tensor:
    """Zero within a margin: of many samples it says nothing yet."""
    return F.relu((outputs - targets).abs() - 1.0).mean()


def dice(outputs: Tensor, targets: Tensor) -> Tensor:
    """Below zero by design."""
    wanted = F.one_hot(targets, outputs.shape[1]).float()
    share = outputs.softmax(1)
    return -(2 * (share * wanted).sum() / (share.sum() + wanted.sum()))


def unhinged(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 - p of the class: linear in the probabilities, and never below zero (Ghosh et al., 2017)."""
    return 1.0 - outputs[torch.arange(len(targets)), targets].mean()


def own_nll(outputs: Tensor, targets: Tensor) -> Tensor:
    return -outputs[torch.arange(len(targets)), targets].mean()


class ZeroResidual(nn.Module):
    """Begins as the identity, and the targets are the inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.body = dense(8, 8)
        nn.init.zeros_(self.body[-1].weight)
        nn.init.zeros_(self.body[-1].bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


# Weights outside the model.


class Hidden(nn.Module):
    """Where the middle layer is kept."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(12, 48), nn.Linear(48, 4)
        middle = nn.Linear(48, 48)
        match place:
            case "list":
                self.middle = [middle]
            case "dictionary":
                self.middle = {"deep": [middle]}
            case "tensor":
                self.scale = torch.ones(48, requires_grad=True)
            case "frozen teacher":
                self.middle = [middle.requires_grad_(False)]
            case "buffer":
                self.register_buffer("scale", torch.ones(48, requires_grad=True))
        self.place = place

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.body(x))
        match self.place:
            case "list" | "frozen teacher":
                x = F.relu(self.middle[0](x)) + x
            case "dictionary":
                x = F.relu(self.middle["deep"][0](x))
            case "tensor" | "buffer":
                x = x * self.scale
        return self.head(x)


def normalised_weights() -> nn.Module:
    model = dense(depth=2)
    nn.utils.parametrizations.weight_norm(model[1])
    nn.utils.parametrizations.spectral_norm(model[3])
    return model


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 4)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.second(F.relu(self.first(x)))))


class Slopes(nn.Module):
    """A network whose input takes a gradient, as for an equation of physics."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().clone().requires_grad_()
            out = self.body(x)
            slope = torch.autograd.grad(out.sum(), x, create_graph=True)[0]
        return out + 0.1 * slope.square().mean(1, keepdim=True)


class Weighing(nn.Module):
    """A loss with a learnt scale."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return ((outputs - targets).square() * torch.exp(-self.log_scale)).mean() + self.log_scale.square()


# Optimizers.


def head_only(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model[-1].parameters(), lr=lr, weight_decay=weight_decay)


def over_a_copy(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    import copy

    return torch.optim.AdamW(copy.deepcopy(model).parameters(), lr=lr, weight_decay=weight_decay)


def body_at_zero(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    body, head = list(model[:-1].parameters()), list(model[-1].parameters())
    return torch.optim.SGD([{"params": body, "lr": 0.0}, {"params": head}], lr=lr, weight_decay=weight_decay)


def fixed_rate(parameters, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.01, weight_decay=weight_decay)


def slower_body(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """The body at a tenth of the rate."""
    body, head = list(model[:-1].parameters()), list(model[-1].parameters())
    groups = [{"params": body, "lr": 0.1 * lr}, {"params": head}]
    return torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay)


def one_fixed_group(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    biases = [p for p in model.parameters() if p.dim() == 1]
    weights = [p for p in model.parameters() if p.dim() > 1]
    return torch.optim.AdamW([{"params": weights}, {"params": biases, "lr": 1e-3}], lr=lr, weight_decay=weight_decay)


def fixed_decay(parameters, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=0.01)


def adam_l2(parameters, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Its step at zero gradient is as long whatever the decay is."""
    return torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay)


class IgnoringGroups(torch.optim.Optimizer):
    """A step of its own length; `decays_all`: it takes something off every parameter, whether it trains or not."""

    def __init__(self, parameters, lr: float, weight_decay: float, decays_all: bool = False) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self.decays_all = decays_all

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if self.decays_all:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                if p.grad is not None:
                    p.sub_((group["lr"] if self.decays_all else 0.01) * p.grad)


def decays_everything(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    return IgnoringGroups(model.parameters(), lr, weight_decay, decays_all=True)


class Momentum(nn.Module):
    """A frozen copy that follows the body in forward(): it moves on purpose."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.target = nn.Linear(12, 24), nn.Linear(12, 24)
        self.head = nn.Linear(48, 4)
        self.target.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                self.target.weight.lerp_(self.body.weight, 0.1)
        return self.head(torch.cat([F.relu(self.body(x)), F.relu(self.target(x))], 1))


# Units that are equal.


def constant(value: float, layers: str = "all") -> nn.Module:
    model = dense(depth=2)
    for layer in [model[1]] if layers == "first" else [m for m in model if isinstance(m, nn.Linear)]:
        nn.init.constant_(layer.weight, value)
        nn.init.zeros_(layer.bias)
    return model


class LoRA(nn.Module):
    """A frozen body with a low-rank correction: B starts at zero; `both`: so does A, which blocks the two."""

    def __init__(self, both: bool = False) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(12, 48), nn.Linear(48, 4)
        self.down, self.up = nn.Linear(12, 4, bias=False), nn.Linear(4, 48, bias=False)
        nn.init.zeros_(self.up.weight)
        if both:
            nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.body(x) + self.up(self.down(x))))


class Modulated(nn.Module):
    """A branch whose modulation is zero before a last layer of zeros (as in DiT)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.modulation, self.branch = nn.Linear(12, 32), nn.Linear(12, 32), nn.Linear(32, 32)
        self.head = nn.Linear(32, 4)
        for layer in (self.modulation, self.head):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.stem(x)
        return self.head(F.gelu(inner + self.modulation(x) * self.branch(inner)))


class Position(nn.Module):
    """Position embeddings of zero and an embedding whose padding row is zero."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(30, 32, padding_idx=0), nn.Linear(32, 3)
        self.place = nn.Parameter(torch.zeros(12, 32))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.gelu(self.embedding(x) + self.place).mean(1))


class AxisOfOne(nn.Module):
    """A normalisation over an axis of one."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.body = nn.Linear(8, 1)
        self.norm = nn.Softmax(1) if kind == "softmax" else nn.LayerNorm(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.body(x))


# BatchNorm.


def normed(momentum: float | None = 0.1, depth: int = 2) -> nn.Module:
    model = dense(depth=depth, norm="batch")
    for layer in model:
        if isinstance(layer, nn.BatchNorm1d):
            layer.momentum = momentum
    return model


def normed_pictures(momentum: float = 0.1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        nn.BatchNorm2d(12, momentum=momentum),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12 * 64, 10),
    )


def normed_pooled() -> nn.Module:
    """BatchNorm over pictures that were averaged to a pixel."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(12), nn.Flatten(), nn.Linear(12, 10)
    )


class Dropped(nn.Module):
    """Dropout whose p was taken for the share that is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Dropout(0.98), nn.Linear(64, 4))
        nn.init.xavier_normal_(self.body[3].weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Settling(nn.Module):
    """Each sample's state of the batch before goes on, and forgets half of itself each time."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(12, 16), nn.Linear(16, 4)
        self.state = None

    def forward(self, x: Tensor) -> Tensor:
        before = self.state if self.state is not None and len(self.state) == len(x) else 0.0
        hidden = 0.5 * before + torch.tanh(self.body(x))
        self.state = hidden.detach()
        return self.head(hidden)


class HeldNorm(nn.Module):
    """BatchNorm that stays in eval mode while the rest trains, with statistics of data or (`fresh`) of none."""

    def __init__(self, fresh: bool = False) -> None:
        super().__init__()
        self.body = normed()
        for layer in self.body:
            if isinstance(layer, nn.BatchNorm1d) and not fresh:
                layer.running_mean.fill_(0.1)

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        for layer in self.body:
            if isinstance(layer, nn.BatchNorm1d):
                layer.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Twice(nn.Module):
    """A layer used at two places: which, and whether what comes there is alike."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(12, 32), nn.Linear(32, 32), nn.Linear(32, 4)
        self.norm, self.drop, self.kind = nn.BatchNorm1d(32), nn.Dropout(0.1), kind
        self.linear = nn.Identity() if kind == "norm" else nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "norm":
            return self.head(F.relu(self.norm(self.second(F.relu(self.norm(10.0 * self.first(x) + 3.0))))))
        if self.kind == "pair":  # one encoder over two halves of a pair
            one, other = (F.relu(self.norm(self.first(part))) for part in (x, x.flip(0)))
            return self.head(self.second(one) + self.linear(other.flip(0)))
        inner = self.drop(F.relu(self.linear(F.relu(self.first(x)))))
        return self.head(self.drop(self.norm(F.relu(self.linear(self.second(inner))))))


class Cell(nn.Module):
    """A recurrent cell, step by step: what reaches its first call is little, what reaches the cell is not."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.inner, self.head = nn.LSTMCell(2, 16), nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = state = x.new_zeros(len(x), 16)
        for step in range(x.shape[1]):
            hidden, state = self.cell(x[:, step], (hidden, state))
        return self.head(F.relu(self.inner(hidden)))


# What outputs depend on, and where they end.


class PlaceOfMaximum(nn.Module):
    """Few values, whose gradient is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.body = dense(8, 9)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).argmax(1, keepdim=True).float() / 4 - 1


class TimeFirst(nn.Module):
    """Recurrent or attention layers over [N, L, F]."""

    def __init__(self, kind: str, batch_first: bool = False) -> None:
        super().__init__()
        self.stem = nn.Linear(2, 16)
        self.body: nn.Module
        if kind == "gru":
            self.body = nn.GRU(16, 16, batch_first=batch_first)
        else:
            self.body = nn.MultiheadAttention(16, 2, batch_first=batch_first)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.body(x)[0] if isinstance(self.body, nn.GRU) else self.body(x, x, x)[0]
        return self.head(x.mean(1))


def relu_end(width: int = 16, depth: int = 3) -> nn.Module:
    """ReLU after the last layer; in some initialisations all is off."""
    return nn.Sequential(dense(8, 1, width=width, depth=depth), nn.ReLU())


class Flat(nn.Module):
    """Outputs of all positions as rows one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(20, 32), nn.Linear(32, 20)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embedding(x))


def dropped_norm(rate: float = 0.5) -> nn.Module:
    """Dropout right before BatchNorm."""
    layers = [nn.Linear(12, 48), nn.ReLU(), nn.Dropout(rate), nn.BatchNorm1d(48), nn.Linear(48, 4)]
    return nn.Sequential(*layers)
