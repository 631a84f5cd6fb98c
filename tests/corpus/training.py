"""One training of the corpus: a plain loop such as people write, its log, and its losses on the large test set."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.corpus.networks import network
from tests.corpus.problems import pool_of, splits_of
from tests.corpus.settings import Settings

Array = npt.NDArray[Any]

AVERAGED_OVER = 0.1
"""Share of a training whose weights an exponential average holds."""
WORST = 10.0
"""Times the loss of a guess that a sample's counts as at most: a network that diverged is bad, not endlessly so."""
DEEP = 6
"""Layers of an MLP whose fault is to be squashed."""


@dataclass
class Curves:
    """What a log may hold: by point its place, and values or None."""

    places: list[float] = field(default_factory=list)
    columns: dict[str, list[float | None]] = field(default_factory=dict)

    def add(self, place: float, **values: float) -> None:
        for name in values.keys() - self.columns.keys():
            self.columns[name] = [None] * len(self.places)
        self.places.append(place)
        for name, column in self.columns.items():
            column.append(values.get(name))


@dataclass(frozen=True)
class Trained:
    """What came of it: the curves, and by model (`last`, and those that came besides) the losses [n] and errors [n] of
    test samples: shares of wrong places, or squared residuals."""

    curves: Curves
    losses: dict[str, Array]
    errors: dict[str, Array]


@dataclass(frozen=True)
class Logging:
    """When a training tells: every epoch, or so many times, of which evaluations are every fifth."""

    by_iterations: bool = False
    points: int = 60


class Run:
    """A network with its samples, in the state of its training."""

    def __init__(self, settings: Settings, seed: int) -> None:
        torch.manual_seed(seed)
        self.settings = settings
        pool, splits = pool_of(settings.problem), splits_of(settings.problem, settings.size, settings.data)
        self.classes = pool.classes
        self.train, self.val, self.test = (_tensors(part) for part in (splits.train, splits.val, splits.test))
        self.large = None if splits.large is None else _tensors(splits.large)
        self._break(settings.fault, seed)
        self.model = built(settings, self.train[0])
        self.guess = float(math.log(pool.classes)) if pool.classes else 1.0
        self.order = torch.Generator().manual_seed(seed + 1000)

    def _break(self, fault: str | None, seed: int) -> None:
        """The fault that was planted in the data. The test set is scaled as training is."""
        x, y = self.train
        if fault == "shuffled_labels":
            self.train = x, y[torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))]
        elif fault == "unscaled_inputs":
            self.train, self.val, self.test = ((100 * x + 50, y) for x, y in (self.train, self.val, self.test))
            self.large = None if self.large is None else (100 * self.large[0] + 50, self.large[1])
        elif fault == "unscaled_validation":
            self.val = 5 * self.val[0] + 3, self.val[1]
        elif fault == "leaked_validation":
            self.val = x[: len(self.val[0])], y[: len(self.val[0])]
        elif fault == "sorted_batches":
            key = y.float().reshape(len(y), -1).mean(1)
            self.train = x[key.argsort()], y[key.argsort()]

    def loss(self, outputs: Tensor, y: Tensor, each: bool = False) -> Tensor:
        """The mean loss, or that of each sample [n]."""
        if self.classes is None:
            losses = F.mse_loss(outputs[:, 0], y, reduction="none")
        else:
            given = outputs.movedim(-1, 1)
            losses = F.cross_entropy(given, y, reduction="none").reshape(len(y), -1).mean(1)
        return losses if each else losses.mean()

    def wrong(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The error of each sample [n]."""
        if self.classes is None:
            return (outputs[:, 0] - y) ** 2
        return (outputs.argmax(-1) != y).float().reshape(len(y), -1).mean(1)

    def score(self, split: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Losses and errors of each sample of a split [n], by the model as it is."""
        self.model.eval()
        with torch.inference_mode():
            parts = [(self.model(x), y) for x, y in zip(*(part.split(1000) for part in split), strict=True)]
            found = [(self.loss(outputs, y, True), self.wrong(outputs, y)) for outputs, y in parts]
        self.model.train()
        losses, errors = (torch.cat(part) for part in zip(*found, strict=True))
        return losses, errors

    def tested(self) -> tuple[Array, Array]:
        """Test losses and errors as they are kept; what is not finite is at the worst."""
        most = WORST * self.guess
        losses, errors = self.score(self.test)
        wrong = errors if self.classes else errors.nan_to_num(most, most, most).clamp_max(most)
        return (
            losses.nan_to_num(most, most, most).clamp_max(most).numpy().astype(np.float16),
            wrong.numpy().astype(np.float16),
        )


def built(settings: Settings, x: Tensor) -> nn.Module:
    """A network for samples like `x`, with the fault that was planted in it; of torch's own draws."""
    pool, squashed = pool_of(settings.problem), settings.fault == "squashed"
    model = network(
        settings.family,
        x,
        pool.classes or 1,
        pool.y.ndim == 2,
        pool.tokens,
        width=settings.width,
        depth=DEEP if squashed else settings.depth,
        norm=settings.norm and not squashed,
        dropout=settings.dropout,
        squash=squashed,
    )
    if settings.fault == "zero_start":
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
    if settings.fault == "frozen_body":
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith("head"))
    return model


