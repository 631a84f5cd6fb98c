"""The table of sources, one file each; a person's own callable; and the files that data name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tunekit.configuration import DataSpec, digest
from tunekit.recipe import check_arguments, construct, resolve
from tunekit.recipe.text import kind_of, nearest, shortened
from tunekit.telling import refused
from tunekit.training.seeds import seed_everything
from tunekit.training.sources.arrays import arrays
from tunekit.training.sources.bundled import breast_cancer, diabetes, wine
from tunekit.training.sources.curve import curve
from tunekit.training.sources.digits import digits
from tunekit.training.sources.huggingface import huggingface_set
from tunekit.training.sources.images import image_folder
from tunekit.training.sources.parts import Parts, why
from tunekit.training.sources.table import table
from tunekit.training.sources.text import text
from tunekit.training.sources.torchvision_sets import torchvision_set
from tunekit.vocabulary import UserError

SOURCES: dict[str, Callable[..., Parts]] = {
    "digits": digits,
    "arrays": arrays,
    "table": table,
    "image-folder": image_folder,
    "text": text,
    "curve": curve,
    "breast-cancer": breast_cancer,
    "wine": wine,
    "diabetes": diabetes,
}
FAMILIES: dict[str, Callable[..., Parts]] = {"torchvision": torchvision_set, "datasets": huggingface_set}
"""Sources that hold many sets: FAMILY:NAME, called with the name first."""
LENIENT: dict[str, dict[str, str]] = {"image-folder": {"corrupt": "skip"}}
"""Arguments by which a source leaves out what it cannot read, instead of refusing all."""
PATHS = ("path", "root", "val_path", "test_path")
"""Arguments of sources that are paths, relative to the recipe's folder."""


def load_parts(data: DataSpec, folder: Path) -> Parts:
    """Read a source or call a person's function. Errors: UserError."""
    key, target, args = "data.target", data.target, dict(data.args)
    source, name = _built_in(target, folder)
    if source is not None:
        for path in PATHS:
            if path in args:
                args[path] = _place(args[path], folder, path)
        args = {"name": name, **args} if name else args
        check_arguments(source, args, f"data.args: {target}")
        try:
            return source(**args)
        except (TypeError, AttributeError, LookupError) as error:
            raise UserError(f"data.args: {target}: {refused(error)}") from None
    if ":" not in target:
        known = ", ".join([*SOURCES, *(f"{family}:NAME" for family in FAMILIES)])
        raise UserError(f"{key}: no source {target!r}{nearest(target, SOURCES)}; one of {known} or module:callable")
    function = resolve(target, folder, key)
    seed_everything(data.seed, "data")  # a split that it draws is the same in each process
    return _parts_of(construct(function, key, target, **args), target)


def _built_in(target: str, folder: Path) -> tuple[Callable[..., Parts] | None, str]:
    """The source that a target names, and the set's name where it is a family's. A module of the recipe's folder that
    is called as a family goes first."""
    family, colon, name = target.partition(":")
    if not colon:
        return SOURCES.get(target), ""
    own = (folder / f"{family}.py").exists() or (folder / family / "__init__.py").exists()
    return None if own else FAMILIES.get(family), name


def _place(value: object, folder: Path, name: str) -> Path:
    """A path of the recipe's, from its folder. Errors: UserError."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise UserError(f"data.args.{name}: must be a path, not {kind_of(value)}")
    try:
        return (folder / value).resolve()
    except OSError as error:
        raise UserError(f"data.args.{name}: {shortened(value)}: {why(error)}") from None


def data_digests(data: DataSpec, folder: Path) -> dict[str, str]:
    """Size and time of the files that the data's arguments name: part of every training's key."""
    digests: dict[str, str] = {}
    for value in data.args.values():
        if isinstance(value, str) and len(value) < 1000 and (folder / value).exists():
            path = (folder / value).resolve()
            files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())[:10_000]
            stats = [(str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
            digests[value] = digest(stats)
    return digests


def _parts_of(data: object, target: str) -> Parts:
    if isinstance(data, tuple | list) and 2 <= len(data) <= 3 and not hasattr(data, "tensors"):
        return Parts(*data)
    if hasattr(data, "__getitem__") or hasattr(data, "__iter__"):
        return Parts(data)
    raise UserError(
        f"data.target: {target} must return (train, val), (train, val, test) or a dataset, not {type(data).__name__}"
    )
