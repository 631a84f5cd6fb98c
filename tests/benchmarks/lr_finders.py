"""Learning-rate finders at equal iterations, and Ray Tune's grid with ASHA against coarse-grid on MNIST."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import fresh, problems
from tests.benchmarks.sidebyside import REPEATS, Report, alternate, ratio, spread
from tests.benchmarks.subjects import MNIST, config_of, missing_mnist, recipe_path

PACKAGES = ("fastai", "lightning", "torch-lr-finder", "ray", "torchvision")
OPTIMIZERS = {"momentum": ("SGD", {"momentum": 0.9}), "adamw": ("AdamW", {})}
BATCH = 32
AFTER = 200  # iterations at the suggested rate
ORACLE = [10.0 ** (exponent / 4) for exponent in range(-20, 2)]  # 1e-5 to 1.8 in quarter-decades
LOW = 1e-5  # where torch-lr-finder starts: its ends are 1e-5 and 10
DEFAULT = 100  # iterations that Lightning and torch-lr-finder take unless told otherwise


def run(quick: bool) -> Report:
    seeds = [0] if quick else [0, 1, 2]
    found = [fresh.call("lr_finders.measure", seed=seed) for seed in seeds]
    rows = []
    for finder in ("lr-sweep", *PEERS):
        cases = [case[finder] for turn in found for case in turn if finder in case]
        if not cases:
            rows.append([finder, _why_missing(finder), *[""] * 5])
            continue
        shares = sorted(case["share"] for case in cases)
        ours = [case["lr-sweep"]["seconds"] for turn in found for case in turn]
        seconds = [case["seconds"] for case in cases]
        rows.append(
            [
                finder,
                f"{len(cases)} cases, {median(case['iterations'] for case in cases):.0f} iterations",
                f"{median(shares):.2f}",
                f"{shares[len(shares) // 10]:.2f}",
                f"{sum(share >= 0.9 for share in shares) / len(shares):.0%}",
                f"{sum(share < 0.5 for share in shares) / len(shares):.0%}",
                f"{spread(seconds, 2)}; {ratio(seconds, ours):.2f} x lr-sweep's",
            ]
        )
    rows += _grids(quick)
    columns = [
        "finder",
        "what was done",
        "share of the best drop, median",
        "worst tenth",
        "at least 90 %",
        "under 50 %",
        "seconds",
    ]
    notes = [
        f"Drop: training loss before minus the mean of the last 20 of {AFTER} iterations at the suggested rate, as a "
        f"share of the best that any of {len(ORACLE)} rates from 1e-5 to 1.8 reaches; {len(problems.PROBLEMS)} "
        "problems (tests/benchmarks/problems.py) with momentum and with AdamW, the same start and batches for all.",
        f"Every finder got the iterations that lr-sweep took on the case, and once its own default of {DEFAULT}. "
        "A rate that diverges, or none, counts as 0.",
    ]
    return Report("Learning-rate finders, and Ray Tune's grid", columns, rows, notes)


def _why_missing(finder: str) -> str:
    package = {"fastai": "fastai", "Lightning": "lightning", "torch-lr-finder": "torch_lr_finder", "Ray Tune": "ray"}[
        finder.split(",")[0]
    ]
    extra = 'pip install ".[bench]"'
    return f"not installed ({extra})" if find_spec(package) is None else "gave no answer"


def measure(seed: int, kinds: tuple[str, ...] = problems.PROBLEMS) -> list[dict[str, Any]]:
    """Each finder's rate, seconds, iterations and share of the best drop, for every problem and optimizer."""
    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    peers = {name: peer for name, peer in PEERS.items() if find_spec(peer.package) is not None}
    for peer in peers.values():  # imports and first calls are not what is measured
        peer.find("logistic", "momentum", 0, 40)
    by_lr_sweep("logistic", "momentum", 0)
    found = []
    for kind in kinds:
        for optimizer in OPTIMIZERS:
            best = max(drop(kind, optimizer, seed, rate) for rate in ORACLE)
            started = time.perf_counter()
            rate, taken = by_lr_sweep(kind, optimizer, seed)
            case: dict[str, Any] = {
                "lr-sweep": {"rate": rate, "iterations": taken, "seconds": time.perf_counter() - started}
            }
            for name, peer in peers.items():
                iterations = peer.iterations or taken
                started = time.perf_counter()
                rate = peer.find(kind, optimizer, seed, iterations)
                case[name] = {"rate": rate, "iterations": iterations, "seconds": time.perf_counter() - started}
            for told in case.values():
                reached = 0.0 if told["rate"] is None else drop(kind, optimizer, seed, told["rate"])
                told["share"] = max(0.0, reached / best)
            found.append({**case, "problem": kind, "optimizer": optimizer})
    return found


def _start(kind: str, optimizer: str, seed: int, rate: float) -> tuple[Any, Any, Any]:
    """Model, optimizer and a shuffling loader, the same for everybody."""
    import torch
    from torch.utils.data import DataLoader

    torch.manual_seed(seed)
    model = problems.model(kind)
    name, args = OPTIMIZERS[optimizer]
    made = getattr(torch.optim, name)(model.parameters(), lr=rate, weight_decay=0.0, **args)
    shuffle = torch.Generator().manual_seed(seed)
    loader = DataLoader(problems.data(kind)[0], BATCH, shuffle=True, drop_last=True, generator=shuffle)
    return model, made, loader


