"""How probes ask something of a person's code without harm: what it draws is put back, and a question that it does not
take costs its answer, not the run. Measures nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar, overload

import numpy as np
import torch

from tunekit.training.outputs import of_machine

P = ParamSpec("P")
T = TypeVar("T")
Otherwise = TypeVar("Otherwise")


@overload
def asked(question: Callable[[], T]) -> T | None: ...
@overload
def asked(question: Callable[[], T], otherwise: Otherwise) -> T | Otherwise: ...
def asked(question: Callable[[], T], otherwise: Otherwise | None = None) -> T | Otherwise | None:
    """The answer, or `otherwise` where the model, the loss or the optimizer does not take the question."""
    try:
        return question()
    except Exception as error:  # whatever a model, a loss or a data set has for what it never meets in a training
        if of_machine(error):
            raise
        return otherwise


def answered(question: Callable[P, T | None], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """The same, and random numbers stay as they were."""
    with undisturbed():
        return asked(lambda: question(*args, **kwargs))


@contextmanager
def undisturbed() -> Iterator[None]:
    """The global generators of torch, NumPy and random, put back at the end."""
    state, python = np.random.get_state(), random.getstate()  # noqa: NPY002 - the person's code may draw from it
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
        random.setstate(python)
