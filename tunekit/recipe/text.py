"""YAML text to data with the line of every key, --set overrides, and back. Knows nothing of the schema."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from tunekit.vocabulary import UserError

ALIASES = {
    "lr": "optimizer.lr",
    "weight_decay": "optimizer.weight_decay",
    "schedule.warmup": "schedule.args.warmup",
}
"""Short names of paths of the recipe: those that studies and hand-offs use, and what a recipe may write shorter."""

SHORT = {
    "optimizer": "optimizer.target",
    "momentum": "optimizer.args.momentum",
    "dropout": "model.args.dropout",
    "batch_norm": "model.args.batch_norm",
    "activation": "model.args.activation",
    "hidden": "model.args.hidden",
    "width": "model.args.width",
    "depth": "model.args.depth",
    "init": "model.args.init",
    "label_smoothing": "loss.args.label_smoothing",
    "augment": "data.augment",
    "augment_strength": "data.augment_strength",
    "warmup": "schedule.args.warmup",
}
"""Short names of paths, under `search` and for --set. A key of the recipe itself (batch_size, l1) needs none."""

PARTS = {"model": "model.target", "loss": "loss.target", "schedule": "schedule.name"}
"""Under `search` a part by its name alone, whose values are names: the recipe's arguments go to each of them."""

NAMES = {"schedule": "name"}
"""Keys whose short form is text: what that text is called in the long form (elsewhere: target)."""

Lines = dict[tuple[str, ...], int]


def full_path(name: str, value: object = None) -> str:
    """The dotted path that a name means. `optimizer: {...}` is the mapping itself."""
    return ALIASES.get(name) or (name if isinstance(value, dict) else SHORT.get(name, name))


def axis_path(name: str, values: object = None) -> str:
    """The dotted path that an axis of `search` means. `model: [{...}, {...}]` are whole parts."""
    whole = isinstance(values, list) and any(isinstance(value, dict) for value in values)
    return full_path(name) if whole or name not in PARTS else PARTS[name]


def read_override(text: str) -> tuple[str, Any]:
    """The dotted path and the value of a `dotted.path=value` text, whose value is YAML. Errors: UserError."""
    path, sign, value = text.partition("=")
    if not sign or not path.strip():
        raise UserError(f"--set {text}: expected key=value, for example --set optimizer.lr=0.01")
    name = path.strip()
    parsed, _ = parse_yaml(value, f"--set {text}", tuple(full_path(name).split(".")))
    return full_path(name, parsed), parsed


def apply_overrides(data: object, overrides: Iterable[str], lines: Lines) -> None:
    """Set `dotted.path=value` texts in parsed YAML, in place. Errors: UserError."""
    for text in overrides:
        name, value = read_override(text)
        if not isinstance(data, dict):
            raise UserError(f"--set {text}: there is no recipe to change")
        first, _, axis = name.partition(".")
        if first == "search" and axis:
            _set_axis(data, axis, value, lines)
            continue
        for short in (short for short, full in ALIASES.items() if full == name and "." in short):
            _drop_path(data, short)
        set_path(data, name, value)
        parts = tuple(name.split("."))
        for length in range(1, len(parts)):
            lines.setdefault(parts[:length], 0)  # a mapping that the override makes
        lines[parts] = 0


def _set_axis(data: dict[str, Any], axis: str, value: object, lines: Lines) -> None:
    """An axis of `search`, whose key is a path: in place of the same one by another name."""
    axes = data.setdefault("search", {})
    lines.setdefault(("search",), 0)
    if axes is None:
        axes = data["search"] = {}
    if not isinstance(axes, dict):
        raise UserError(f"search is {kind_of(axes)}: search.{axis} cannot be set below it")
    for other in [name for name in axes if axis_path(name) == axis_path(axis)]:
        del axes[other]
        lines.pop(("search", other), None)
    axes[axis] = value
    lines[("search", axis)] = 0


def _drop_path(data: dict[str, Any], path: str) -> None:
    """Drop what stands at a dotted path, where something does."""
    *parents, last = path.split(".")
    inner: Any = data
    for part in parents:
        inner = inner.get(part) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        inner.pop(last, None)


def set_path(data: dict[str, Any], path: str, value: object) -> None:
    """Set a dotted path in nested dictionaries, making those that are missing. Errors: UserError."""
    *parents, last = path.split(".")
    for index, part in enumerate(parents):
        inner = data.setdefault(part, {})
        if inner is None or isinstance(inner, str):
            # A name stands for its mapping: `schedule: cosine` is `schedule: {name: cosine}`.
            inner = {} if inner is None else {NAMES.get(part, "target"): inner}
            data[part] = inner
        if not isinstance(inner, dict):
            raise UserError(f"{'.'.join(parents[: index + 1])} is {kind_of(inner)}: {path} cannot be set below it")
        data = inner
    data[last] = value


MOST_NODES = 50_000
"""Values in a recipe with its aliases written out: more is a mistake, or a text made to fill the memory."""

_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_FLOAT = "tag:yaml.org,2002:float"
_EXPONENT = re.compile(r"^[-+]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)[eE][-+]?\d+$", re.ASCII)
_FIRST = list("-+0123456789.")


