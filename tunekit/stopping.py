"""A request to stop (Ctrl-C, SIGTERM, SIGHUP, a budget that is used up): something to ask for, and what is done where
nobody asks, for a person's code does not return."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from tunekit.vocabulary import Interrupted

GRACE_S = 5.0  # what a request to stop waits until somebody asks for it
CAUGHT_S = 10.0  # what code that has caught Stop may go on for, or our own take to save, until the process is ended
FREED = b"\r\n\x1b[?25h"  # of a terminal on which lines are written over: one for what is said, and its cursor
EXIT_CODE = 130  # of a program that was interrupted
SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM"}
HANGUP = getattr(signal, "SIGHUP", None)  # the terminal was closed
if HANGUP is not None:
    SIGNALS[HANGUP] = "ended by SIGHUP, for its terminal was closed"
ALARM = getattr(signal, "SIGALRM", None)  # what ends the grace period
HANDLED = (*SIGNALS, *([ALARM] if ALARM is not None else []))


class Stop(KeyboardInterrupt):
    """A request to stop that waits no longer. A KeyboardInterrupt that a person's code raises is none."""


def is_request(error: BaseException) -> bool:
    """Whether an exception is a person's wish to stop, and not what their code raised: by our handlers, or by Python's
    own where ours do not stand."""
    if isinstance(error, Stop):
        return True
    if not isinstance(error, KeyboardInterrupt) or threading.current_thread() is not threading.main_thread():
        return False
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler


class _Request:
    """What the handlers know: what was asked for, and whether Stop was raised for it."""

    def __init__(self, grace_s: float) -> None:
        self.grace_s, self.asked, self.raised = grace_s, "", False
        self.waiting = False  # for the alarm, which is ours until then
        self.process = os.getpid()

    def take(self, number: int, _frame: FrameType | None = None) -> None:
        if os.getpid() != self.process:  # one that a person's code has forked
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if self.asked and number == HANGUP:
            return  # the terminal and the shell both send one, and nobody is impatient
        if number == ALARM and not self.waiting:
            return  # of a person's own
        if not self.asked:
            self.asked = SIGNALS[signal.Signals(number)]
            if self.grace_s:
                self._wait(self.grace_s)
                return
        if self.raised:
            # The code caught Stop and goes on.
            os.write(2, FREED if os.isatty(2) else b"")
            os.write(2, b"interrupted, and ended at once: what was saved stays, and the same command goes on from it\n")
            os._exit(EXIT_CODE)
        self.raised = True
        self._wait(CAUGHT_S)
        raise Stop

    def _wait(self, seconds: float) -> None:
        if ALARM is not None:
            signal.signal(ALARM, self.take)  # the code may have put its own, or ignore it
            self.waiting = True
            _set_timer(seconds)

    def heard(self) -> None:
        """Somebody has asked, or Stop has left the code: the alarm is not needed."""
        if self.waiting:
            self.waiting = False
            _set_timer(0)


_requests: list[_Request] = []


def has_left() -> None:
    """Stop has left a person's code: what follows is our own, and may take its time to save."""
    for request in _requests:
        request.heard()


@contextmanager
def _handled(request: _Request) -> Iterator[None]:
    """The handlers, where they can be put: in the main thread. A caller's timer is held meanwhile, and goes on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = list(HANDLED)
    if HANGUP is not None and signal.getsignal(HANGUP) is signal.SIG_IGN:
        numbers.remove(HANGUP)  # by nohup: the run outlives its terminal
    _requests.append(request)
    start, (left_s, every_s) = time.monotonic(), _set_timer(0)
    before = {number: signal.signal(number, request.take) for number in numbers}
    try:
        yield
    finally:
        _set_timer(0)
        _requests.remove(request)
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if left_s:
            _set_timer(max(left_s - (time.monotonic() - start), 1e-3), every_s)


def _set_timer(seconds: float, every_s: float = 0) -> tuple[float, float]:
    """What sends SIGALRM, where there is such a thing; the one that stood before: seconds left, and between two."""
    return signal.setitimer(signal.ITIMER_REAL, seconds, every_s) if ALARM is not None else (0.0, 0.0)


@contextmanager
def stopping(budget_s: float | None) -> Iterator[Callable[[], str | None]]:
    """Ctrl-C, SIGTERM, SIGHUP and the budget as something to ask for. Where nobody asks in GRACE_S, and at a second
    Ctrl-C, what runs is left at once; a further one, where it caught that, ends the process. Errors: Interrupted."""
    request = _Request(GRACE_S)
    deadline = None if budget_s is None else time.monotonic() + budget_s

    def why() -> str | None:
        if request.asked:
            request.heard()
            return request.asked
        return "the budget is used up" if deadline is not None and time.monotonic() > deadline else None

    with _handled(request):
        try:
            yield why
        except Stop:
            raise Interrupted(request.asked) from None


@contextmanager
def stopped_at_once() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP leave what runs, for there is nothing to save; a second Ctrl-C, where it caught that,
    ends the process. Errors: Interrupted."""
    request = _Request(0)
    with _handled(request):
        try:
            yield
        except Stop:
            raise Interrupted(request.asked) from None
