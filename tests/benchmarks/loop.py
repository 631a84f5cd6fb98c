"""tunekit's training loop against a bare PyTorch loop over tensors in memory, at the same arithmetic."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

from tests.benchmarks import fresh
from tests.benchmarks.sidebyside import REPEATS, Report, alternate, ratio, spread, verdict

PACKAGES = ()
TARGET = 0.95  # of the bare loop's iterations a second
ITERATIONS = {"digits": 440, "mnist-mlp": 75, "mnist-cnn": 25}  # a turn: less than a second
ON_GPU = 8  # times as many
ROUNDS = 9  # turns a process


def run(quick: bool) -> Report:
    rows = []
    for name, iterations in ITERATIONS.items():
        found = [fresh.call("loop.measure", name=name, iterations=iterations) for _ in range(1 if quick else REPEATS)]
        ours, bare = ([rate for turn in found for rate in turn[side]] for side in ("tunekit", "bare"))
        of_cpu = ratio(*([rate for turn in found for rate in turn[f"{side} cpu"]] for side in ("tunekit", "bare")))
        share = ratio(ours, bare)
        row = [name, found[0]["about"], spread(ours), spread(bare), f"{share:.3f}", f"{of_cpu:.3f}"]
        rows.append([*row, f"{TARGET}", verdict(share >= TARGET)])
    notes = [
        "Both sides: same batches, precision, memory format, fused optimizer and threads, losses left on the device, "
        "and a validation (loss and accuracy, batches of 1,024) at the end of each epoch.",
        "The bare loop indexes float tensors that were normalised before; tunekit indexes bytes, normalises them, "
        "and computes each batch's accuracy, which the bare loop does not.",
        "Of CPU time: iterations a second of the process's own time, which other load on the machine moves less.",
    ]
    columns = ["recipe", "arithmetic", "tunekit its/s", "bare loop its/s", "ratio", "of CPU time", "target", ""]
    return Report("The training loop", columns, rows, notes)


def measure(name: str, iterations: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """Iterations a second of both loops, in turns; the first turn of each warms up and does not count."""
    import torch

    from tests.benchmarks.subjects import config_of
    from tunekit.training.device import pick_device
    from tunekit.training.loop import Session
    from tunekit.training.workbench import Workbench

    config, folder = config_of(name)
    device = pick_device("auto")
    iterations *= ON_GPU if device.type == "cuda" else 1
    bench = Workbench(folder, device)
    session = Session(config, bench)
    bare = _bare(Session(config, bench))
    torch.set_num_threads(config.threads)

    def ours() -> None:
        for _ in session.run(session.iteration + iterations):
            pass

    def theirs() -> None:
        for _ in range(iterations):
            next(bare)

    def rates(loop: Callable[[], None]) -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        loop()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return iterations / (time.perf_counter() - wall), iterations / (time.process_time() - cpu)

    found = alternate({"tunekit": lambda: rates(ours), "bare": lambda: rates(theirs)}, rounds + 1)
    threads = torch.get_num_threads()
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"{threads} thread{'s' if threads > 1 else ''}"
    told: dict[str, Any] = {"about": f"{config.precision}, {where}"}
    for side, turns in found.items():
        told[side], told[f"{side} cpu"] = (list(column) for column in zip(*turns[1:], strict=True))
    return told


def _bare(session: Any) -> Iterator[None]:
    """The loop that a person writes over tensors in memory; of the session only model, optimizer and data are taken."""
    import torch
    import torch.nn.functional as F

    model, optimizer, config = session.model, session.optimizer, session.config
    everything = (split.batch(torch.arange(len(split))) for split in (session.splits.train, session.splits.val))
    device = session.device
    (x, y), (x_val, y_val) = ((whole.args[0].clone().to(device), whole.targets.to(device)) for whole in everything)
    size = config.batch_size
    bf16 = config.precision == "bf16"

    def amp() -> Any:
        return torch.autocast(device.type, dtype=torch.bfloat16) if bf16 else nullcontext()

    losses = []
    while True:
        model.train()
        order = torch.randperm(len(x)).to(device)
        for k in range(len(x) // size):
            picks = order[k * size : (k + 1) * size]
            with amp():
                outputs = model(x[picks])
            loss = F.cross_entropy(outputs.float(), y[picks])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            yield
        model.eval()
        with torch.inference_mode():
            parts = []
            for part in x_val.split(1024):
                with amp():
                    parts.append(model(part).float())
            outputs = torch.cat(parts)
            F.cross_entropy(outputs, y_val).item()
            (outputs.argmax(1) == y_val).float().mean().item()
        losses.clear()
