"""Weights from a file into a model: what fits is loaded, what does not is told. Executes nothing of the file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.recipe.text import shortened
from tunekit.telling import counted, raised, visible
from tunekit.vocabulary import UserError

KEY = "model.weights"
WRAPPERS = ("state_dict", "model_state_dict", "model", "model_state", "module", "net", "network", "weights", "params")
"""Under which of these names a checkpoint keeps its weights, asked in this order."""
DEEPEST = 3  # names before the dot that a prefix may have
MOST_PREFIXES = 30  # of a file's and of a model's, that are tried with each other
NAMED = 4  # tensors that a note names

State = Mapping[str, Tensor]


def load_weights(model: nn.Module, file: str | None, folder: Path) -> tuple[str, ...]:
    """Load a file's weights into a model, in place, and say in a line what did not fit. A tensor fits where name and
    shape are the model's; what wraps a model adds a prefix to all names (`module.`, `model.`, `backbone.`), which is
    taken off, or put before, where more fits so. Errors: UserError where nothing fits."""
    if file is None:
        return ()
    held = read_state(_place(file, folder), file)
    own = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    off, before = _prefixes(held, own)
    renamed = {f"{before}{name.removeprefix(off)}": value for name, value in held.items() if name.startswith(off)}
    fitting = {name: value for name, value in renamed.items() if name in own and value.shape == own[name].shape}
    if not _count(fitting):
        raise UserError(
            f"{KEY}: {file}: nothing of it fits the model: the file has {_shapes(held, held)}, "
            f"the model has {_shapes(own, own)}"
        )
    learned = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    bad = [name for name, value in fitting.items() if _is_damaged(value, name in learned)]
    if bad:
        more = f" (and {counted(len(bad) - 1, 'other tensor')})" if len(bad) > 1 else ""
        raise UserError(f"{KEY}: {file}: {bad[0]!r}{more} holds NaN or infinity: no model learns from that")
    try:
        model.load_state_dict(fitting, strict=False)
    except (RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"{KEY}: {file}: cannot be loaded: {raised(error)}") from None
    return (_told(file, off, before, renamed, own, fitting),)


def _is_damaged(value: Tensor, learned: bool) -> bool:
    """Masks among the buffers hold infinities."""
    if not value.is_floating_point() and not value.is_complex():
        return False
    value = value.float() if value.itemsize == 1 else value  # of eight bits torch asks nothing
    return not bool(torch.isfinite(value).all()) if learned else bool(torch.isnan(value).any())


def read_state(path: Path, file: str) -> dict[str, Tensor]:
    """The tensors of a file by name: of a `.safetensors`, or of what torch.save wrote of a state dict, by itself or in
    a checkpoint. Errors: UserError."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{KEY}: {file}: no such file in the recipe's folder, {path.parent}") from None
    except OSError as error:
        raise UserError(f"{KEY}: {file}: cannot be read: {error.strerror or error}") from None
    except UnpicklingError:
        raise UserError(
            f"{KEY}: {file}: holds more than tensors, and loading that would run code of the file; save the weights "
            "alone: torch.save(model.state_dict(), FILE)"
        ) from None
    except Exception as error:  # of torch, zip, pickle or safetensors: the file is none of theirs
        raise UserError(f"{KEY}: {file}: is no file of torch's or safetensors': {raised(error)}") from None
    while isinstance(content, Mapping) and not any(isinstance(value, Tensor) for value in content.values()):
        content = next((content[name] for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
    if not isinstance(content, Mapping):
        raise UserError(f"{KEY}: {file}: holds no weights by name, alone or under {', '.join(WRAPPERS)}")
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def weights_digests(files: Iterable[str | None], folder: Path) -> dict[str, str]:
    """A hash of the content of each file of weights: part of every training's key. Errors: UserError."""
    digests = {}
    for file in files:
        if file is not None:
            try:
                with _place(file, folder).open("rb") as opened:
                    digests[file] = hashlib.file_digest(opened, "sha256").hexdigest()[:12]
            except OSError as error:
                raise UserError(f"{KEY}: {file}: cannot be read: {error.strerror or error}") from None
    return digests


def _place(file: str, folder: Path) -> Path:
    if not file or "\0" in file:
        raise UserError(f"{KEY}: must be a path, not {shortened(repr(file))}")
    return folder / file


def _prefixes(held: State, own: State) -> tuple[str, str]:
    """What is taken off the file's names, and what is put before them, so that the most fits; nothing where that is as
    good."""

    def fits(off: str, before: str) -> int:
        pairs = ((f"{before}{name.removeprefix(off)}", value) for name, value in held.items() if name.startswith(off))
        return sum(value.dim() > 0 and name in own and own[name].shape == value.shape for name, value in pairs)

    if fits("", "") == _count(own):
        return "", ""
    tries = [(off, before) for off in ("", *_common(held)) for before in ("", *_common(own))]
    return max(tries, key=lambda pair: (fits(*pair), -len(pair[0]) - len(pair[1])))


def _common(state: State) -> list[str]:
    """The most common beginnings of names."""
    counts: Counter[str] = Counter()
    for name in state:
        parts = name.split(".")[:-1]
        counts.update(".".join(parts[:depth]) + "." for depth in range(1, min(DEEPEST, len(parts)) + 1))
    return [prefix for prefix, _ in counts.most_common(MOST_PREFIXES)]


def _count(state: State) -> int:
    """Tensors with numbers of a model in them: a counter of batches fits any other."""
    return sum(value.dim() > 0 for value in state.values())


def _told(file: str, off: str, before: str, renamed: State, own: State, fitting: State) -> str:
    places = {own[name].data_ptr() for name in fitting}
    # Weights that are used at two places stand in a file once.
    missing = [name for name in own if name not in renamed and own[name].data_ptr() not in places and own[name].dim()]
    other = [name for name in renamed if name in own and name not in fitting]
    surplus = [name for name in renamed if name not in own]
    numbers = sum(value.numel() for value in fitting.values())
    parts = [f"{KEY}: {file}: {len(fitting)} of {len(own)} tensors of the model loaded ({numbers:,} numbers)"]
    if off or before:
        ways = [f"`{off}` taken off" if off else "", f"`{before}` put before" if before else ""]
        parts.append(f"names with {' and '.join(filter(None, ways))}")
    if other:
        parts.append(
            f"of another shape, so it starts anew: {_shapes(other, own)} (in the file {_shapes(other, renamed)})"
        )
    if missing:
        parts.append(f"not in the file, so it starts anew: {_shapes(missing, own)}")
    if surplus:
        parts.append(f"in the file alone: {_shapes(surplus, renamed)}")
    return "; ".join(parts)


def _shapes(names: Iterable[str], state: State) -> str:
    every = list(names)
    first = ", ".join(f"{visible(shortened(name))} {list(state[name].shape)}" for name in every[:NAMED])
    return first + (f" and {len(every) - NAMED} more" if len(every) > NAMED else "")
