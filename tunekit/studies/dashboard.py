"""optuna-dashboard on this machine's own address, over copies of runs' studies: what runs leave is only read."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from tunekit.studies.copies import Copies, RunCopy, Source
from tunekit.vocabulary import UserError

HOST = "127.0.0.1"
REFRESH_S = 1.0  # seconds between two looks at a run
SHARE = 0.1  # of the time that may be spent on looking, where a look takes long: at a large database
POLL_S = 0.1  # seconds until a request to stop is noticed

Tell = Callable[[str], None]


def serve(sources: Sequence[Source], port: int, stop: Callable[[], object], ready: Tell, warn: Tell) -> None:
    """Serve until `stop` says so. `port`: 0 for any free one. `ready` is told the URL, `warn` what goes wrong with a
    run meanwhile. Errors: UserError where the dashboard is not installed, the port is taken, or a run cannot be read.
    """
    try:
        from optuna_dashboard import wsgi
    except ImportError:
        raise UserError(
            'optuna-dashboard is not installed: pip install ".[dashboard]" in the checkout of tunekit'
        ) from None
    # What cannot be drawn, the page says; here nobody would know of which plot it is said.
    logging.getLogger("optuna_dashboard").addHandler(logging.NullHandler())
    warnings.simplefilter("ignore", UserWarning)
    with tempfile.TemporaryDirectory(prefix="tunekit-dashboard-") as folder, _bound(port) as server:
        copies = Copies(Path(folder))
        runs = [RunCopy(source, copies) for source in sources]
        for run in runs:
            run.refresh()
        server.set_app(wsgi(copies.storage, artifact_store=copies.artifacts))
        Thread(target=server.serve_forever, daemon=True).start()
        ready(f"http://{HOST}:{server.server_port}/")
        try:
            _keep_up(runs, stop, warn)
        finally:
            server.shutdown()


def _keep_up(runs: Sequence[RunCopy], stop: Callable[[], object], warn: Tell) -> None:
    due = dict.fromkeys(runs, time.monotonic() + REFRESH_S)
    troubles: dict[RunCopy, str] = {}
    while not stop():
        for run in runs:
            begun = time.monotonic()
            if begun < due[run]:
                continue
            try:
                run.refresh()
                troubles.pop(run, None)
            except UserError as error:
                if troubles.get(run) != str(error):
                    warn(str(error))
                troubles[run] = str(error)
            ended = time.monotonic()
            due[run] = ended + max(REFRESH_S, (ended - begun) / SHARE)
        time.sleep(POLL_S)


@contextmanager
def _bound(port: int) -> Iterator[WSGIServer]:
    try:
        server = _Server((HOST, port), _Handler)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(f"--port {port}: {reason}; choose another one, or --port 0 for any that is free") from None
    with server:
        yield server


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a browser that went away is none
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: each page asks every few seconds."""
