"""The recipes that come with tunekit: where they lie, what they are about, and a copy of one to start from."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tunekit.vocabulary import UserError, Versioned

ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Shipped(Versioned):
    """A recipe by its name; `about` is the comment in its first line. One with code of its own is NAME/NAME.yaml, with
    the code beside it."""

    name: str
    path: Path
    about: str

    @property
    def has_code(self) -> bool:
        return self.path.parent.name == self.name

    def copy(self, goal: Path | None, overwrite: bool) -> Path:
        """Copy it to a file, or into a folder where the goal has no ending; one that has code as a folder; without a
        goal by its own name into the current folder. Returns the recipe's new file. Errors: UserError."""
        goal = goal or Path(self.name if self.has_code else self.path.name)
        if not self.has_code and (goal.is_dir() or not goal.suffix):
            goal /= self.path.name
        if self.has_code and goal.suffix.lower() in ENDINGS:
            raise UserError(f"{goal}: {self.name} has several files; give the name of a folder for them")
        copies = {path: goal / path.name for path in self._files()} if self.has_code else {self.path: goal}
        if not overwrite and (goal.exists() or goal.is_symlink()):
            raise UserError(f"{goal}: exists already; give another name, or --force to overwrite it")
        try:
            copies[self.path].parent.mkdir(exist_ok=True)
            for source, copied in copies.items():
                shutil.copyfile(source, copied)
        except OSError as error:
            raise UserError(
                f"{error.filename2 or error.filename or goal}: cannot be written: {error.strerror}"
            ) from None
        return copies[self.path]

    def _files(self) -> list[Path]:
        return sorted(path for path in self.path.parent.iterdir() if path.suffix in (".py", *ENDINGS))


def shipped() -> list[Shipped]:
    """All of them, in the wheel or beside the package in a checkout."""
    package = Path(__file__).parent.parent
    folder = package / "_recipes" if (package / "_recipes").is_dir() else package.parent / "recipes"
    with_code = [path for path in folder.glob("*/*.yaml") if path.stem == path.parent.name]
    recipes = []
    for path in sorted([*folder.glob("*.yaml"), *with_code], key=lambda path: path.stem):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        recipes.append(Shipped(path.stem, path, first.lstrip("# ").strip()))
    return recipes


def by_name(name: str) -> Shipped | None:
    return next((recipe for recipe in shipped() if recipe.name == name), None)
