"""Folders as files in memory, on their way between machines that share no disk. Knows nothing of what they mean."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tunekit.rundir import disk_error, write_atomically
from tunekit.vocabulary import UserError

LEFT_OUT = ("runs", "data", "datasets", "node_modules", "__pycache__")  # and what is hidden, and virtual environments
FILE_BYTES = 10 * 2**20  # a larger file is data, not code
TOTAL_BYTES = 100 * 2**20
TOTAL_FILES = 5000


@dataclass(frozen=True)
class File:
    data: bytes
    mtime_ns: int  # kept: data files are known by size and time


Files = Mapping[str, File | None]
"""Files by their path in a folder; None for one that is gone."""

Listing = Mapping[str, tuple[int, int]]
"""Size and time of each file of a folder: enough to see that one has changed."""


@dataclass(frozen=True)
class Code:
    """A recipe's folder: what is sent of it, and the names of what is not."""

    folder: str
    files: Mapping[str, File]
    left_out: tuple[str, ...] = ()


def listing(folder: Path) -> Listing:
    """The files that lie directly in a folder, hidden ones left out; {} where there is no folder."""
    files = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_file() and not path.name.startswith("."):
            about = path.stat()
            files[path.name] = (about.st_size, about.st_mtime_ns)
    return files


def changes(folder: Path, before: Listing) -> tuple[Files, Listing]:
    """What has changed in a folder since a listing of it, and its listing now."""
    now = listing(folder)
    files: dict[str, File | None] = dict.fromkeys(before.keys() - now.keys())
    for name, (_, mtime_ns) in now.items():
        if before.get(name) != now[name]:
            files[name] = File((folder / name).read_bytes(), mtime_ns)
    return files, now


def unpack(folder: Path, files: Files) -> None:
    """Make the changes in a folder: each file is replaced whole, in the order in which they were written, so that a
    kill on the way leaves what a kill of their writer would have left. Errors: StorageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(folder, error) from None
    written = sorted((file.mtime_ns, name) for name, file in files.items() if file is not None)
    for mtime_ns, name in written:
        path, file = folder / name, files[name]
        assert file is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, file.data)
        os.utime(path, ns=(mtime_ns, mtime_ns))
    for name, file in files.items():
        if file is None:
            (folder / name).unlink(missing_ok=True)


def pack_code(folder: Path) -> Code:
    """A recipe's folder without its runs, its data, files over FILE_BYTES and whatever is hidden.

    Errors: UserError where even so it is too large to be sent around.
    """
    files: dict[str, File] = {}
    left_out: list[str] = []
    total = 0
    for path in _walk(folder, left_out):
        name, about = path.relative_to(folder).as_posix(), path.stat()
        if about.st_size > FILE_BYTES:
            left_out.append(name)
            continue
        total += about.st_size
        if total > TOTAL_BYTES or len(files) >= TOTAL_FILES:
            raise UserError(
                f"{folder}: too large to be sent to the nodes (over {TOTAL_BYTES // 2**20} MB or {TOTAL_FILES} files): "
                "put the recipe and its modules into a folder of their own, and its data on a path that every node sees"
            )
        files[name] = File(path.read_bytes(), about.st_mtime_ns)
    return Code(str(folder), files, tuple(left_out))


def _walk(folder: Path, left_out: list[str]) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        here = Path(place)
        for name in list(folders):
            if name in LEFT_OUT or name.startswith(".") or (here / name / "pyvenv.cfg").exists():
                folders.remove(name)
                if name in ("data", "datasets"):
                    left_out.append(f"{(here / name).relative_to(folder).as_posix()}/")
        folders.sort()
        yield from (here / name for name in sorted(names) if not name.startswith(".") and (here / name).is_file())


def is_here(code: Code) -> bool:
    """Whether the folder is also on this machine: the same files, of the same times."""
    folder = Path(code.folder)
    try:
        here = {name: (folder / name).stat() for name in code.files}
    except OSError:
        return False
    same = (
        here[name].st_mtime_ns == file.mtime_ns and here[name].st_size == len(file.data)
        for name, file in code.files.items()
    )
    return folder.is_dir() and all(same)
