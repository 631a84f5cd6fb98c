"""A run's studies: where its manifest says that they lie, and those of several runs in one dashboard."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from tunekit.rundir import RunDir, RunFolder, read_run
from tunekit.stopping import stopping
from tunekit.studies import MASK, Studies, absolute, masked, open_storage, quiet
from tunekit.vocabulary import Interrupted, UserError


def open_studies(run: RunDir, given: str | None = None) -> Studies:
    """The run's studies: in its journal, or in the storage that its first command gave, which the manifest remembers
    (without the password, if there is one). Errors: UserError."""
    kept = run.manifest().get("studies", {})
    url = absolute(given) if given else kept.get("storage")
    if given and masked(url) != kept.get("storage") and (kept or run.journal.exists()):
        raise UserError(
            f"--storage {masked(url)}: the studies of this run are in {kept.get('storage', run.journal)}; "
            "leave --storage out, or start another run with --name"
        )
    if url is None:
        return Studies(open_storage(run.journal))
    if MASK in url:
        raise _password_missing(run, url)
    storage = open_storage(run.journal, url)
    if not kept:
        # Others' runs in one database may have the same name.
        kept = {"storage": masked(url), "prefix": f"{run.name}-{uuid.uuid4().hex[:6]}/"}
        run.note(studies=kept)
    return Studies(storage, kept["prefix"])


def _password_missing(run: RunFolder, url: str) -> UserError:
    return UserError(f"{run.path}: its studies are in {url}, whose password is not kept: give --storage URL again")


def serve_dashboard(
    paths: Sequence[Path], storage: str | None, port: int, ready: Callable[[str], None], warn: Callable[[str], None]
) -> None:
    """Serve the studies of runs in optuna-dashboard until the person ends it: `ready` is told its URL, `warn` what goes
    wrong with a run meanwhile. Errors: UserError; Interrupted at the end."""
    from tunekit.studies.copies import Source
    from tunekit.studies.dashboard import serve

    runs = list(dict.fromkeys(map(read_run, paths)))
    urls = [studies_url(run, storage) for run in runs]
    if storage is not None and absolute(storage) not in urls:
        raise UserError(f"--storage {masked(storage)}: none of these runs has its studies there; leave --storage out")
    sources = []
    for run, url, name in zip(runs, urls, distinct_names([run.path for run in runs]), strict=True):
        figures = {step: run.figure(step) for step in run.steps()}
        prefix = run.manifest().get("studies", {}).get("prefix", "")
        sources.append(Source(name, run.journal, url, prefix, figures))
    with quiet(), stopping(None) as stop:
        serve(sources, port, stop, ready, warn)
        raise Interrupted(stop())


def studies_url(run: RunFolder, given: str | None) -> str | None:
    """Where a run's studies are, None for its journal. `given`: with the password that the manifest does not keep."""
    url: str | None = run.manifest().get("studies", {}).get("storage")
    if given is not None and url == masked(absolute(given)):
        return absolute(given)
    if url is not None and MASK in url:
        raise _password_missing(run, url)
    return url


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, each with as many of the folders above it as tell it from the others."""

    def name(folder: Path) -> str:
        for depth in range(1, len(folder.parts)):
            end = folder.parts[-depth:]
            if sum(other.parts[-depth:] == end for other in folders) == 1:
                return "/".join(end)
        return str(folder)

    return [name(folder) for folder in folders]
