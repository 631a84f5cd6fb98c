"""Models, losses and optimizers for the planted faults: sound ones first, then one fault each."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def linear(features: int = 12, outputs: int = 4) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(features, outputs))


def dense(features: int = 12, outputs: int = 4, width: int = 48, depth: int = 1, norm: str = "") -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    for _ in range(depth):
        layers.append(nn.Linear(features, width))
        layers += {"batch": [nn.BatchNorm1d(width)], "layer": [nn.LayerNorm(width)], "": []}[norm]
        layers.append(nn.ReLU())
        features = width
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def he(features: int = 12, outputs: int = 4, depth: int = 12) -> nn.Module:
    model = dense(features, outputs, 64, depth)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu" if layer is not model[-1] else "linear")
            nn.init.zeros_(layer.bias)
    return model


def zero_head(features: int = 12, outputs: int = 4, depth: int = 3) -> nn.Module:
    model = dense(features, outputs, depth=depth)
    nn.init.zeros_(model[-1].weight)
    nn.init.zeros_(model[-1].bias)
    return model


def with_dropout(features: int = 12, outputs: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(features, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, outputs))


def conv(norm: bool = False) -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in ((1, 12), (12, 24)):
        layers += [nn.Conv2d(before, after, 3, padding=1), *([nn.BatchNorm2d(after)] if norm else []), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(24 * 4, 10))


class _Block(nn.Module):
    def __init__(self, width: int, zero: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        if zero:
            nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm2(self.second(F.relu(self.norm1(self.first(x)))))
        return F.relu(x + inner)


def residual(blocks: int = 3, width: int = 16, zero: bool = False) -> nn.Module:
    """A small ResNet; `zero`: its blocks begin as the identity (Goyal et al., 2017)."""
    stem = [nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)]
    return nn.Sequential(*stem, *[_Block(width, zero) for _ in range(blocks)], *tail)


class Transformer(nn.Module):
    """Integer tokens [B, L] to logits [B, C]."""

    def __init__(self, vocabulary: int = 30, length: int = 12, outputs: int = 3, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.place = nn.Parameter(0.02 * torch.randn(1, length, width))
        layer = nn.TransformerEncoderLayer(width, 4, 64, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.embedding(x) + self.place).mean(1))


class Recurrent(nn.Module):
    def __init__(self, features: int = 2, outputs: int = 3) -> None:
        super().__init__()
        self.body = nn.GRU(features, 32, batch_first=True)
        self.head = nn.Linear(32, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0][:, -1])


class ByName(nn.Module):
    def __init__(self, small: bool = False, tanh: bool = False) -> None:
        super().__init__()
        self.body = linear() if small else dense()
        self.tanh = tanh

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        logits = self.body(inputs)
        return {"logits": logits.tanh() if self.tanh else logits}


def log_softmax(times: int = 1) -> nn.Module:
    return nn.Sequential(dense(), *[nn.LogSoftmax(dim=1) for _ in range(times)])


# One fault each.


def ends_in(layer: str, features: int = 12, outputs: int = 4) -> nn.Module:
    ends = {"softmax": nn.Softmax(1), "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "relu": nn.ReLU()}
    return nn.Sequential(dense(features, outputs), ends[layer])


def conv_softmax() -> nn.Module:
    return nn.Sequential(conv(), nn.Softmax(dim=1))


def scaled_head(factor: float = 40.0, features: int = 12, outputs: int = 4) -> nn.Module:
    model = dense(features, outputs)
    with torch.no_grad():
        model[-1].weight.mul_(factor)
    return model


def scaled_everywhere(factor: float, depth: int = 10, features: int = 12, outputs: int = 4) -> nn.Module:
    model = he(features, outputs, depth)
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, nn.Linear):
                layer.weight.mul_(factor)
    return model


def saturating(kind: str, depth: int = 15, xavier: bool = False) -> nn.Module:
    layers: list[nn.Module] = []
    width = 12
    for _ in range(depth):
        layers += [nn.Linear(width, 48), nn.Tanh() if kind == "tanh" else nn.Sigmoid()]
        width = 48
        if xavier:
            nn.init.xavier_normal_(layers[-2].weight, gain=nn.init.calculate_gain("tanh"))
    return nn.Sequential(*layers, nn.Linear(width, 4))


def frozen() -> nn.Module:
    model = dense(depth=2)
    model[1].requires_grad_(False)
    return model


class Wired(nn.Module):
    """An MLP whose forward() goes wrong in one way."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.body, self.middle, self.head = nn.Linear(12, 48), nn.Linear(48, 48), nn.Linear(48, 4)
        if fault == "unused":
            self.other = nn.Linear(48, 40)

    def forward(self, x: Tensor) -> Tensor:
        n = len(x)
        match self.fault:
            case "view":
                x = x.reshape(12, n).t()
            case "mean over batch":
                x = x - x.mean(0)
            case "zero":
                x = x * 0.0
        if self.fault == "no_grad":
            with torch.no_grad():
                x = F.relu(self.body(x))
        else:
            x = F.relu(self.body(x))
        if self.fault == "softmax over samples":
            x = x.softmax(0)
        x = F.relu(self.middle(x.detach() if self.fault == "detach" else x))
        x = self.head(x)
        return x.softmax(0) if self.fault == "softmax of outputs over samples" else x


def dead_channels() -> nn.Module:
    model = conv()
    with torch.no_grad():
        model[0].bias.fill_(-20.0)
    return model


def trained() -> nn.Module:
    """Weights that have seen the data."""
    from planted_data import clouds

    model = dense()
    x, y = clouds()[0].tensors
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


class OtherInEvaluation(nn.Module):
    """Leaves a layer out in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.middle, self.head = nn.Linear(12, 48), nn.Linear(48, 48), nn.Linear(48, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.body(x))
        return self.head(F.relu(self.middle(x)) if self.training else x)


# Losses: (outputs, targets) -> scalar.


def summed_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().sum()


def own_mean_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().mean()


def own_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    return -outputs.log_softmax(1)[torch.arange(len(targets)), targets].mean()


def hinge(outputs: Tensor, targets: Tensor) -> Tensor:
    """One against all: max(0, 1 - y f) with y = +1 for the class and -1 for the others."""
    sign = 2.0 * F.one_hot(targets, outputs.shape[1]) - 1.0
    return F.relu(1.0 - sign * outputs).mean()


def weighted_then_averaged(outputs: Tensor, targets: Tensor) -> Tensor:
    weight = torch.tensor([1.0, 2.0, 1.0, 4.0])
    return F.cross_entropy(outputs, targets, weight=weight, reduction="none").mean()


def bce_of_probabilities(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy(outputs, targets)


def log_of_outputs(outputs: Tensor, targets: Tensor) -> Tensor:
    """Takes the logarithm of what may be negative."""
    return -torch.log(outputs)[torch.arange(len(targets)), targets].mean()


# Optimizers.


def adam_without_decay(parameters, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=lr)


def adam_with_groups(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Decay for weights, none for biases, as usual."""
    weights = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr)
