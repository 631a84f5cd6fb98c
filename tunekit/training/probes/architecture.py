"""The model as it is built: parameters, depth, stem, the smallest map, and the time that one sample takes."""

from __future__ import annotations

import statistics
import time

import torch
from torch import Tensor, nn

from tunekit.measured import ModelReport
from tunekit.training.data import Batch, LoaderSplit
from tunekit.training.loop import Session
from tunekit.training.models import hookable
from tunekit.training.order import first_samples
from tunekit.training.probes.asking import answered
from tunekit.training.structure import tensors

WARM_UP = 3  # calls whose time is not taken: the first ones make room and choose kernels
CALLS = 15  # whose median is told ...
MOST_S = 2.0  # ... or fewer, where they take longer

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def measure_model(session: Session) -> ModelReport:
    model = session.model
    modules = [module for _, module in model.named_modules()]
    linear = [sum(p.numel() for p in one.parameters()) for one in modules if isinstance(one, nn.Linear)]
    convolutions = sum(isinstance(one, _CONVOLUTIONS) for one in modules)
    stem, smallest = answered(_maps, session) or (None, None)
    parameters = list(model.parameters())
    return ModelReport(
        parameters=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        layers=len(linear) + convolutions,
        convolutions=convolutions,
        stem=stem,
        smallest_map=smallest,
        largest_linear=max(linear, default=0),
        forward_ms=answered(_forward_ms, session),
        device=str(session.device),
    )


def _some(session: Session, count: int) -> Batch | None:
    """So many training samples on the device; None where a batch cannot be cut."""
    train = session.splits.train
    split = first_samples(train) if isinstance(train, LoaderSplit) else train
    return None if split is None else split.batch(torch.arange(count)).to(session.device)


def _maps(session: Session) -> tuple[tuple[int, int] | None, int | None] | None:
    """Kernel and stride of the first convolution that works, and the shorter side of the smallest map that a
    convolution or a pooling of a window gives."""
    batch = _some(session, 1)
    if batch is None:
        return None
    stems: list[tuple[int, int]] = []
    sides: list[int] = []

    def see(module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(module, nn.Conv2d):
            stems.append((max(module.kernel_size), max(module.stride)))
        value = next(iter(tensors(output)), None)
        if isinstance(value, Tensor) and value.dim() == 4:
            sides.append(min(value.shape[2:]))

    watched = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
    hooks = [module.register_forward_hook(see) for _, module in hookable(session.model) if isinstance(module, watched)]
    session.model.eval()
    try:
        with torch.no_grad():
            session.answer(session.model, batch)
    finally:
        session.model.train()
        for hook in hooks:
            hook.remove()
    return (stems[0] if stems else None), min(sides, default=None)


@torch.no_grad()
def _forward_ms(session: Session) -> float | None:
    """Milliseconds of one sample in eval mode, the median of several calls."""
    batch = _some(session, 1)
    if batch is None:
        return None
    session.model.eval()
    times: list[float] = []
    try:
        begun = time.perf_counter()
        for call in range(WARM_UP + CALLS):
            start = time.perf_counter()
            session.answer(session.model, batch)
            if session.device.type == "cuda":
                torch.cuda.synchronize(session.device)
            now = time.perf_counter()
            if call >= WARM_UP or now - begun > MOST_S:
                times.append(1000 * (now - start))
            if now - begun > MOST_S:
                break
    finally:
        session.model.train()
    return statistics.median(times)
