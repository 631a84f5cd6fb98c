"""The faults that pydantic finds in a recipe, told: file, line, key, what is wrong, the nearest right key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tunekit.configuration import DEVICES_TOLD
from tunekit.recipe.text import ALIASES, PARTS, SHORT, Lines, kind_of, nearest, shortened
from tunekit.vocabulary import UserError

_WANTED = {
    "missing": "is missing",
    "dict_type": "must be a mapping of keys",
    "model_type": "must be a mapping of keys",
    "dataclass_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "too_short": "must hold a value or more",
    "string_type": "must be text",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
}


ELSEWHERE = {
    "optimizer.lr": "learning_rate base_lr init_lr initial_lr lr0 max_lr step_size",
    "optimizer.weight_decay": "wd decay l2",
    "optimizer.args.betas": "beta1 beta2 adam_beta1 adam_beta2",
    "optimizer": "optim solver",
    "schedule": "scheduler lr_scheduler lr_schedule lr_scheduler_type",
    "schedule.args.warmup": "warmup_steps warmup_ratio warmup_epochs num_warmup_steps",
    "train.epochs": "num_epochs n_epochs max_epochs num_train_epochs nb_epochs total_epochs epoch",
    "train.patience": "early_stopping early_stopping_patience",
    "batch_size": "bs train_batch_size per_device_train_batch_size batchsize",
    "clip_grad_norm": "max_grad_norm gradient_clip_val grad_clip gradient_clip gradient_clipping clip_norm clip",
    "ema": "ema_decay swa",
    "l1": "l1_lambda",
    "precision": "fp16 bf16 amp mixed_precision autocast dtype",
    "device": "gpu gpus cuda accelerator use_gpu no_cuda",
    "threads": "num_threads",
    "seed": "random_seed random_state manual_seed",
    "loss": "criterion loss_fn loss_function objective",
    "loss.args.label_smoothing": "smoothing label_smoothing_factor",
    "metric": "metrics compute_metrics scoring",
    "model": "arch architecture network net backbone model_name",
    "model.args.dropout": "drop_rate dropout_rate",
    "model.weights": "checkpoint ckpt ckpt_path resume",
    "data": "dataset datasets data_dir data_path",
    "data.augment": "transform transforms augmentation augmentations",
    "data.val_fraction": "val_split validation_split validation_fraction test_size",
    "search": "param_grid param_distributions search_space hyperparameters",
    "--readers": "num_workers workers dataloader_num_workers n_workers readers",
    "--jobs": "n_jobs jobs",
    "--runs-dir": "output_dir save_dir log_dir logdir runs_dir",
    "--budget": "timeout max_time budget",
}
"""What other frameworks, and the options of commands, call what is a key here; or what is an option of a run."""

_WORDS = {word: key for key, words in ELSEWHERE.items() for word in words.split()}


def faults(schema: type[BaseModel], error: ValidationError, lines: Lines, where: str) -> UserError:
    """All of them, one a line."""
    every = error.errors()
    inner = {fault["loc"][:-1] for fault in every}  # a list without its wrong values is called too short as well
    own = [fault for fault in every if not (fault["type"] == "too_short" and fault["loc"] in inner)]
    return UserError("\n".join(dict.fromkeys(explained(schema, fault, lines, where) for fault in own)))


def explained(schema: type[BaseModel], fault: ErrorDetails, lines: Lines, where: str) -> str:
    """One line for one fault of pydantic's: file, line, key, what is wrong, the nearest right key. Without lines
    `where` is the place, if any."""
    path = tuple(str(part) for part in fault["loc"])
    written = _short_axes(lines)
    if path[:1] == ("search",) and len(path) > 1:
        path = ("search", written.get(path[1], path[1]), *path[2:])
    known = path
    while known and known not in lines:
        known = known[:-1]
    line = lines.get(known, 1)
    place = placed(line, lines, where)
    key = ".".join(path) or "recipe"
    kind = fault["type"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):  # of a model, of a dataclass
        return f"{place}unknown key {key!r}{meant(schema, path[-1], _keys_at(schema, path[:-1]))}"
    if kind == "value_error":
        text = str(fault["ctx"]["error"])
        for axis, name in written.items():
            if text.startswith(f"search.{axis}:") and ("search", axis) not in lines:
                text = text.replace(axis, name, 1)
        line = line if path and not text.startswith("search.") else _line_of(text, lines)
        return f"{placed(line, lines, where)}{text}"
    if kind in _WANTED:
        value = fault["input"]
        if kind == "float_type" and isinstance(value, int) and not isinstance(value, bool):
            return f"{place}{key}: {shortened(str(value))} is more than any computer's numbers hold"
        got = "" if kind == "missing" else f", not {kind_of(value)}"
        if kind == "too_short":
            got = ""
        if kind in ("list_type", "tuple_type") and isinstance(value, str | int | float):
            got = f", such as [{shortened(str(value))}]{got}"
        return f"{place}{key} {_WANTED[kind]}{got}"
    if kind == "literal_error":
        choices = re.findall("'([^']*)'", fault["ctx"]["expected"])
        near = nearest(value, choices) if isinstance(value := fault["input"], str) else ""
        return f"{place}{key}: one of {', '.join(choices)}, not {kind_of(fault['input'])}{near}"
    if kind == "string_pattern_mismatch" and key == "device":
        return f"{place}device: {DEVICES_TOLD}, not {fault['input']!r}"
    if kind == "string_pattern_mismatch" and key == "name":
        allowed = "name may hold letters, digits, '.', '_' and '-' and begins with a letter or digit"
        return f"{place}{allowed}, not {fault['input']!r}"
    return f"{place}{key}: {_limit(fault)}, not {_shown(fault['input'])}"


def placed(line: int, lines: Lines, where: str) -> str:
    """Where something stands, as the beginning of a message."""
    if not lines:
        return f"{where}: " if where else ""
    return "--set: " if line == 0 else f"{where}, line {line}: "


def _short_axes(lines: Lines) -> dict[str, str]:
    """The paths of axes that stand under `search` by a short name, with that name."""
    names = {**SHORT, **PARTS}
    return {names[path[1]]: path[1] for path in lines if path[:1] == ("search",) and path[1:2] and path[1] in names}


def _limit(fault: ErrorDetails) -> str:
    """pydantic's words, a limit in them as a person writes it."""
    limit = next((value for name, value in fault.get("ctx", {}).items() if name in ("ge", "gt", "le", "lt")), None)
    words = f"{fault['msg'][0].lower()}{fault['msg'][1:]}"
    return words if limit is None else f"{words.rpartition(' ')[0]} {_shown(limit)}"


