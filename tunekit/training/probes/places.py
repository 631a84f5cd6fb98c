"""Where something happens in a person's model: the layer that is at work, the line of their code, and functions of
torch as they are called. Nothing is judged or measured here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tunekit.configuration import Values
from tunekit.training.models import hookable

OURS = (str(Path(__file__).parents[2]), str(Path(torch.__file__).parent))
DEEP = 3  # lists in lists that are looked through for tensors


@contextmanager
def at_work(model: nn.Module) -> Iterator[list[str]]:
    """The names of the layers whose forward() is being computed, the innermost last."""
    stack: list[str] = []
    hooks = []
    for name, module in hookable(model):
        if name:
            hooks.append(module.register_forward_pre_hook(lambda _m, _i, name=name: stack.append(name)))
            hooks.append(module.register_forward_hook(lambda _m, _i, _o: _leave(stack)))
    try:
        yield stack
    finally:
        for hook in hooks:
            hook.remove()


def _leave(stack: list[str]) -> None:
    stack.pop()


def persons_line() -> str:
    """File and line of the person's code that is being carried out, or nothing."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_persons(frame.f_code.co_filename):
        frame = frame.f_back
    return "" if frame is None else f"{Path(frame.f_code.co_filename).name}, line {frame.f_lineno}"


def is_persons(file: str) -> bool:
    """Whether a file is neither torch's nor ours nor another installed package's, nor the script that began it all."""
    installed = file.startswith(OURS) or "site-packages" in file or "dist-packages" in file
    return not installed and file.endswith(".py") and "/lib/python" not in file


class Calls(TorchFunctionMode):
    """Shows every call of a function of torch, with its arguments and what it gave, to `see`."""

    def __init__(self, see: Callable[[Callable[..., object], tuple[object, ...], Values, object], None]) -> None:
        super().__init__()
        self.see = see

    def __torch_function__(
        self, func: Callable[..., object], types: object, args: tuple[object, ...] = (), kwargs: Values | None = None
    ) -> object:
        output = func(*args, **(kwargs or {}))
        self.see(func, args, kwargs or {}, output)
        return output


def name_of(func: Callable[..., object]) -> str:
    """A function of torch as a person calls it: `sqrt`, `ctc_loss`; an operator by its word."""
    return getattr(func, "__name__", str(func)).strip("_")


def tensors_in(value: object, depth: int = DEEP) -> Iterator[Tensor]:
    """The tensors of a value: itself, or in tuples, lists and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item, depth - 1)
    elif depth and isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item, depth - 1)
