"""A person's code as a guest of this process: what it prints goes to standard error, what it changes of the process is
put back, and what would end the program is told in one line. Neither torch nor NumPy is imported here: where nothing
has loaded them, there is nothing to put back."""

from __future__ import annotations

import locale
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, TextIO

from tunekit.stopping import SIGNALS, is_request
from tunekit.telling import raised, visible
from tunekit.vocabulary import UserError

CODE = "the recipe's code"
MOST_THREADS = 256
"""Threads that a stretch of a person's code may leave running: with thousands, nothing of ours could start one."""

Numbers = tuple[object, ...]
"""What torch computes by, in the order of NUMBERS."""

_notes: list[str] = []
_open: list[Visit] = []


def take_notes() -> list[str]:
    """What was put back since this was last asked, each kind once."""
    notes = list(dict.fromkeys(_notes))
    _notes.clear()
    return notes


def ended(who: str, error: BaseException) -> UserError:
    """What a person's code raised that would end the program, as an error of their input."""
    return UserError(f"{who} raised {raised(error)}, which would end the program")


def _torch() -> Any:
    return sys.modules["torch"]


NUMBERS: Mapping[str, Callable[[Any], object]] = {
    "the default dtype": lambda value: _torch().set_default_dtype(value),
    "the grad mode": lambda value: _torch().set_grad_enabled(value),
    "the inference mode": lambda _value: None,  # only what opened it can close it
    "the deterministic mode": lambda value: _torch().set_deterministic_debug_mode(value),
    "the float32 matmul precision": lambda value: _torch().set_float32_matmul_precision(value),
    "torch's number of threads": lambda value: _torch().set_num_threads(value),
    "the anomaly detection": lambda value: _torch().autograd.set_detect_anomaly(value),
    "the default device": lambda _value: _torch().set_default_device(None),
}
"""What of torch changes a number, and what writes it."""


def numbers() -> Numbers:
    """Read in less than a microsecond, so after each iteration. A default device shows as a mode on torch's stack: to
    ask for it would take five times as long as all else."""
    torch = sys.modules.get("torch")
    if torch is None:
        return ()
    return (
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_deterministic_debug_mode(),
        torch.get_float32_matmul_precision(),
        torch.get_num_threads(),
        torch.is_anomaly_enabled(),
        torch._C._len_torch_function_stack(),
    )


def put_back(before: Numbers, who: str = CODE) -> None:
    """Put back what torch computed by, and note what had been changed. Errors: UserError where that cannot be done."""
    after = numbers()
    if not before or after == before:
        return
    device = str(_torch().get_default_device())
    for (name, write), old, new in zip(NUMBERS.items(), before, after, strict=True):
        if old != new:
            write(old)
            _notes.append(f"{who} changed {name} to {device if name == 'the default device' else new}; put back")
    for name, old, new in zip(NUMBERS, before, numbers(), strict=True):
        if old != new:
            raise UserError(f"{who} changed {name}, which cannot be put back; change it in a `with` block alone")


