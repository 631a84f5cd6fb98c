"""The recipes that come with tunekit: where they lie and what they are about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Shipped:
    """A recipe by its name; `about` is the comment in its first line."""

    name: str
    path: Path
    about: str


def shipped() -> list[Shipped]:
    """All of them, in the wheel or beside the package in a checkout."""
    package = Path(__file__).parent.parent
    folder = package / "_recipes" if (package / "_recipes").is_dir() else package.parent / "recipes"
    recipes = []
    for path in sorted(folder.glob("*.yaml")):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        recipes.append(Shipped(path.stem, path, first.lstrip("# ").strip()))
    return recipes


def by_name(path: Path) -> Path:
    """The shipped recipe that a bare name means; else the path as it is."""
    if path.exists() or path.parent != Path() or path.suffix:
        return path
    return next((recipe.path for recipe in shipped() if recipe.name == path.name), path)
