"""YAML text to data with the line of every key, --set overrides, and back. Knows nothing of the schema."""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import yaml

from tunekit.vocabulary import UserError

ALIASES = {"lr": "optimizer.lr", "weight_decay": "optimizer.weight_decay"}
"""The names that studies and hand-offs use for two paths of the recipe."""

NAMES = {"schedule": "name"}
"""Keys whose short form is text: what that text is called in the long form (elsewhere: target)."""

Lines = dict[tuple[str, ...], int]


def apply_overrides(data: Any, overrides: Iterable[str], lines: Lines | None = None) -> None:
    """Set `dotted.path=value` texts (values are YAML) in parsed YAML, in place."""
    for text in overrides:
        path, sign, value = text.partition("=")
        if not sign or not path.strip():
            raise UserError(f"--set {text}: expected key=value, for example --set optimizer.lr=0.01")
        parsed, _ = parse_yaml(value, f"--set {text}")
        name = ALIASES.get(path.strip(), path.strip())
        if not isinstance(data, dict):
            raise UserError(f"--set {text}: there is no recipe to change")
        set_path(data, name, parsed)
        if lines is not None:
            lines[tuple(name.split("."))] = 0


def set_path(data: dict[str, Any], path: str, value: Any) -> None:
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


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 floats (1e-3 is a number), refused duplicate keys, and lines by path."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def parse_yaml(text: str, where: str) -> tuple[Any, Lines]:
    """YAML text to data and the line of every key. Errors: UserError with the line."""
    loader = _Loader(text)
    lines: Lines = {}
    try:
        node = loader.get_single_node()
        data = None if node is None else _construct(loader, node, (), lines, where)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"{where}{line}: not valid YAML: {problem}") from None
    except RecursionError:
        raise UserError(f"{where}: not a recipe: nested too deeply") from None
    finally:
        loader.dispose()
    return data, lines


def _construct(loader: _Loader, node: yaml.Node, path: tuple[str, ...], lines: Lines, where: str) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        result: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node)
            line = key_node.start_mark.line + 1
            name = str(key)
            if key in result:
                raise UserError(
                    f"{where}, line {line}: the key {name!r} stands twice (first on line {lines[*path, name]})"
                )
            lines[*path, name] = line
            result[name] = _construct(loader, value_node, (*path, name), lines, where)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, item, (*path, str(i)), lines, where) for i, item in enumerate(node.value)]
    return loader.construct_object(node)


def nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def kind_of(value: Any) -> str:
    if value is None:
        return "nothing"
    names = {dict: "a mapping", list: "a list", bool: str(value).lower(), str: f"the text {value!r}"}
    return names.get(type(value), repr(value))


def as_yaml(data: Mapping[str, Any]) -> str:
    """Recipe data as YAML in the order of the schema; rates stay numbers for any YAML reader."""
    return yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """SafeDumper that writes short lists on one line."""


def _represent_list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    flat = all(not isinstance(item, dict | list) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flat)


_Dumper.add_representer(list, _represent_list)