def drop(kind: str, optimizer: str, seed: int, rate: float) -> float:
    """By how much the training loss falls in 200 iterations at a rate; -infinity where it is not finite."""
    model, made, loader = _start(kind, optimizer, seed, rate)
    loss_of = problems.loss(kind)
    losses: list[float] = []
    while len(losses) < AFTER:
        for x, y in loader:
            loss = loss_of(model(x), y)
            made.zero_grad()
            loss.backward()
            made.step()
            losses.append(loss.item())
    losses = losses[:AFTER]
    if not all(map(math.isfinite, losses)):
        return -math.inf
    return losses[0] - sum(losses[-20:]) / 20


def by_lr_sweep(kind: str, optimizer: str, seed: int) -> tuple[float | None, int]:
    """The rate that step 3 hands on, and the iterations it took."""
    from tunekit.pipeline import Options, run_steps, schema
    from tunekit.recipe import Loaded
    from tunekit.runs import find_run

    recipe = {
        "name": f"{kind}-{optimizer}",
        "task": "regression" if kind == "regression" else "classification",
        "data": {"target": "problems:data", "args": {"kind": kind}},
        "model": {"target": "problems:model", "args": {"kind": kind}},
        "optimizer": {"target": optimizer},
        "batch_size": BATCH,
        "seed": seed,
        "steps": {"lr-sweep": {"weight_decay": 0.0}},
    }
    with tempfile.TemporaryDirectory(prefix="tunekit-bench-") as place:
        loaded = Loaded(schema().model_validate(recipe), Path(__file__).parent)
        run = find_run(loaded, Path(place))
        options = Options(jobs=1, executor="inline", device="cpu")
        result = run_steps(run, ["lr-sweep"], options, lambda event: None, "run")[0]
    return result.handoff.get("lr"), result.cost["iterations"]


def by_lightning(kind: str, optimizer: str, seed: int, iterations: int) -> float | None:
    import lightning
    import torch
    from lightning.pytorch.tuner.tuning import Tuner

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    model, _, loader = _start(kind, optimizer, seed, LOW)
    loss_of = problems.loss(kind)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.lr = model, LOW

        def training_step(self, batch: Any, number: int) -> Any:
            x, y = batch
            return loss_of(self.model(x), y)

        def configure_optimizers(self) -> Any:
            name, args = OPTIMIZERS[optimizer]
            return getattr(torch.optim, name)(self.parameters(), lr=self.lr, weight_decay=0.0, **args)

    with tempfile.TemporaryDirectory(prefix="tunekit-bench-") as place:
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=place,
        )
        with contextlib.redirect_stderr(io.StringIO()):
            found = Tuner(trainer).lr_find(Module(), loader, num_training=iterations)
    rate = found.suggestion() if found is not None else None
    return None if rate is None else float(rate)


def by_torch_lr_finder(kind: str, optimizer: str, seed: int, iterations: int) -> float | None:
    import matplotlib

    matplotlib.use("agg")  # its suggestion stands inside its plot
    import matplotlib.pyplot as plt
    from torch_lr_finder import LRFinder

    model, made, loader = _start(kind, optimizer, seed, LOW)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        finder = LRFinder(model, made, problems.loss(kind), device="cpu")
        finder.range_test(loader, end_lr=10, num_iter=iterations)
        figure, axes = plt.subplots()
        try:
            found = finder.plot(ax=axes)
        except RuntimeError:  # fewer than 17 points
            return None
        finally:
            plt.close(figure)
    return float(found[1])


def by_fastai(kind: str, optimizer: str, seed: int, iterations: int) -> float | None:
    """By its default, `valley`."""
    from functools import partial

    import torch
    from fastai.callback.schedule import valley  # which teaches Learner `lr_find`
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper

    model, _, loader = _start(kind, optimizer, seed, LOW)
    name, args = OPTIMIZERS[optimizer]
    built = partial(OptimWrapper, opt=getattr(torch.optim, name), weight_decay=0.0, **args)
    with tempfile.TemporaryDirectory(prefix="tunekit-bench-") as place:
        loaders = DataLoaders(loader, loader, device=torch.device("cpu"))
        learner = Learner(loaders, model, problems.loss(kind), opt_func=built, path=place)
        with learner.no_bar(), learner.no_logging():
            found = learner.lr_find(num_it=iterations, suggest_funcs=(valley,), show_plot=False)
    return float(found.valley)


@dataclass(frozen=True)
class Peer:
    package: str
    find: Callable[[str, str, int, int], float | None]
    iterations: int | None = None  # None: as many as lr-sweep took


PEERS = {
    "fastai": Peer("fastai", by_fastai),
    "fastai, its default": Peer("fastai", by_fastai, DEFAULT),
    "Lightning": Peer("lightning", by_lightning),
    "Lightning, its default": Peer("lightning", by_lightning, DEFAULT),
    "torch-lr-finder": Peer("torch_lr_finder", by_torch_lr_finder),
    "torch-lr-finder, its default": Peer("torch_lr_finder", by_torch_lr_finder, DEFAULT),
}


