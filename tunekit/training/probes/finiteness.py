"""Which operation first gives NaN or infinity: on the way to the loss, or on the gradient's way back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tunekit.configuration import Values
from tunekit.measured import Origin
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.probes.places import Calls, at_work, is_persons, name_of, persons_line, tensors_in

FRAME = re.compile(r'File "(.+)", line (\d+), in ')


@torch.no_grad()
def origin_of_loss(session: Session, batch: Batch) -> Origin | None:
    """The operation behind a loss of this batch that is not finite, in the mode that the model is in.

    NaN comes from the first operation that makes it out of none. Infinities may be meant (a mask before a softmax): one
    that reaches the loss comes from the last operation that makes it out of finite values.
    """
    first_nan: list[Origin] = []
    last_infinity: list[Origin] = []
    with at_work(session.model) as stack:

        def see(func: Callable[..., object], args: tuple[object, ...], kwargs: Values, output: object) -> None:
            given, taken = list(_floats(output)), list(_floats((*args, *kwargs.values())))
            name = name_of(func)
            if name in ("get", "detach", "requires_grad"):  # an attribute of a tensor
                return
            if any(bool(value.isnan().any()) for value in given):
                if not any(bool(value.isnan().any()) for value in taken):
                    first_nan.append(Origin(name, persons_line() or (stack[-1] if stack else "")))
            elif any(bool(value.isinf().any()) for value in given) and not any(
                bool(value.isinf().any()) for value in taken
            ):
                last_infinity.append(Origin(name, persons_line() or (stack[-1] if stack else "")))

        with Calls(see):
            loss = session.task.loss(session.answer(session.model, batch), batch.targets)
    if bool(torch.isfinite(loss).all()):
        return None
    if bool(loss.isnan().any()) and first_nan:
        return first_nan[0]
    return last_infinity[-1] if last_infinity else None


def _floats(value: object) -> Iterable[Tensor]:
    return (tensor for tensor in tensors_in(value) if tensor.is_floating_point() or tensor.is_complex())


def origin_of_gradient(session: Session, batch: Batch) -> Origin | None:
    """The operation whose gradient is not finite though what comes back to it is, by torch's anomaly mode: it keeps
    for each operation the line that called it."""
    found: list[Origin] = []
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        loss = session.task.loss(session.answer(session.model, batch), batch.targets)
        hooks = [
            node.register_hook(lambda gave, got, node=node: _look(node, gave, got, found)) for node in _nodes(loss)
        ]
        try:
            loss.backward()
        finally:
            for hook in hooks:
                hook.remove()
    session.model.zero_grad(set_to_none=True)
    return found[0] if found else None


def _look(node: Any, gave: tuple[object, ...], got: tuple[object, ...], found: list[Origin]) -> None:
    finite = all(bool(torch.isfinite(value).all()) for value in _floats(got))
    if finite and not all(bool(torch.isfinite(value).all()) for value in _floats(gave)):
        name = re.sub(r"Backward\d*$", "", node.name().rpartition("::")[2])
        found.append(Origin(_spelled(name), _called_at(node)))


def _spelled(name: str) -> str:
    """`LinalgVectorNorm` as it is called: linalg_vector_norm."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _called_at(node: Any) -> str:
    """The innermost line of the person's code in the traceback that anomaly mode keeps."""
    for entry in reversed(node.metadata.get("traceback_", [])):
        frame = FRAME.search(entry)
        if frame and is_persons(frame[1]):
            return f"{Path(frame[1]).name}, line {frame[2]}"
    return ""


def _nodes(loss: Tensor) -> list[Any]:
    """All operations between a loss and its leaves."""
    seen: set[Any] = set()
    waiting: list[Any] = [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [before for before, _ in node.next_functions]
    return list(seen)
