"""What a run computes on: device, precision and threads, decided once from the machine and the model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tunekit.vocabulary import UserError

BF16_PARAMETERS = 200_000  # below this, casting costs more than bf16 arithmetic saves (measured on MLPs, AVX512-BF16)
THREAD_PARAMETERS = 5_000_000  # above this, a training is worth all cores; below, one-thread workers win


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA, then MPS, then the CPU. Errors: UserError for a device this machine lacks."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise UserError(f"device: {name} is not available here; use cpu or auto")
        device = torch.device("cuda", device.index or 0)
        if device.index >= torch.cuda.device_count():
            raise UserError(f"device: {name}: this machine has {torch.cuda.device_count()} GPU")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("device: mps is not available here; use cpu or auto")
    return device


def pick_precision(name: str, device: torch.device, parameters: int, convolutions: bool) -> str:
    """`auto` is bf16 where the hardware computes in it and the model is large enough to gain. Errors: UserError."""
    if name == "fp32":
        return "fp32"
    able = has_bf16(device)
    if name == "bf16":
        if not able:
            raise UserError(f"precision: bf16 is not supported by this {device.type}; use fp32 or auto")
        return "bf16"
    return "bf16" if able and (convolutions or parameters >= BF16_PARAMETERS) else "fp32"


def has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    return any(
        getattr(torch.cpu, name, lambda: False)() for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    )


def pick_threads(wanted: int | None, device: torch.device, parameters: int) -> int:
    """One thread a training on CPU unless the model is large; decided once a run and kept."""
    if wanted is not None:
        return wanted
    if device.type != "cpu" or parameters < THREAD_PARAMETERS:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_is_lost() -> bool:
    """Whether a GPU that this process has used answers it no more, as after an index that points at nothing: another
    process can use it."""
    if not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for torch, and afterwards those that the process had: it may be a person's own."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
