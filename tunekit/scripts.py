"""What a module of a person's own defines, by its text and that of the modules beside it that it imports. Nothing
runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tunekit.vocabulary import UserError

Kind = Literal["network", "dataset", "class", "function"]


@dataclass(frozen=True)
class Defined:
    """A class or a function, and the arguments that it needs."""

    kind: Kind
    needs: Sequence[str]


@dataclass(frozen=True)
class Found:
    """Networks, functions that give data, datasets, losses and collate functions, by name (`module.name` of a module
    that is imported whole, and these first) with the arguments they need. `batch_size`: of the loader for training,
    where the text says it; `loops`: whether importing the module runs a loop."""

    models: Mapping[str, Sequence[str]]
    data: Mapping[str, Sequence[str]]
    datasets: Mapping[str, Sequence[str]]
    losses: Sequence[str]
    collates: Sequence[str]
    batch_size: int | None
    loops: bool


def found_in(path: Path) -> Found:
    """What a module gives to a recipe. Errors: UserError."""
    defined = _defined(path, path.parent, frozenset())
    of: dict[Kind, dict[str, Sequence[str]]] = {"network": {}, "dataset": {}, "class": {}, "function": {}}
    for name in sorted(defined, key=lambda name: "." not in name):
        of[defined[name].kind][name] = defined[name].needs
    functions = of["function"]
    by_name = _among(functions, r"(?<![a-z])(model|net|network)(?![a-z])")
    data = _among(functions, r"(?<![a-z])(data|dataset|datasets|dataloaders?|loaders?|splits?)(?![a-z])")
    losses, collates = (list(_among(functions, words)) for words in ("loss|criterion", "collate"))
    tree = _tree(path)
    beside = [_tree(file) for node in tree.body for _, file in _files(node, path, path.parent)]
    return Found(
        of["network"] or by_name,
        {name: data[name] for name in data if name not in by_name and name not in collates},
        of["dataset"],
        losses,
        collates,
        next((size for one in (tree, *beside) if (size := _batch_size(one))), None),
        any(isinstance(node, ast.For | ast.While) for node in tree.body),
    )


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), str(path))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as Python: {error}") from None


def _defined(path: Path, root: Path, seen: frozenset[Path]) -> dict[str, Defined]:
    """By the names that stand for them in the module, later ones in place of earlier. `root`: where imports begin."""
    known: dict[str, Defined] = {}
    for node in _tree(path).body:
        if isinstance(node, ast.FunctionDef):
            known[node.name] = Defined("function", _needed(node))
        elif isinstance(node, ast.ClassDef):
            known[node.name] = Defined(_kind(node, known), _needed_to_build(node))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for module, file in _files(node, path, root):
                inside = {} if file in seen else _defined(file, root, seen | {path})
                known |= _named(node, module, {name: one for name, one in inside.items() if "." not in name})
    return known


def _named(node: ast.Import | ast.ImportFrom, module: str, inside: Mapping[str, Defined]) -> dict[str, Defined]:
    """What an import brings of a module, by the names that it gets."""
    if isinstance(node, ast.Import):
        return {f"{module}.{name}": one for name, one in inside.items()}
    if node.names[0].name == "*":
        return {name: one for name, one in inside.items() if not name.startswith("_")}
    return {alias.asname or alias.name: inside[alias.name] for alias in node.names if alias.name in inside}


def _files(node: ast.stmt, path: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """The modules that a line imports and that lie below the root, or beside it where it says so with dots."""
    names: list[str] = []
    if isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
        root = path.parents[min(node.level, len(path.parents)) - 1] if node.level else root
    elif isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    for name in filter(None, names):
        place = root.joinpath(*name.split("."))
        yield from ((name, file) for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file())


def _kind(node: ast.ClassDef, known: Mapping[str, Defined]) -> Kind:
    for name in map(ast.unparse, node.bases):
        last = name.rpartition(".")[2]
        if name in known and known[name].kind != "function":
            kind = known[name].kind
        elif last.endswith("Module") and "Data" not in last:
            kind = "network"
        else:
            kind = "dataset" if last.partition("[")[0].endswith("Dataset") else "class"
        if kind != "class":
            return kind
    return "class"


def _among(functions: Mapping[str, Sequence[str]], words: str) -> dict[str, Sequence[str]]:
    last = {name: name.rpartition(".")[2].lower().replace("_", " ") for name in functions}
    return {name: needs for name, needs in functions.items() if re.search(words, last[name])}


def _needed_to_build(node: ast.ClassDef) -> list[str]:
    inits = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
    return _needed(inits[0])[1:] if inits else []


def _needed(function: ast.FunctionDef) -> list[str]:
    """Arguments without a default."""
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    needed = positional[: len(positional) - len(args.defaults)]
    keyword = [arg for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default is None]
    return [arg.arg for arg in (*needed, *keyword)]


def _batch_size(tree: ast.Module) -> int | None:
    """Of the first DataLoader that shuffles, else of the first, whose size stands there as a number or as a name of
    one."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    loaders = [call for call in calls if ast.unparse(call.func).rpartition(".")[2] == "DataLoader"]
    names = {**_numbers(tree), **_options(calls)}
    shuffles = [any(word.arg == "shuffle" and _is_true(word.value) for word in loader.keywords) for loader in loaders]
    for loader in (
        loader for wanted in (True, False) for loader, does in zip(loaders, shuffles, strict=True) if does is wanted
    ):
        given = [*loader.args[1:2], *(word.value for word in loader.keywords if word.arg == "batch_size")]
        size = _number(given[0], names) if given else None
        if size:
            return size
    return None


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _number(node: ast.expr, names: Mapping[str, int]) -> int | None:
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int and node.value > 0 else None
    return names.get(ast.unparse(node).rpartition(".")[2])


def _numbers(tree: ast.Module) -> dict[str, int]:
    """The module's constants."""
    known: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
            pairs = [(target, value)]
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=False))
            known |= {ast.unparse(name): size for name, one in pairs if (size := _number(one, {}))}
    return known


def _options(calls: Sequence[ast.Call]) -> dict[str, int]:
    """The defaults of argparse's options."""
    known: dict[str, int] = {}
    for call in calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument":
            default = next((word.value for word in call.keywords if word.arg == "default"), None)
            size = None if default is None else _number(default, {})
            words = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            known |= {word.lstrip("-").replace("-", "_"): size for word in words if size}
    return known
