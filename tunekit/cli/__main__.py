"""`tunekit`, and `python -m tunekit.cli`: `main` in a process of its own."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading

from tunekit.cli import main
from tunekit.streams import others_alone


def run() -> None:
    """`main`, and at its end no taking apart of what torch leaves behind, which would cost most of a second."""
    code = 1  # of an error that --debug lets through

    def leave() -> None:  # the first registered, and so the last to be called
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)

    atexit.register(leave)
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
        raise
    finally:
        others_alone()
        if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
            atexit._run_exitfuncs()  # Python would wait first for a thread that a person's code has left


if __name__ == "__main__":
    run()
