"""The same trials as a person writes them: Optuna, a DataLoader over torchvision's MNIST, fp32, one process.

Nothing of tunekit is used here."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

TRIED = ((0, None), (2, None), (2, 1), (0, 1))
"""Workers of the DataLoader (none, or one a core) and threads of torch (None: its own choice, one a core)."""


def model_of(spec: dict[str, Any]) -> Any:
    """The recipe's model, written out."""
    from torch import nn

    if spec["target"] == "mlp":
        first, second = spec["args"]["hidden"]
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(28 * 28, first),
            nn.ReLU(),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Linear(second, 10),
        )
    first, second = spec["args"]["channels"]
    return nn.Sequential(
        nn.Conv2d(1, first, 3, padding=1, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(first, second, 3, padding=1, bias=False),
        nn.BatchNorm2d(second),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(spec["args"]["dropout"]),
        nn.Flatten(),
        nn.Linear(second * 7 * 7, 10),
    )


def loaders_of(root: str, held_out: Sequence[int] | None, batch_size: int, workers: int) -> tuple[Any, Any]:
    """Loaders of the training and the validation part; without `held_out` a random fifth is held out."""
    import torch
    from torch.utils.data import DataLoader, Subset
    from torchvision import datasets, transforms

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    whole = datasets.MNIST(root, train=True, transform=transform)
    out = set(torch.randperm(len(whole))[: len(whole) // 5].tolist() if held_out is None else held_out)
    kept = [index for index in range(len(whole)) if index not in out]
    parts = Subset(whole, kept), Subset(whole, sorted(out))
    more: dict[str, Any] = {"num_workers": workers, "persistent_workers": workers > 0}
    train = DataLoader(parts[0], batch_size, shuffle=True, drop_last=True, **more)
    return train, DataLoader(parts[1], 1024, **more)


def accuracy_of(model: Any, loader: Any) -> float:
    import torch
    from torch.nn import functional

    model.eval()
    right, total, loss = 0, 0, 0.0
    with torch.inference_mode():
        for x, y in loader:
            outputs = model(x)
            loss += functional.cross_entropy(outputs, y, reduction="sum").item()
            right += int((outputs.argmax(1) == y).sum())
            total += len(y)
    model.train()
    return right / total


def train(spec: dict[str, Any], trial: dict[str, Any], loader: Any, val: Any) -> Iterator[float]:
    """One trial of so many iterations; yields the validation accuracy at the end of each epoch."""
    import torch
    from torch.nn import functional

    torch.manual_seed(trial["seed"])
    model = model_of(spec)
    optimizer = torch.optim.Adam(model.parameters(), lr=trial["lr"], weight_decay=trial["weight_decay"])
    model.train()
    done = 0
    while done < trial["iterations"]:
        for x, y in islice(loader, trial["iterations"] - done):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            done += 1
        if done % len(loader) == 0:
            yield accuracy_of(model, val)


def walk(plan: dict[str, Any], workers: int, threads: int | None) -> dict[str, float]:
    """All trials of a plan: the first loss, the few samples by heart, then a study each of the sweep and the grid with
    its fine runs. Returns seconds of the work without imports, and the best validation accuracy."""
    import optuna
    import torch
    from torch.nn import functional

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if threads is not None:
        torch.set_num_threads(threads)
    started = time.perf_counter()
    spec = plan["model"]
    loader, val = loaders_of(plan["root"], plan["held_out"], plan["batch_size"], workers)
    x, y = next(iter(loader))
    with torch.inference_mode():
        functional.cross_entropy(model_of(spec)(x), y).item()
    few = [(x[:100], y[:100])]  # step 2: kept in memory, as anybody would
    for trial in plan["tiny"]:
        list(train(spec, trial, few * trial["iterations"], few))
    best = 0.0
    for trials in (plan["short"], plan["long"]):
        study = optuna.create_study(direction="maximize")

        def objective(trial: Any, trials: Sequence[dict[str, Any]] = trials) -> float:
            chosen = trials[trial.suggest_categorical("number", list(range(len(trials))))]
            reached = 0.0
            for epoch, value in enumerate(train(spec, chosen, loader, val)):
                trial.report(value, epoch)
                reached = max(reached, value)
            return reached

        for number in range(len(trials)):
            study.enqueue_trial({"number": number})
        study.optimize(objective, n_trials=len(trials))
        best = max(best, study.best_value) if trials else best
    return {"seconds": time.perf_counter() - started, "accuracy": best}


def best_settings(root: str, spec: dict[str, Any], batch_size: int, iterations: int = 60) -> list[int | None]:
    """Which of `TRIED` trains this model fastest here, each tried twice."""
    import torch

    usual = torch.get_num_threads()
    seconds: dict[tuple[int, int | None], float] = {}
    for workers, threads in (*TRIED, *TRIED):
        torch.set_num_threads(threads or usual)
        loader, _ = loaders_of(root, None, batch_size, workers)
        trial = {"seed": 0, "lr": 1e-3, "weight_decay": 0.0, "iterations": iterations}
        next(iter(loader))  # starting the workers is not what is asked
        started = time.perf_counter()
        list(train(spec, trial, loader, []))
        took = time.perf_counter() - started
        seconds[workers, threads] = min(took, seconds.get((workers, threads), took))
    fastest = min(seconds, key=lambda tried: seconds[tried])
    return [*fastest]
