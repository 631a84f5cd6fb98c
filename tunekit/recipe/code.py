"""module:callable, looked up beside the recipe: found, called, and its errors told in one line. Never torch itself."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from tunekit.configuration import digest
from tunekit.guest import Visit, ended
from tunekit.recipe.text import nearest
from tunekit.stopping import is_request
from tunekit.telling import is_persons, raised
from tunekit.vocabulary import UserError

MARK = "__tunekit_recipe__"
"""What a module remembers that `resolve` brought in: the recipe's folder that it was loaded for."""

_marked: set[str] = set()  # names of such modules: of the thousands that are loaded, few


def _serve(folder: Path) -> None:
    """Put the folder first in sys.path. Modules of another recipe's folder, which may have the same names, go."""
    importlib.invalidate_caches()
    if sys.path[:1] != [str(folder)]:
        sys.path[:] = [str(folder), *(path for path in sys.path if path != str(folder))]
    for name in list(_marked):
        if getattr(sys.modules.get(name), "__dict__", {}).get(MARK, folder) != folder:
            del sys.modules[name]
            _marked.remove(name)


def resolve(target: str, folder: Path, key: str) -> Callable[..., Any]:
    """The callable that `module:name` means, its module looked up in the recipe's folder first.

    Errors: UserError where the module does not import or has no such callable.
    """
    module_name, _, name = target.partition(":")
    parts = [part.replace("-", "_") for part in (*module_name.split("."), *name.split("."))]
    if not all(part.isidentifier() for part in parts) or module_name.endswith(".py"):
        raise UserError(f"{key}: {target}: expected module:callable such as my_models:Net, without path or .py")
    _serve(folder)
    known = set(sys.modules)
    try:
        with Visit(f"{key}: {target}: importing {module_name}", importing=True):
            module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.split(".")[0] == error.name.split(".")[0]:
            raise UserError(
                f"{key}: {target}: no module {error.name!r} in {folder} nor among installed packages"
            ) from None
        raise UserError(
            f"{key}: {target}: importing {module_name} needs {error.name!r}, which is not installed"
        ) from None
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{key}: {target}: importing {module_name} raised {raised(error)}") from None
    finally:
        for loaded in set(sys.modules) - known:
            if _is_local(loaded, folder):
                sys.modules[loaded].__dict__[MARK] = folder
                _marked.add(loaded)
    target_object: object = module
    for part in name.split("."):
        target_object = getattr(target_object, part, None)
    if not callable(target_object):
        names = [other for other, value in vars(module).items() if callable(value) and not other.startswith("_")]
        raise UserError(f"{key}: {target}: {module_name} has no callable {name!r}{nearest(name, names)}")
    return target_object


def construct(function: Callable[..., Any], key: str, target: str, /, *values: Any, **args: Any) -> Any:
    """Call a person's function that builds something; what it changed of the process is put back. Errors: UserError."""
    with Visit(f"{key}: {target}"):
        return call(function, key, target, *values, **args)


def call(function: Callable[..., Any], key: str, target: str, /, *values: Any, **args: Any) -> Any:
    """Call a person's function. Errors: UserError with what it raised and the line of theirs that did."""
    try:
        return function(*values, **args)
    except UserError:
        raise
    except Exception as error:
        near = _meant(function, args) if isinstance(error, TypeError) else ""
        raise UserError(f"{key}: {target} raised {raised(error)}{near}") from error
    except BaseException as error:
        if is_request(error):
            raise
        raise ended(f"{key}: {target}", error) from error


def _meant(function: Callable[..., Any], args: Mapping[str, Any]) -> str:
    """The name that was meant by an argument that a function does not take, or those that it takes."""
    try:
        every = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ""
    known = [one.name for one in every if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    strange = next((name for name in args if name not in known), None)
    if strange is None or any(one.kind is one.VAR_KEYWORD for one in every):
        return ""
    return nearest(strange, known) or f" (it takes {', '.join(known) or 'none'})"


def local_modules(folder: Path) -> list[Path]:
    """Source files of the modules loaded from a recipe's folder, installed packages left out."""
    files = {Path(str(sys.modules[name].__file__)) for name in list(sys.modules) if _is_local(name, folder)}
    return sorted(path for path in files if path.suffix == ".py")


def module_digests(folder: Path) -> dict[str, str]:
    """Of each of them, by its path from the folder."""
    paths = local_modules(folder)
    return {str(path.relative_to(folder)): digest(path.read_text(errors="replace")) for path in paths}


def _is_local(name: str, folder: Path) -> bool:
    """Whether a loaded module's file lies below the folder and is the person's own."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return isinstance(file, str) and _is_persons_below(file, folder)


@lru_cache(maxsize=2**14)  # each module is asked about again and again
def _is_persons_below(file: str, folder: Path) -> bool:
    return Path(file).is_relative_to(folder) and is_persons(file)
