"""What lives in a worker process of Ray's: carries requests out, and sends files home where it sees no run folder."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tunekit.executors.base import Event, carry_out
from tunekit.executors.parcel import Code, Files, changes, is_here, listing, unpack
from tunekit.layout import TRAININGS
from tunekit.store import Store
from tunekit.vocabulary import Measurement, Training
from tunekit.worker import Worker, Workspace

if TYPE_CHECKING:
    from ray import ObjectRef


class Host:
    """What lives in a worker process of Ray's. Nothing here knows whether the machine is the supervisor's own."""

    def __init__(self) -> None:
        import torch  # noqa: F401 - while the supervisor still prepares the first request

        self._worker = Worker()
        self._stopped: set[int] = set()
        self._places: dict[str, str] = {}  # recipe folders of the supervisor's machine, and where they are on this one
        self._scratches: list[Path] = []

    @property
    def _scratch(self) -> Path:
        """A folder of this worker's own, for what it cannot read or write where the supervisor can."""
        if not self._scratches:
            self._scratches.append(Path(tempfile.mkdtemp(prefix="tunekit-")))
        return self._scratches[0]

    def sees(self, token: str) -> bool:
        return Path(token).exists()

    def stop(self, handle: int) -> None:
        self._stopped.add(handle)

    def end(self) -> None:
        for place in self._scratches:
            shutil.rmtree(place, ignore_errors=True)

    def carry_out(
        self,
        handle: int,
        request: Training | Measurement,
        workspace: Workspace,
        shipped: list[ObjectRef[Code]],
        seed: Files | None,
        shared: bool,
    ) -> Iterator[Event | Files]:
        """Events of a request and, where a seed came with it, what has changed in the training's files before each."""
        import ray

        code = ray.get(shipped[0])
        local = replace(workspace, folder=self._place(code, shared))
        if seed is None:
            for event in self._run(handle, request, local):
                yield _as_told_there(event, local, workspace, code)
            return
        local = replace(local, trainings=str(self._scratch / TRAININGS))
        folder = training_folder(request, local)
        unpack(folder, seed)
        known = listing(folder)
        try:
            for event in self._run(handle, request, local):
                files, known = changes(folder, known)
                if files:
                    yield files  # before the event: what is said to be done is at home
                yield _as_told_there(event, local, workspace, code)
            files, known = changes(folder, known)
            if files:
                yield files
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, handle: int, request: Training | Measurement, workspace: Workspace) -> Iterator[Event]:
        return carry_out(self._worker, handle, request, workspace, lambda: handle in self._stopped)

    def _place(self, code: Code, shared: bool) -> str:
        """Where the recipe's folder is on this machine: at the same place, or else unpacked."""
        if code.folder not in self._places:
            if shared and is_here(code):
                self._places[code.folder] = code.folder
            else:
                place = self._scratch / "code" / str(len(self._places))
                unpack(place, code.files)
                self._places[code.folder] = str(place)
        return self._places[code.folder]


def _as_told_there(event: Event, local: Workspace, workspace: Workspace, code: Code) -> Event:
    """The event with the supervisor's paths for those of this machine."""
    text = event.error
    if not text or local == workspace:
        return event
    sent = local.folder != workspace.folder and local.folder in text
    text = text.replace(local.trainings, workspace.trainings).replace(local.folder, workspace.folder)
    if sent and code.left_out:
        text += f" (not sent to the node with the recipe: {', '.join(code.left_out)}; give a path that every node sees)"
    if event.kind == "storage" and local.trainings != workspace.trainings:
        # The node's disk, not that of the run: another node may do better.
        return replace(event, kind="failed", error=f"{event.error} (on the Ray node {socket.gethostname()})")
    return replace(event, error=text)


def training_folder(request: Training | Measurement, workspace: Workspace) -> Path:
    return Store(Path(workspace.trainings)).entry(request.config).path