def _grids(quick: bool) -> list[list[str]]:
    """Rows of Ray Tune's grid with ASHA and of coarse-grid, over the same cells and epochs of the MNIST MLP."""
    why = missing_mnist()
    if why is not None:
        return [["Ray Tune", why, *[""] * 5]]
    if find_spec("ray") is None:
        return [["Ray Tune", _why_missing("Ray Tune"), *[""] * 5]]
    config, _ = config_of("mnist-mlp")
    cells: dict[str, Any] = {
        "lr": [config.lr] if quick else [config.lr / 2, config.lr, config.lr * 2],
        "weight_decay": [0.0, 1e-5, 1e-4, 1e-3],
        "epochs": 2 if quick else 3,
    }
    plan = {
        **cells,
        "model": asdict(config.model),
        "batch_size": config.batch_size,
        "root": str(MNIST),
        "held_out": _held_out(),
    }
    turns = alternate({"coarse-grid": lambda: _coarse_grid(cells), "Ray Tune": lambda: _ray(plan)}, REPEATS)
    rows = []
    count = f"{len(cells['lr']) * len(cells['weight_decay'])} cells, {cells['epochs']} epochs"
    seconds = {name: [turn["seconds"] for turn in side] for name, side in turns.items()}
    for name, side in turns.items():
        accuracy = f"best accuracy {100 * median(turn['accuracy'] for turn in side):.2f} %"
        told = f"{spread(seconds[name])}; {ratio(seconds[name], seconds['coarse-grid']):.2f} x coarse-grid's"
        about = "Ray Tune, grid with ASHA" if name == "Ray Tune" else name
        rows.append([about, f"MNIST MLP, {count}; {accuracy}", *["-"] * 4, told])
    return rows


def _held_out() -> list[int]:
    from tests.benchmarks.by_hand import held_out

    return held_out("mnist-mlp")


def _coarse_grid(cells: Mapping[str, Any]) -> dict[str, float]:
    """The command, from its start to its end, around the recipe's own rate."""
    rates = [rate / 1e-3 for rate in cells["lr"]]
    settings = {
        "optimizer.lr": 1e-3,
        "steps.coarse-grid.lr_factors": rates,
        "steps.coarse-grid.weight_decays": list(cells["weight_decay"]),
        "steps.coarse-grid.epochs": cells["epochs"],
        "steps.coarse-grid.extend": 0,
    }
    with tempfile.TemporaryDirectory(prefix="tunekit-bench-") as place:
        command = [sys.executable, "-m", "tunekit.cli", "coarse-grid", str(recipe_path("mnist-mlp"))]
        command += ["--keep-going", "--runs-dir", place, "--json"]
        command += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        started = time.perf_counter()
        ended = subprocess.run(command, cwd=place, env=fresh.environment(), capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
    if not ended.stdout.strip():
        raise RuntimeError(f"coarse-grid: {ended.stderr.strip()[-300:]}")
    return {"seconds": seconds, "accuracy": json.loads(ended.stdout)["handoff"]["val_accuracy"]}


def _ray(plan: Mapping[str, Any]) -> dict[str, float]:
    started = time.perf_counter()
    accuracy = fresh.call("lr_finders.ray_grid", plan=plan)
    return {"seconds": time.perf_counter() - started, "accuracy": accuracy}


def ray_grid(plan: dict[str, Any]) -> float:
    """The best accuracy of Ray Tune's grid with ASHA: a trial a core, each as a person writes it (hand.py)."""
    import os

    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    def trainable(config: dict[str, Any]) -> None:
        import torch

        from tests.benchmarks import hand

        torch.set_num_threads(1)
        train, val = hand.loaders_of(plan["root"], plan["held_out"], plan["batch_size"], 0)
        trial = {**config, "seed": 0, "iterations": plan["epochs"] * len(train)}
        for accuracy in hand.train(plan["model"], trial, train, val):
            tune.report({"accuracy": accuracy})

    with tempfile.TemporaryDirectory(prefix="tb-") as place:  # short: it holds sockets
        os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
        ray.init(
            num_cpus=len(os.sched_getaffinity(0)),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=f"{place}/ray",
            runtime_env={"env_vars": {"PYTHONPATH": str(fresh.ROOT)}},
        )
        try:
            tuner = tune.Tuner(
                tune.with_resources(trainable, {"cpu": 1}),
                param_space={name: tune.grid_search(plan[name]) for name in ("lr", "weight_decay")},
                tune_config=tune.TuneConfig(
                    metric="accuracy",
                    mode="max",
                    scheduler=ASHAScheduler(max_t=plan["epochs"], grace_period=1, reduction_factor=2),
                ),
                run_config=tune.RunConfig(storage_path=f"{place}/results", verbose=0),
            )
            best = tuner.fit().get_best_result().metrics
        finally:
            ray.shutdown()
    return float(best["accuracy"]) if best else math.nan
