"""A run folder: its manifest, lock and step results, the names in it, and how a file is replaced whole."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tunekit.files import leads_out, read_json, read_regular
from tunekit.layout import (
    FACTS,
    FIGURE,
    FINAL,
    JOURNAL,
    LOCK,
    LOCKS,
    MANIFEST,
    OWNER,
    RECIPE,
    RESULT,
    SHARED,
    TRAININGS,
)
from tunekit.mending import advice
from tunekit.recipe import Loaded, Recipe, as_yaml, load, read_override
from tunekit.telling import as_path, command, on_run, pasted
from tunekit.vocabulary import Finding, Remedy, StepResult, StorageError, UserError

RUN_FORMAT = 3
"""Of a run folder: one of another format is read, and not trained on."""

OWN_KEYS = ("steps", "train", "search", "accept")  # of a recipe, on which no training hangs
"""Keys of a recipe that may change on a run: its trainings hang on all others."""

BEFORE_WORK = {RECIPE, MANIFEST, JOURNAL, TRAININGS, FACTS, SHARED, LOCK, OWNER, LOCKS}
"""What lies in a run's folder before its first step."""

MOST_BYTES = 500_000_000
"""Of a manifest or a result that is read: more is none of ours."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file in one step: a reader, or a kill at any moment, finds the old file or the new one, whole.

    Errors: UserError where the disk is full or cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise disk_error(path, error) from None


def disk_error(path: Path, error: OSError) -> StorageError:
    mended = advice(error, "with --runs-dir")
    return StorageError(
        f"{path}: cannot be written: {error.strerror or error}; {f'{mended}, then ' if mended else ''}"
        "give the same command again: nothing that was finished is lost"
    )


def with_commands(result: StepResult, run: str, storage: str = "") -> StepResult:
    """A result with its remedies as commands on a run, as a person types it: in the findings' advice, and as what to do
    next. Those that it had are replaced. `storage`: where the run's studies are, if not in its folder."""

    def spelled(remedy: Remedy) -> str:
        return command(remedy, run, OWN_KEYS, RECIPE, storage)

    def told(finding: Finding) -> Finding:
        commands = tuple(f"`{spelled(remedy)}`" for remedy in finding.remedies)
        kept = (line for line in finding.advice if not (commands and line.startswith("`tunekit ")))
        words = tuple(on_run(line, run, OWN_KEYS, RECIPE) for line in kept)
        unsaid = (text for text in commands if not any(text in line for line in words))
        return replace(finding, advice=(*words, *unsaid))

    def filled(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: filled(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [filled(inner) for inner in value]
        return on_run(value, run, OWN_KEYS, RECIPE) if isinstance(value, str) else value

    every = [*result.remedies, *(remedy for finding in result.findings for remedy in finding.remedies)]
    remedies = tuple(remedy for place, remedy in enumerate(every) if remedy not in every[:place])
    following = spelled(remedies[0]) if remedies else ""
    findings, details = tuple(map(told, result.findings)), filled(result.details)
    return replace(result, findings=findings, details=details, next=following, remedies=remedies)


@dataclass(frozen=True)
class RunFolder:
    """One run's folder, to be read."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def trainings(self) -> Path:
        return self.path / TRAININGS

    @property
    def storage(self) -> str:
        """Of its studies as --storage takes it, with a word for what is secret in it; "" for those in its folder."""
        kept = self.noted("studies")
        return str(kept.get("storage", "")) if kept.get("complete") is not False else "URL"

    @property
    def journal(self) -> Path:
        return self.path / JOURNAL

    def step_folder(self, step: str) -> Path:
        if not _is_name(step):
            raise ValueError(f"{step!r} is no name of a step")
        return self.path / step

    def figure(self, step: str) -> Path:
        return self.step_folder(step) / f"{step}.png"

    def figure_data(self, step: str) -> Path:
        return self.step_folder(step) / FIGURE

    def result(self, step: str) -> StepResult | None:
        """What a step said, or None where it has not finished."""
        try:
            result = StepResult.from_dict(read_json(self.step_folder(step) / RESULT, MOST_BYTES))
        except OSError:
            return None
        except ValueError:
            return None  # damaged: it is written anew from the study
        return result if result.step == step else None

    def final(self) -> Mapping[str, Any]:
        """What `train` said of the final model; empty where there is none, or what cannot be read."""
        try:
            told = read_json(self.path / FINAL / RESULT, MOST_BYTES)
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def manifest(self) -> dict[str, Any]:
        return read_manifest(self.path)

    def noted(self, name: str) -> Mapping[str, Any]:
        """What the manifest holds by this name; empty where that is nothing, or nothing that can be read."""
        value = self.manifest().get(name)
        return value if isinstance(value, dict) else {}

    @property
    def outdated(self) -> list[str]:
        """Steps whose results were made before something that they hang on changed."""
        names = self.manifest().get("outdated")
        return [name for name in self.steps() if name in names] if isinstance(names, list) else []

    @property
    def format(self) -> int:
        """What made it: only a run of this program's own RUN_FORMAT is trained on."""
        kind = self.manifest().get("format", 1)
        return kind if type(kind) is int else 0

    def steps(self) -> list[str]:
        """The names of the run's steps in order; of an older run those that have a result."""
        manifest = self.manifest()
        known, recipe = manifest.get("steps"), manifest.get("recipe")
        if isinstance(known, list):
            return list(dict.fromkeys(name for name in known if _is_name(name)))
        settings = recipe.get("steps") if isinstance(recipe, dict) else None
        listed = [name for name in settings if _is_name(name)] if isinstance(settings, dict) else []
        results = sorted(self.path.glob(f"*/{RESULT}"), key=lambda path: path.stat().st_mtime)
        return listed + [path.parent.name for path in results if path.parent.name not in listed]

    def finished(self) -> bool:
        return any(self.result(step) is not None for step in self.steps()[-1:])

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """The run, owned by this process. Errors: UserError where another one owns it."""
        lock = FileLock(self.path / LOCK, timeout=0)
        if not self.path.is_dir():
            raise UserError(f"{self.path}: is gone; give the command again with the recipe")
        try:
            lock.acquire()
        except Timeout:
            pid = _owner(self.path / OWNER)
            raise UserError(
                f"{self.path}: another tunekit{pid} is working on this run; wait for it, or give --name for a new one"
            ) from None
        except OSError as error:
            raise disk_error(self.path, error) from None
        try:
            write_atomically(self.path / OWNER, str(os.getpid()).encode())
            yield
        finally:
            with contextlib.suppress(OSError):
                (self.path / OWNER).unlink()
            lock.release()


@dataclass(frozen=True)
class RunDir(RunFolder):
    """A run to work on; `recipe` as it was given, `folder` where its code lies; `changed`: by settings that are not
    kept before they have proved sound; `is_new`: this command made it."""

    recipe: Recipe
    folder: Path
    changed: bool = False
    is_new: bool = field(default=False, compare=False)

    def keep_settings(self) -> None:
        """What was changed holds from now on."""
        if self.changed:
            self.write_recipe(RECIPE, self.recipe.as_dict(), "changed with --set")

    @contextlib.contextmanager
    def gone_if_refused(self) -> Iterator[None]:
        """A new run that is refused before its first step leaves no folder, and its number is free."""
        try:
            yield
        except UserError:
            with contextlib.suppress(OSError):
                names = {path.name for path in self.path.iterdir()}
                if self.is_new and names <= BEFORE_WORK and not any(self.trainings.iterdir()):
                    shutil.rmtree(self.path)
            raise

    def write_result(self, result: StepResult) -> None:
        folder = self.step_folder(result.step)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(folder, error) from None
        text = json.dumps(result.as_dict(), indent=2, default=str, allow_nan=False)
        write_atomically(folder / RESULT, f"{text}\n".encode())

    def note(self, **values: Any) -> None:
        """Add to the manifest."""
        text = json.dumps({**self.manifest(), **values}, indent=2)
        write_atomically(self.path / MANIFEST, f"{text}\n".encode())

    def write_recipe(self, name: str, data: Mapping[str, Any], comment: str) -> None:
        write_atomically(self.path / name, f"# {comment}\n{as_yaml(data)}".encode())


def _is_name(value: object) -> bool:
    """Whether a manifest's word can be the name of a folder in the run."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _owner(path: Path) -> str:
    try:
        pid = read_regular(path, 100).decode().strip()
    except (OSError, ValueError):
        return ""
    return f" (process {pid})" if pid.isascii() and pid.isdecimal() else ""


def read_manifest(path: Path) -> dict[str, Any]:
    """What the manifest of a run's folder says; {} where there is none, or none that can be read."""
    try:
        manifest = read_json(path / MANIFEST, MOST_BYTES)
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def is_run(path: Path) -> bool:
    try:
        return path.is_dir() and (path / MANIFEST).is_file() and (path / RECIPE).is_file()
    except OSError:
        return False


def read_recipe(
    schema: type[Recipe], path: Path, overrides: tuple[str, ...] = (), folder: Path | None = None
) -> Loaded:
    """A recipe file, wherever it lies; one in a run's folder (recipe.yaml, best.yaml) has its code where the run's
    recipe has it. `folder`: where modules and relative paths are looked up, if not there. Errors: UserError."""
    return load(schema, path, overrides, folder or code_folder(path.parent))


def read_run(path: Path) -> RunFolder:
    """An existing run, to be read. Errors: UserError, also where something in it leads out of it: a run that somebody
    sent would read or write files of whoever opens it."""
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for a name that is too long
        raise UserError(f"{path}: there is no such folder; give a run's, below runs/ as a rule")
    if not is_run(path):
        raise UserError(f"{path}: is no run of tunekit (no {MANIFEST}); give a run's folder, below runs/ as a rule")
    try:
        way = leads_out(path)
    except OSError as error:
        raise UserError(f"{error.filename or path}: cannot be read: {error.strerror}") from None
    if way:
        raise UserError(way)
    return RunFolder(path.resolve())


def open_run(schema: type[Recipe], path: Path, overrides: tuple[str, ...] = (), folder: Path | None = None) -> RunDir:
    """An existing run, to go on with. `overrides` may change only OWN_KEYS; `keep_settings` keeps them. `folder`: where
    the recipe's code is to be looked for if it is gone from where it was. Errors: UserError."""
    return replace(with_recipe(schema, read_run(path), path, overrides, folder), changed=bool(overrides))


def with_recipe(
    schema: type[Recipe],
    run: RunFolder,
    path: Path,
    overrides: tuple[str, ...] = (),
    folder: Path | None = None,
) -> RunDir:
    """A run that was opened at a path, with its recipe; nothing is written. Errors: UserError."""
    kind = run.format
    if kind != RUN_FORMAT:
        raise UserError(
            f"{path}: was made by another version of tunekit (format {kind}, this one has {RUN_FORMAT}): it can be "
            f"read, not trained on; start another run with `{pasted('tunekit', 'run', as_path(path / RECIPE))}`"
        )
    for text in overrides:
        if read_override(text)[0].split(".")[0] not in OWN_KEYS:
            again = command(Remedy("run", dict(map(read_override, overrides))), str(path), OWN_KEYS, RECIPE)
            raise UserError(
                f"--set {text}: on a run only {', '.join(f'`{key}`' for key in OWN_KEYS)} change, for its trainings "
                f"hang on the rest; start another run with `{again}`"
            )
    folder = code_folder(path) or folder
    if folder is None:
        old = read_manifest(path).get("recipe_folder")
        again = pasted("tunekit", "run", "RECIPE", "--name", path.resolve().name)
        raise UserError(
            f"{path}: the folder of its recipe's code is gone ({old}); put it back, or give the recipe where it lies "
            f"now: `{again}`"
        )
    own = load(schema, path / RECIPE, overrides, folder)
    return RunDir(run.path, own.recipe, own.folder)


def code_folder(path: Path) -> Path | None:
    """Where the code of a run's recipe lies: as the run has it beside itself, for both may have moved or been copied
    together, else where it was. None where there is no such folder any more, or no run."""
    manifest = read_manifest(path)
    beside, before, name = (manifest.get(key) for key in ("recipe_beside", "recipe_folder", "recipe_file"))
    facts = manifest.get("facts")
    sources = facts.get("sources") if isinstance(facts, dict) else None
    if isinstance(beside, str):
        folder = Path(os.path.normpath(path.resolve() / beside))
        # A run may have moved alone, to beside anything: its recipe tells, or else its sources.
        marks = [name] if isinstance(name, str) else sources if isinstance(sources, dict) else ()
        if folder.is_dir() and all((folder / mark).exists() for mark in marks):
            return folder
    return Path(before) if isinstance(before, str) and Path(before).is_dir() else None
