"""A command in a process that is watched: what it does outside a run's folder is written down, by audit events.

python watched.py SPEC: a JSON file with the words of each call and its run; prints what was seen of each, as JSON.
"""

import contextlib
import io
import json
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
MOVES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.truncate")
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty")
REACHES = ("socket.connect", "socket.getaddrinfo", "sqlite3.connect", "pickle.find_class", "urllib.Request")


class Watch:
    def __init__(self) -> None:
        self.allowed: tuple[str, ...] = ()
        self.forbidden = ""
        self.seen: list[str] | None = None

    def hook(self, event: str, args: tuple) -> None:
        if self.seen is None:
            return
        seen, self.seen = self.seen, None  # what is done here is not watched
        try:
            told = self._told(event, args)
            if told:
                seen.append(told)
        finally:
            self.seen = seen

    def _told(self, event: str, args: tuple) -> str:
        if event == "open":
            path, mode, flags = args
            writes = any(letter in (mode or "") for letter in "wax+") or (flags or 0) & WRITES
            if isinstance(path, int):
                return ""
            return self._place("opened for writing" if writes else "opened", path, reads=not writes)
        if event in MOVES:
            # Of a path that hangs on an open folder the folder comes after it.
            folders = [f"/proc/self/fd/{place}" for place in args[1:] if isinstance(place, int) and place > 2]
            paths = [Path(*folders[:1], os.fsdecode(path)) for path in args[:2] if isinstance(path, str | bytes)]
            return next((told for path in paths if (told := self._place(event, path))), "")
        if event == "subprocess.Popen" and args[0] == "fc-list":
            return ""  # matplotlib asks which fonts there are
        if event in REACHES or event in STARTS:
            return f"{event}: {args[0]!r}"
        if event == "exec":
            file = str(getattr(args[0], "co_filename", ""))
            return f"ran {file}" if file.startswith(self.allowed[0]) or "evil" in file else ""
        return ""

    def _place(self, what: str, path: object, reads: bool = False) -> str:
        if not isinstance(path, str | bytes | os.PathLike):
            return ""
        real = os.path.realpath(os.fsdecode(path))
        if reads:
            return f"{what}: {real}" if real.startswith(self.forbidden) else ""
        fine = real == os.devnull or any(real == place or real.startswith(f"{place}/") for place in self.allowed)
        return "" if fine else f"{what}: {real}"


def interrupt_when_ready(out: io.StringIO, ended: threading.Event) -> None:
    """The dashboard tells its address once it has read the runs; then it is ended."""
    while not ended.wait(0.05):
        if "http://" in out.getvalue():
            os.kill(os.getpid(), signal.SIGINT)
            return


def call(watch: Watch, words: list[str], run: str, victim: str) -> dict:
    from tunekit import cli

    watch.allowed = (os.path.realpath(run), os.path.realpath(tempfile.gettempdir()))
    watch.forbidden = os.path.realpath(victim)
    sys.argv = ["tunekit", *words]
    code: object = None
    out, err = io.StringIO(), io.StringIO()
    ended = threading.Event()
    if words[0] == "dashboard":
        threading.Thread(target=interrupt_when_ready, args=(out, ended), daemon=True).start()
    watch.seen = seen = []
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as end:
        code = end.code
    finally:
        watch.seen = None
        ended.set()
    return {"code": code, "out": out.getvalue(), "err": err.getvalue(), "seen": seen}


def main() -> None:
    sys.path.pop(0)  # where this file lies, beside the stranger's code
    watch = Watch()
    sys.addaudithook(watch.hook)
    answers = []
    if "UNGUARDED" in os.environ:
        from tunekit import rundir

        rundir.leads_out = lambda _folder: ""
    for item in json.loads(Path(sys.argv[1]).read_text()):
        os.chdir(Path(item["run"]).parent)
        answers.append(call(watch, item["words"], item["run"], item["victim"]))
    json.dump(answers, sys.__stdout__)


if __name__ == "__main__":
    main()
