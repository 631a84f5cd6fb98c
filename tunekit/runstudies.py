"""A run's studies: where its manifest says that they lie, and those of several runs in one dashboard."""

from __future__ import annotations

import os
import shlex
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from tunekit.rundir import RunDir, RunFolder, read_run
from tunekit.stopping import stopping
from tunekit.studies import OPTION, Address, Studies, given_address, open_database, open_journal, quiet, read_address
from tunekit.vocabulary import Interrupted, UserError

Tell = Callable[[str], None]


def open_studies(run: RunDir, given: str | None = None, tell: Tell | None = None) -> Studies:
    """The run's studies, to be written: in its journal, or in the storage that its first command gave, which the
    manifest remembers by driver, host and database. `given`: a storage's URL, or a file that holds it. `tell` is told
    of a damaged journal that is put aside; where there is none it is refused. Errors: UserError."""
    kept, known = run.noted("studies"), _known(run)
    address = _given(run, given, known, is_new=not kept and not run.journal.exists())
    if address is None and known is None:
        return Studies(open_journal(run.journal, tell))
    if address is None:
        assert known is not None
        if not known.complete:
            raise _to_be_given(run, known)
        if known.file is not None and not known.file.exists():
            raise UserError(
                f"{run.path}: its studies are in {known.shown}, which is gone: give --storage with its place"
            )
        address = known
    storage = open_database(address)
    place = {"storage": address.shown, "complete": address.complete}
    if address.file is not None:
        place["file"] = os.path.relpath(address.file, run.path)
    # Others' runs in one database may have the same name.
    prefix = str(kept.get("prefix") or f"{run.name}-{uuid.uuid4().hex[:6]}/")
    if {**place, "prefix": prefix} != kept:
        run.note(studies={**place, "prefix": prefix})
    return Studies(storage, prefix, address)


def studies_address(run: RunFolder, given: str | None = None) -> Address | None:
    """Where a run's studies are to be read: None for its journal. A database that only the run names is not opened, for
    the run may come from anybody. Errors: UserError."""
    known = _known(run)
    address = _given(run, given, known, is_new=False)
    if address is None and known is not None:
        raise _to_be_given(run, known)
    return address


def _known(run: RunFolder) -> Address | None:
    """The storage that the manifest names; None for the journal. An SQLite file that moved with the run is found."""
    kept = run.noted("studies")
    if not kept:
        return None
    try:
        known = read_address(str(kept["storage"]))
    except (KeyError, UserError):
        raise UserError(f"{run.path}: its manifest names a storage that cannot be read; give --storage again") from None
    beside = kept.get("file")
    if known.file is not None and isinstance(beside, str) and (run.path / beside).is_file():
        return read_address(f"{known.shown.partition(':///')[0]}:///{run.path / beside}")
    return Address(known.url, known.shown, known.complete and kept.get("complete") is not False)


def _given(run: RunFolder, given: str | None, known: Address | None, is_new: bool) -> Address | None:
    """The storage that was given with the command: it is the run's own, or another error. One of the environment is for
    runs that are new, or have their studies there."""
    if given is not None:
        address = given_address(given)
        same = known is not None and known.shown == address.shown
        moved = known is not None and known.file is not None and not known.file.exists() and address.file is not None
        if not (is_new or same or moved):
            raise UserError(
                f"--storage {address.shown}: the studies of this run are in {known.shown if known else run.journal}; "
                "leave --storage out, or start another run with --name"
            )
        return address
    if not os.environ.get(OPTION):
        return None
    address = given_address(os.environ[OPTION])
    return address if is_new or (known is not None and known.shown == address.shown) else None


def _to_be_given(run: RunFolder, known: Address) -> UserError:
    if known.complete:
        what = f": give --storage {shlex.quote(known.shown)}"
    else:
        what = ", whose user and password are not kept: give --storage URL again"
    return UserError(f"{run.path}: its studies are in {known.shown}{what}, or set {OPTION}")


def serve_dashboard(paths: Sequence[Path], storages: Sequence[str], port: int, ready: Tell, warn: Tell) -> None:
    """Serve the studies of runs in optuna-dashboard until the person ends it. `storages`: where those of some are, in
    no order; `ready` is told its URL, `warn` what goes wrong with a run meanwhile. Errors: UserError; Interrupted at
    the end."""
    from tunekit.studies.copies import Source
    from tunekit.studies.dashboard import serve

    runs = list(dict.fromkeys(map(read_run, paths)))
    given = {given_address(text).shown: text for text in storages}
    known = {run: place.shown for run in runs if (place := _known(run)) is not None}
    for shown in given.keys() - set(known.values()):
        raise UserError(f"--storage {shown}: none of these runs has its studies there; leave --storage out")
    sources = []
    for run, name in zip(runs, distinct_names([run.path for run in runs]), strict=True):
        figures = {step: run.figure(step) for step in run.steps()}
        address = studies_address(run, given.get(known.get(run, "")))
        sources.append(Source(name, run.journal, address, str(run.noted("studies").get("prefix", "")), figures))
    with quiet(), stopping(None) as stop:
        serve(sources, port, stop, ready, warn)
        raise Interrupted(stop())


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, each with as many of the folders above it as tell it from the others."""

    def name(folder: Path) -> str:
        for depth in range(1, len(folder.parts)):
            end = folder.parts[-depth:]
            if sum(other.parts[-depth:] == end for other in folders) == 1:
                return "/".join(end)
        return str(folder)

    return [name(folder) for folder in folders]