def _shown(value: object) -> str:
    """A number as a person reads it; of what is long its beginning."""
    if isinstance(value, float):
        return f"{value:g}"
    return shortened(f"{value:,}" if isinstance(value, int) else repr(value))


def _line_of(text: str, lines: Lines) -> int:
    """The line of the key that a text about the whole recipe begins with, or of the nearest around it."""
    named = [path for path in lines if re.match(rf"{re.escape('.'.join(path))}[.:]", text)]
    return lines[max(named, key=lambda path: len(".".join(path)))] if named else lines.get((), 1)


def meant(schema: type[BaseModel], name: str, here: Iterable[str]) -> str:
    """The key that was meant, as the end of a message: one of this name that stands elsewhere, or is called so
    elsewhere, or one that is alike, among those that may stand here, or by a short name."""
    short = {**SHORT, **ALIASES}
    same = (path for path in _paths(schema) if path.rpartition(".")[2] == name)
    path = short.get(name) or min(same, key=lambda path: path.count("."), default="")
    path = path or _WORDS.get(name.lower().replace("-", "_"), "")
    if path.startswith("--"):
        return f" (it is no key but an option: {path} of `tunekit run`)"
    if path:
        return f" (did you mean {path!r}?)"
    near = next(iter(get_close_matches(name, short, n=1, cutoff=0.7)), "")
    return nearest(name, here) or (f" (did you mean {short[near]!r}?)" if near else "")


def _paths(kind: object, before: str = "") -> Iterator[str]:
    """Of all keys."""
    for name, info in _fields(kind).items():
        yield (path := f"{before}{info.alias or name}")
        yield from _paths(info.annotation, f"{path}.")


def _keys_at(schema: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    """The keys that may stand at a path; none where it leads nowhere."""
    kind: object = schema
    for part in path:
        annotations = {info.alias or name: info.annotation for name, info in _fields(kind).items()}
        inner = [annotations.get(part), *getattr(annotations.get(part), "__args__", ())]
        kind = next((other for other in inner if isinstance(other, type) and _fields(other)), None)
    return [info.alias or name for name, info in _fields(kind).items()]


def _fields(kind: object) -> Mapping[str, FieldInfo]:
    """The fields of a model, or of a dataclass that a model holds."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_fields
    return {item.name: FieldInfo() for item in fields(kind)} if isinstance(kind, type) and is_dataclass(kind) else {}
