"""How a probe asks something of a person's model without harm: what it draws is put back, and a question that the model
does not take costs its answer, not the run."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch

T = TypeVar("T")


def asked(question: Callable[[], T]) -> T | None:
    """The answer, or None where the model, the loss or the optimizer does not take the question."""
    try:
        return question()
    except (MemoryError, torch.OutOfMemoryError):
        raise  # of this machine, not of the model
    except Exception:
        return None


@contextmanager
def draws_put_back(device: torch.device) -> Iterator[None]:
    """The generators of torch, NumPy and `random` are afterwards as they were."""
    state, numpys, pythons = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    try:
        yield
    finally:
        torch.set_rng_state(state)
        if on_device is not None:
            torch.cuda.set_rng_state(on_device, device)
        np.random.set_state(numpys)  # noqa: NPY002
        random.setstate(pythons)
