"""module:callable, looked up beside the recipe: found, called, and its errors told in one line. Never torch itself."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunekit.recipe.text import nearest
from tunekit.vocabulary import UserError


def resolve(target: str, folder: Path, key: str) -> Callable[..., Any]:
    """The callable that `module:name` means, its module looked up in the recipe's folder first.

    Errors: UserError where the module does not import or has no such callable.
    """
    module_name, _, name = target.partition(":")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.split(".")[0] == error.name.split(".")[0]:
            raise UserError(
                f"{key}: {target}: no module {error.name!r} in {folder} nor among installed packages"
            ) from None
        raise UserError(
            f"{key}: {target}: importing {module_name} needs {error.name!r}, which is not installed"
        ) from None
    except Exception as error:
        raise UserError(f"{key}: {target}: importing {module_name} raised {_raised(error, folder)}") from None
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        names = [other for other, value in vars(module).items() if callable(value) and not other.startswith("_")]
        raise UserError(f"{key}: {target}: {module_name} has no callable {name!r}{nearest(name, names)}")
    return found  # type: ignore[no-any-return]


def call(function: Callable[..., Any], folder: Path, key: str, target: str, /, *values: Any, **args: Any) -> Any:
    """Call a person's function. Errors: UserError with what it raised and the line of theirs that did."""
    try:
        return function(*values, **args)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{key}: {target} raised {_raised(error, folder)}") from error


def _raised(error: Exception, folder: Path) -> str:
    """The error's type and first line, and the innermost line of the person's own code."""
    place = ""
    trace = error.__traceback__
    while trace:
        name = Path(trace.tb_frame.f_code.co_filename)
        if name.is_relative_to(folder) and "site-packages" not in name.parts:
            place = f" ({name.name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        place = f" ({Path(error.filename).name}, line {error.lineno})"
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}{': ' + text[0] if text else ''}{place}"


def local_modules(folder: Path) -> list[Path]:
    """Source files of the modules loaded from a recipe's folder, installed packages left out."""
    files = set()
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if name and name.endswith(".py"):
            path = Path(name)
            if path.is_relative_to(folder) and not {"site-packages", "dist-packages"} & set(path.parts):
                files.add(path)
    return sorted(files)