class Setting(NamedTuple):
    """Something of the process that code may change. `stays`: what a module sets as it is imported, its functions may
    count on later; each process that runs them has imported it."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    told: Callable[[Any, Any], str] = lambda _before, _after: ""
    stays: bool = False


def _to(_before: object, after: object) -> str:
    return f" to {visible(after)}"


def _names(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """The variables and no values, which may be secret."""
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return f" ({visible(', '.join(changed[:5]))}{', ...' if len(changed) > 5 else ''})"


LIBRARIES = ("TORCH", "PYTORCH", "KMP_", "OMP_")
"""What the variables begin with that torch and scikit-learn set as they are imported, at whatever time that is."""


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(LIBRARIES)}


def _set_environment(values: Mapping[str, str]) -> None:
    for name in _environment():
        if name not in values:
            del os.environ[name]
    for name, value in values.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _handlers() -> tuple[Any, ...]:
    return tuple(map(signal.getsignal, SIGNALS))


def _set_handlers(handlers: tuple[Any, ...]) -> None:
    for number, handler in zip(SIGNALS, handlers, strict=True):
        signal.signal(number, handler)


def _errors_of_numpy() -> Any:
    numpy = sys.modules.get("numpy")
    return numpy.geterr() if numpy else {}


def _set_errors_of_numpy(values: Mapping[str, str]) -> None:
    if values:
        sys.modules["numpy"].seterr(**values)


def _arithmetic() -> Any:
    decimal = sys.modules.get("decimal")
    if decimal is None:
        return None
    context = decimal.getcontext()
    return {name: getattr(context, name) for name in ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")}


def _set_arithmetic(values: Mapping[str, Any] | None) -> None:
    for name, value in (values or {}).items():
        setattr(sys.modules["decimal"].getcontext(), name, value)


def _strict() -> int:
    """How many warnings are made errors: ours would be as well, and those of the libraries that we use."""
    return sum(action == "error" for action, *_ in warnings.filters)


def _no_longer_strict(count: int) -> None:
    strict = [entry for entry in warnings.filters if entry[0] == "error"]
    stay = strict[len(strict) - count :]  # the latest come first
    filters: Any = warnings.filters
    filters[:] = [entry for entry in filters if entry[0] != "error" or entry in stay]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _import_places(places: list[str]) -> None:
    """Those that were taken out come back; those that came stay, for what is imported from them later."""
    sys.path[:] = [*sys.path, *(place for place in places if place not in sys.path)]


SETTINGS = (
    Setting("the current folder", os.getcwd, os.chdir, _to),
    Setting("environment variables", _environment, _set_environment, _names, stays=True),
    Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit, _to, stays=True),
    Setting("what Ctrl-C and SIGTERM do", _handlers, _set_handlers),
    Setting("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda v: locale.setlocale(locale.LC_ALL, v), _to),
    Setting("what NumPy does at floating-point errors", _errors_of_numpy, _set_errors_of_numpy),
    Setting("the decimal context", _arithmetic, _set_arithmetic),
    Setting("warnings to errors", _strict, _no_longer_strict),
)


class Visit:
    """A stretch of a person's code. Not for what runs in each iteration: it takes about 0.1 ms.

    Errors: UserError for what would end the program, and for what cannot be put back.
    """

    def __init__(self, who: str = CODE, importing: bool = False) -> None:
        self.who, self.importing = who, importing

    def __enter__(self) -> None:
        self.settings = [setting.read() for setting in SETTINGS]
        self.places = list(sys.path)
        self.numbers = numbers()
        self.threads = threading.active_count()
        self.streams = sys.stdout, sys.stderr
        self.descriptors = {number: _duplicate(number) for number in (1, 2)}
        sys.stdout = sys.stderr
        _open.append(self)
        if self.importing:
            _seed()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: TracebackType | None) -> None:
        _open.remove(self)
        trouble = self._close_streams()
        try:
            self._put_back()
            put_back(self.numbers or _fresh(), self.who)
        except (OSError, ValueError, UserError) as other:
            trouble = trouble or str(other)
        if error is None:
            more = threading.active_count() - self.threads
            if more > MOST_THREADS:
                trouble = trouble or f"{self.who} left {more} threads running; at most {MOST_THREADS}"
            if trouble:
                raise UserError(trouble)
        elif not isinstance(error, Exception) and not is_request(error):
            raise ended(self.who, error) from error

    def _put_back(self) -> None:
        _import_places(self.places)
        for place, (setting, before) in enumerate(zip(SETTINGS, self.settings, strict=True)):
            after = setting.read()
            if after == before:
                continue
            if setting.stays and self.importing:
                for visit in _open:
                    visit.settings[place] = after
            elif before is not None and before != {}:
                setting.write(before)
                _notes.append(f"{self.who} changed {setting.name}{setting.told(before, after)}; put back")

    def _close_streams(self) -> str:
        """Standard output and error as they were; what was closed, in one line."""
        whole = True
        for number, (kept, identity) in self.descriptors.items():
            if kept is None:
                continue
            if _identity(number) != identity:
                os.dup2(kept, number)
                whole = False
            os.close(kept)
        sys.stdout, sys.stderr = self.streams
        if getattr(sys.stderr, "closed", False):
            sys.stderr = _written_to(2)
            whole = False
        return "" if whole else f"{self.who} closed standard output or error, where others write; leave them open"


def _seed() -> None:
    """What a module draws as it is imported is the same in every process."""
    for name, seed in (("random", "seed"), ("numpy.random", "seed"), ("torch", "manual_seed")):
        if name in sys.modules:
            getattr(sys.modules[name], seed)(0)


def _fresh() -> Numbers:
    """What torch computes by where it was loaded by the code itself."""
    torch = sys.modules.get("torch")
    return (torch.float32, True, False, 0, "highest", torch.get_num_threads(), False, 0) if torch else ()


def _identity(number: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(number)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _duplicate(number: int) -> tuple[int | None, tuple[int, int] | None]:
    identity = _identity(number)
    return (None if identity is None else os.dup(number)), identity


def _written_to(number: int) -> TextIO:
    return open(number, "w", buffering=1, errors="backslashreplace", closefd=False)