def decay_of(settings: Settings) -> float:
    """The weight decay that the optimizer gets: SGD's is part of the gradient, and so a tenth."""
    return settings.weight_decay * (0.1 if settings.optimizer == "sgd" else 1.0)


def _tensors(part: tuple[Array, Array]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(part[0]), torch.from_numpy(part[1])


def rate_at(settings: Settings, share: float) -> float:
    """The rate at a share of the training."""
    if share < settings.warmup:
        return settings.lr * max(share / settings.warmup, 0.01)
    rest = (share - settings.warmup) / (1 - settings.warmup)
    falls = {
        "constant": 1.0,
        "cosine": 0.5 * (1 + math.cos(math.pi * rest)),
        "linear": 1 - rest,
        "step": 0.1 ** (int(rest >= 0.5) + int(rest >= 0.75)),
    }
    return settings.lr * falls[settings.schedule]


def train(settings: Settings, seed: int, logging: Logging | None = None) -> Trained:
    """Train to the end. With `logging` it is a subject: its curves are kept, and the models that came besides."""
    run = Run(settings, seed)
    model, trained = run.model, [p for p in run.model.parameters() if p.requires_grad]
    if settings.optimizer == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(
            trained, settings.lr, momentum=0.9, weight_decay=decay_of(settings), fused=True
        )
    else:
        optimizer = torch.optim.AdamW(trained, settings.lr, weight_decay=decay_of(settings), fused=True)
    x, y = run.train
    each_epoch = max(1, len(x) // settings.batch)
    total = settings.epochs * each_epoch
    watch = _Watch(run, logging, total, each_epoch) if logging is not None else None
    broken = False
    model.train()
    for done in range(total):
        if done % each_epoch == 0:
            mixed = settings.fault != "sorted_batches"
            order = torch.randperm(len(x), generator=run.order) if mixed else torch.arange(len(x))
        rate = rate_at(settings, done / total)
        value = math.nan
        if not broken:
            picks = order[done % each_epoch * settings.batch :][: settings.batch]
            for group in optimizer.param_groups:
                group["lr"] = rate
            outputs = model(x[picks])
            loss = run.loss(outputs, y[picks])
            optimizer.zero_grad()
            loss.backward()
            if settings.clip is not None:
                nn.utils.clip_grad_norm_(trained, settings.clip)
            optimizer.step()
            value = float(loss.detach())
            broken = not math.isfinite(value)
        if watch is not None:
            watch.step(done + 1, value, rate, None if broken else (outputs.detach(), y[picks]))
    losses, errors = {}, {}
    losses["last"], errors["last"] = run.tested()
    if watch is None:
        return Trained(Curves(), losses, errors)
    for name, state in watch.beside().items():
        model.load_state_dict(state)
        losses[name], errors[name] = run.tested()
    return Trained(watch.curves, losses, errors)


class _Watch:
    """The log of a training in the making, and the models that it gives besides its last."""

    def __init__(self, run: Run, logging: Logging, total: int, each_epoch: int) -> None:
        self.run, self.curves, self.each_epoch = run, Curves(), each_epoch
        self.by_iterations = logging.by_iterations
        self.train_every = max(1, total // logging.points) if logging.by_iterations else each_epoch
        self.val_every = 5 * self.train_every if logging.by_iterations else each_epoch
        self.best: dict[str, tuple[float, dict[str, Tensor]]] = {}
        self.horizon = max(1.0, AVERAGED_OVER * total)
        self.average = copy.deepcopy(run.model.state_dict())
        self.losses: list[float] = []
        self.errors: list[float] = []

    def step(self, done: int, loss: float, rate: float, given: tuple[Tensor, Tensor] | None) -> None:
        """After an iteration, the `done`-th."""
        self.losses.append(loss)
        if given is not None:
            self._average(done)
            if self.run.classes is not None:
                self.errors.append(float(self.run.wrong(*given).mean()))
        values: dict[str, float] = {}
        if done % self.train_every == 0:
            # As people do: a batch's own loss by iterations, the mean over the epoch by epochs.
            values["train_loss"] = loss if self.by_iterations else float(np.mean(self.losses))
            values["lr"] = rate
            if self.errors:
                values["train_metric"] = 1 - (self.errors[-1] if self.by_iterations else float(np.mean(self.errors)))
            self.losses, self.errors = [], []
        if done % self.val_every == 0:
            losses, errors = self.run.score(self.run.val)
            values["val_loss"] = float(losses.mean())
            values["val_metric"] = float(errors.mean()) if self.run.classes is None else 1 - float(errors.mean())
            self._keep("earlier_stop", values["val_loss"])
            if self.run.large is not None:
                self._keep("larger_validation", float(self.run.score(self.run.large)[0].mean()))
        if values:
            self.curves.add(done if self.by_iterations else done // self.each_epoch, **values)

    def _average(self, done: int) -> None:
        weight = max(1 / self.horizon, 1 / done)
        for name, value in self.run.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, weight)
            else:
                self.average[name] = value.clone()

    def _keep(self, name: str, loss: float) -> None:
        if math.isfinite(loss) and (name not in self.best or loss < self.best[name][0]):
            self.best[name] = loss, copy.deepcopy(self.run.model.state_dict())

    def beside(self) -> dict[str, dict[str, Tensor]]:
        states = {name: state for name, (_, state) in self.best.items()}
        if "earlier_stop" not in states:
            states.pop("larger_validation", None)
        return {**states, "averaged": self.average}
