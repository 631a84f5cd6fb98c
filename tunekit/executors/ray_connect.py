"""Ray, started on this machine or reached by its address, and kept from writing on the screen."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import tempfile
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from tunekit.executors import cores
from tunekit.vocabulary import Interrupted, UserError

ADDRESS_FILE = "ray_current_cluster"  # where Ray notes the cluster that was started last on a machine
HIGHEST_PORT = 65535


def connect(jobs: int, address: str | None) -> tuple[ModuleType, bool]:
    """Ray, connected, and whether this call did it. Errors: UserError, Interrupted."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is None:
        # Ray answers whoever can reach it and runs what they send: one that is started here keeps to the loopback
        # interface. Its name for that is of its own history.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError:
        raise UserError(
            '--executor ray: Ray is not installed: pip install ".[ray]" in the checkout of tunekit'
        ) from None
    if ray.is_initialized():
        return ray, False
    options: dict[str, Any] = {"address": "local", "num_cpus": max(jobs, cores()), "include_dashboard": False}
    if address is not None:
        options = {"address": _reachable(address)}
    import tunekit

    # This package goes with the job, so that every node has it, and the same one.
    runtime = {
        "py_modules": [str(Path(tunekit.__file__).parent)],
        "env_vars": {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"},  # a worker that asked for no GPU sees none
    }
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**options, runtime_env=runtime, log_to_driver=False, logging_level=logging.CRITICAL)
    except SystemExit:  # what Ray makes of SIGTERM until its handler is replaced again, below
        ray.shutdown()
        raise Interrupted("ended by SIGTERM") from None
    except Exception as error:
        text = str(error).strip().splitlines()
        raise UserError(
            f"--executor ray: {address or 'Ray on this machine'}: {type(error).__name__}: {text[0] if text else ''}"
        ) from None
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)  # Ray puts its own in its place
    # What Ray has to say of a lost node goes to standard output, whatever its options; the executor says it itself.
    with contextlib.suppress(AttributeError):
        ray._private.worker.print_to_stdstream = lambda *_args, **_kwargs: None
    return ray, True


def _reachable(address: str) -> str:
    """The address, `auto` resolved, of a cluster that answers: Ray itself tries for minutes. Errors: UserError."""
    if "://" in address:
        raise UserError(
            f"--ray-address {address}: give HOST:PORT of the cluster's head, on a machine that has joined it "
            "(ray start --address=HOST:PORT)"
        )
    head = address
    if address == "auto":
        note = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) / "ray" / ADDRESS_FILE
        head = os.environ.get("RAY_ADDRESS") or (note.read_text().strip() if note.exists() else "")
    host, _, port = head.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > HIGHEST_PORT:
        raise UserError(f"--ray-address {address}: no cluster found; give HOST:PORT of its head, usually HOST:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError as error:
        raise UserError(
            f"--ray-address {address}: {head} does not answer ({error.strerror or error}); is the cluster running?"
        ) from None
    return head