class _Loader(yaml.SafeLoader):
    """SafeLoader with the floats and truth values of YAML 1.2 (1e-3 is a number; no, off, yes and on are words); dates
    stay text, as there."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML declares it
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":bool"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(_FLOAT, _EXPONENT, _FIRST)


_DOUBTFUL = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_PASSED_ON = ("args", "augment", "search")
"""Keys below which values go on as they stand: the word `no` would be as good as true to a person's own code."""


def parse_yaml(text: str, where: str, below: tuple[str, ...] = ()) -> tuple[object, Lines]:
    """YAML text to data and the line of every key. `below`: the path at which the text stands. Errors: UserError with
    the line."""
    lines: Lines = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        data = None if node is None else _Builder(loader, where, lines).build(node, below)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"{where}{line}: not valid YAML: {problem}") from None
    except RecursionError:
        raise UserError(f"{where}: not a recipe: nested too deeply") from None
    return data, lines


@dataclass
class _Builder:
    """Nodes to plain data, with the line of every key by its path."""

    loader: _Loader
    where: str
    lines: Lines
    nodes: int = 0
    pairs: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = field(default_factory=dict)

    def build(self, node: yaml.Node, path: tuple[str, ...]) -> object:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise self.fault(node, f"not a recipe: more than {MOST_NODES:,} values with its aliases written out")
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
            raise self.fault(node, f"not valid YAML: the tag {node.tag!r} is not for recipes")
        if isinstance(node, yaml.MappingNode):
            pairs = self.pairs_of(node)
            self.lines.update({(*path, name): key.start_mark.line + 1 for name, (key, _) in pairs.items()})
            return {name: self.build(value, (*path, name)) for name, (_, value) in pairs.items()}
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, str(i))) for i, item in enumerate(node.value)]
        plain = node.value.lower() if isinstance(node, yaml.ScalarNode) and node.style is None else ""
        if plain in _DOUBTFUL and not set(_PASSED_ON).isdisjoint(path):
            told = f"{node.value} may be {_DOUBTFUL[plain]} or a word: write {_DOUBTFUL[plain]}, or quote it"
            raise self.fault(node, f"{'.'.join(path)}: {told} ('{node.value}')")
        return self.scalar(node)

    def pairs_of(self, node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Key and value nodes by name: what `<<` merges in first, then the mapping's own, each of which stands once."""
        if id(node) in self.pairs:
            return self.pairs[id(node)]
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for part in reversed(parts):  # the first of several wins
                    if not isinstance(part, yaml.MappingNode):
                        raise self.fault(key, "not valid YAML: << takes a mapping or a list of them")
                    merged.update(self.pairs_of(part))
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise self.fault(key, "a key must be text, not a list or a mapping")
            name = str(self.scalar(key))
            if name in own:
                first = own[name][0].start_mark.line + 1
                raise self.fault(key, f"the key {name!r} stands twice (first on line {first})")
            own[name] = key, value
        self.pairs[id(node)] = {**merged, **own}
        return self.pairs[id(node)]

    def scalar(self, node: yaml.Node) -> object:
        try:
            # 12:30 is text, as in YAML 1.2; to YAML 1.1 it is a number to the base of sixty.
            sixties = node.tag.endswith((":int", ":float")) and ":" in str(node.value)
            value = str(node.value) if sixties else self.loader.construct_object(node)
            if isinstance(value, str):
                value.encode()  # "\ud800" is half a character
            elif value is not None and not isinstance(value, bool | int | float):
                raise TypeError(f"the tag {node.tag!r} is not for recipes")
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            shown = str(node.value)[:40]
            raise self.fault(node, f"not valid YAML: {shown!r} cannot be read: {error}") from None
        return value

    def fault(self, node: yaml.Node, text: str) -> UserError:
        return UserError(f"{self.where}, line {node.start_mark.line + 1}: {text}")


def nearest(name: str, known: Iterable[str]) -> str:
    """The name that was meant, as the end of a message: one that is written much alike, or has all its words."""
    every, words = list(known), set(name.split("_"))
    near = difflib.get_close_matches(name, every, n=1, cutoff=0.5)
    near += [other for other in every if words <= set(other.split("_"))]
    return f" (did you mean {near[0]!r}?)" if near else ""


def kind_of(value: object) -> str:
    if value is None:
        return "nothing"
    names = {dict: "a mapping", list: "a list", bool: str(value).lower(), str: f"the text {shortened(repr(value))}"}
    return names.get(type(value), shortened(repr(value)))


LONGEST_SHOWN = 60
"""Characters of a value in a message."""


def shortened(text: str) -> str:
    """A text, or the beginning of what is long."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def as_yaml(data: Mapping[str, object]) -> str:
    """Recipe data as YAML in the order of the schema; rates stay numbers for any YAML reader."""
    return yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """SafeDumper that writes short lists on one line."""


def _represent_list(dumper: yaml.SafeDumper, items: list[object]) -> yaml.Node:
    flat = all(not isinstance(item, dict | list) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flat)


def _represent_str(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # PyYAML breaks lines at these without a mark unless they are escaped between double quotes.
    style = '"' if any(separator in text for separator in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(str, _represent_str)
_Dumper.add_implicit_resolver(_FLOAT, _EXPONENT, _FIRST)  # the text "1e-3" is quoted, so that it stays text
