"""Which run a recipe means: an unfinished one of it, or a new folder with its manifest."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from tunekit import __version__
from tunekit.layout import MANIFEST, RECIPE, TRAININGS
from tunekit.recipe import Loaded
from tunekit.rundir import (
    NAME,
    RUN_FORMAT,
    RunDir,
    RunFolder,
    code_folder,
    disk_error,
    is_run,
    open_run,
    write_atomically,
)
from tunekit.vocabulary import UserError


def find_run(loaded: Loaded, runs_dir: Path, name: str | None = None) -> RunDir:
    """The run of a recipe: an unfinished one of an equal recipe, or a new folder. Errors: UserError."""
    there = run_of(loaded, runs_dir, name)
    if there is not None:
        return there
    if name is None:
        return _create_numbered(runs_dir, loaded)
    path = runs_dir / name
    return _create(path, loaded, is_new=not path.exists())


def run_of(loaded: Loaded, runs_dir: Path, name: str | None = None) -> RunDir | None:
    """The run of an equal recipe that would be gone on with; None where a new one would be made. Errors: UserError."""
    if name is None:
        for path in _numbered(runs_dir, loaded.recipe.name):
            there = RunFolder(path)
            if is_run(path) and there.format == RUN_FORMAT and _equal(there, loaded) and not there.finished():
                # What is wrong with it is told: another run instead would begin anew without a word.
                return _adopted(open_run(type(loaded.recipe), path, folder=loaded.folder), loaded)
        return None
    if not NAME.fullmatch(name) or len(name) > 100:
        raise UserError(
            f"--name {name}: a run's name may hold letters, digits, '.', '_' and '-', and begins with a letter or digit"
        )
    path = runs_dir / name
    if is_run(path):
        run = open_run(type(loaded.recipe), path, folder=loaded.folder)
        if _equal(run, loaded):
            return _adopted(run, loaded)
        raise UserError(f"--name {name}: {path} is a run of another recipe; choose another name or remove that folder")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"--name {name}: {path} exists and is no run of tunekit; choose another name")
    return None


def _equal(run: RunFolder, loaded: Loaded) -> bool:
    """Whether a run is of this recipe: its code lies there, or is gone from where it was."""
    given = run.manifest().get("recipe")
    return given == loaded.recipe.as_dict() and code_folder(run.path) in (loaded.folder, None)


def _adopted(run: RunDir, loaded: Loaded) -> RunDir:
    """The run, which remembers where the recipe lies now."""
    places = _code_places(run.path, loaded)
    if any(run.manifest().get(name) != place for name, place in places.items()):
        run.note(**places)
    return run


def _numbered(runs_dir: Path, name: str) -> list[Path]:
    pattern = re.compile(rf"{re.escape(name)}-(\d{{3,}})")
    try:
        found = [path for path in runs_dir.iterdir() if pattern.fullmatch(path.name)]
    except OSError:
        return []
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)


def _create_numbered(runs_dir: Path, loaded: Loaded) -> RunDir:
    numbered = _numbered(runs_dir, loaded.recipe.name)
    number = int(numbered[0].name.rpartition("-")[2]) if numbered else 0
    while True:
        number += 1
        path = runs_dir / f"{loaded.recipe.name}-{number:03d}"
        try:
            path.mkdir(parents=True)
        except (FileExistsError, NotADirectoryError):
            if path.exists():
                continue  # another process took this number
            raise _no_folder(runs_dir) from None
        except OSError as error:
            raise disk_error(path, error) from None
        return _create(path, loaded, is_new=True)


def _no_folder(path: Path) -> UserError:
    return UserError(f"{path}: is not a folder; choose another place with --runs-dir")


def _create(path: Path, loaded: Loaded, is_new: bool) -> RunDir:
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / TRAININGS).mkdir(exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise _no_folder(path.parent) from None
    except OSError as error:
        raise disk_error(path, error) from None
    run = RunDir(path.resolve(), loaded.recipe, loaded.folder, is_new=is_new)
    source = str(loaded.path) if loaded.path else "a recipe"
    run.write_recipe(RECIPE, loaded.recipe.as_dict(), f"from {Path(source).name}")
    # Last: only with its manifest is the folder a run.
    manifest = {
        "format": RUN_FORMAT,
        "steps": loaded.recipe.step_names(),
        **_code_places(run.path, loaded),
        "recipe": loaded.recipe.as_dict(),
        "versions": versions(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
    }
    write_atomically(run.path / MANIFEST, f"{json.dumps(manifest, indent=2)}\n".encode())
    return run


def _code_places(run: Path, loaded: Loaded) -> dict[str, Any]:
    """How a manifest tells where the recipe's code lies."""
    there = loaded.path is not None and loaded.path.parent.resolve() == loaded.folder
    return {
        "recipe_folder": str(loaded.folder),
        "recipe_beside": os.path.relpath(loaded.folder, run),
        "recipe_file": loaded.path.name if loaded.path is not None and there else None,
    }


def versions() -> dict[str, str]:
    """Versions of what computes, read without importing it."""
    found = {"python": platform.python_version(), "tunekit": __version__}
    for name in ("torch", "torchvision", "optuna", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
