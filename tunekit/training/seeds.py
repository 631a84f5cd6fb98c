"""Every random draw follows from (seed, purpose, number): where generators come from. Nothing draws here."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch


def seed_for(seed: int, purpose: str, number: int = 0) -> int:
    """A 63-bit seed for one purpose ("order", "step", ...) at one position, independent of all others."""
    text = f"{seed}|{purpose}|{number}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def generator(seed: int, purpose: str, number: int = 0) -> torch.Generator:
    """A CPU generator for one purpose at one position: draws are the same on every device."""
    return torch.Generator().manual_seed(seed_for(seed, purpose, number))


def seed_step(seed: int, iteration: int, device: torch.device, persons: bool = False) -> None:
    """Seed what the k-th iteration draws on the device: dropout masks and augmentation; where `persons` code runs in
    it, what that draws from NumPy and `random` too.

    `torch.default_generator.manual_seed` costs a microsecond, `torch.manual_seed` seventy, the other two nine.
    """
    value = seed_for(seed, "step", iteration)
    torch.default_generator.manual_seed(value)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(value)
    elif device.type == "mps":
        torch.mps.manual_seed(value)
    if persons:
        np.random.seed(value % 2**32)  # noqa: NPY002 - the person's code may draw from the global generator
        random.seed(value)


def seed_everything(seed: int, purpose: str, number: int = 0) -> None:
    """Seed torch, NumPy and random for a person's own code: building a model, reading a sample."""
    value = seed_for(seed, purpose, number)
    torch.manual_seed(value)
    np.random.seed(value % 2**32)  # noqa: NPY002 - the person's code may draw from the global generator
    random.seed(value)
