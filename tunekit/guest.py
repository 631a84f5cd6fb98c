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
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from tunekit.stopping import HANDLED, has_left, is_request
from tunekit.streams import Kept
from tunekit.telling import raised, visible
from tunekit.vocabulary import UserError

CODE = "the recipe's code"
MOST_THREADS = 256
"""Threads that a person's code may leave running in a process: with thousands, nothing of ours could start one."""

Numbers = tuple[object, ...]
"""What torch computes by, in the order of `_table`."""

_notes: list[str] = []
_open: list[Visit] = []
_threads: list[set[threading.Thread]] = []
"""Those that ran at the process's first visit: one of them that ends later makes no room."""


def take_notes() -> list[str]:
    """What was put back since this was last asked, each kind once."""
    notes = list(dict.fromkeys(_notes))
    _notes.clear()
    return notes


def ended(who: str, error: BaseException) -> UserError:
    """What a person's code raised that would end the program, as an error of their input."""
    return UserError(f"{who} raised {raised(error)}, which would end the program")


class Number(NamedTuple):
    """Something of torch that changes what is computed. `instead`: what a recipe has for it."""

    name: str
    read: Callable[[], object]
    write: Callable[[Any], object]
    instead: str = ""


@cache
def _table() -> tuple[Number, ...]:
    """A default device shows as a mode on torch's stack: to ask for it would take five times as long as all else."""
    torch = sys.modules["torch"]
    return (
        Number("the default dtype", torch.get_default_dtype, torch.set_default_dtype),
        Number("the grad mode", torch.is_grad_enabled, torch.set_grad_enabled),
        Number("the inference mode", torch.is_inference_mode_enabled, lambda _: None),  # only what opened it closes it
        Number("the deterministic mode", torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
        Number("the float32 matmul precision", _matmul_precision, torch.set_float32_matmul_precision, FASTER),
        Number("torch's number of threads", torch.get_num_threads, torch.set_num_threads, "a recipe has `threads`"),
        Number("the anomaly detection", torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
        Number(
            "the default device",
            torch._C._len_torch_function_stack,
            lambda _: torch.set_default_device(None),
            "a recipe has `device`",
        ),
        Number("the autocast", _autocast, _set_autocast, "a recipe has `precision`"),
        Number("which attentions torch takes", _attentions, _set_attentions),
        Number("the flushing of denormal numbers", _flushes, torch.set_flush_denormal),
    )


FASTER = "a recipe has `precision: bf16` to compute faster, and none for TF32"


def _matmul_precision() -> object:
    try:
        return sys.modules["torch"].get_float32_matmul_precision()
    except RuntimeError:
        return "one of `fp32_precision`"  # once that is set, torch refuses to answer


def _autocast() -> tuple[object, ...]:
    """For CPU and GPU, and how many are open, which torch tells as it changes."""
    torch = sys.modules["torch"]
    torch.autocast_increment_nesting()
    return (
        torch.autocast_decrement_nesting(),
        torch.is_autocast_enabled("cpu"),
        torch.get_autocast_dtype("cpu"),
        torch.is_autocast_enabled("cuda"),
        torch.get_autocast_dtype("cuda"),
    )


def _set_autocast(values: tuple[Any, ...]) -> None:
    torch = sys.modules["torch"]
    depth, *states = values
    for device, enabled, dtype in zip(("cpu", "cuda"), states[::2], states[1::2], strict=True):
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, dtype)
    while _autocast()[0] != depth:
        torch.autocast_decrement_nesting()
    torch.clear_autocast_cache()  # the weights as they were cast: they are kept while one is open


def _attentions() -> tuple[bool, ...]:
    cuda = sys.modules["torch"].backends.cuda
    return cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled(), cuda.math_sdp_enabled(), cuda.cudnn_sdp_enabled()


def _set_attentions(values: tuple[bool, ...]) -> None:
    cuda = sys.modules["torch"].backends.cuda
    writers = (cuda.enable_flash_sdp, cuda.enable_mem_efficient_sdp, cuda.enable_math_sdp, cuda.enable_cudnn_sdp)
    for write, value in zip(writers, values, strict=True):
        write(value)


SMALLEST = sys.float_info.min  # of those that are no denormal numbers


def _flushes() -> bool:
    """Whether denormal numbers are taken for zero, which torch sets and does not tell."""
    return SMALLEST * 0.5 == 0


def numbers() -> Numbers:
    """Read in some microseconds, so after each iteration."""
    return tuple([number.read() for number in _table()]) if "torch" in sys.modules else ()


def put_back(before: Numbers, who: str = CODE) -> None:
    """Put back what torch computed by, and note what had been changed. Errors: UserError where that cannot be done."""
    after = numbers()
    if not before or after == before:
        return
    device = str(sys.modules["torch"].get_default_device())
    troubles = []
    for number, old, new in zip(_table(), before, after, strict=True):
        if old == new:
            continue
        try:
            number.write(old)
        except Exception as error:  # whatever torch has for it
            troubles.append(_trouble(who, number.name, error))
        else:
            told = device if number.name == "the default device" else new
            to = "" if isinstance(told, tuple) else f" to {told}"
            _note(f"{who} changed {number.name}{to}", number.instead)
    for number, old, new in zip(_table(), before, numbers(), strict=True):
        if old != new and not troubles:
            troubles.append(f"{who} changed {number.name}, which cannot be put back; change it in a `with` block alone")
    if troubles:
        raise UserError("; ".join(troubles))


def _note(change: str, instead: str) -> None:
    _notes.append(f"{change}; put back{': ' if instead else ''}{instead}")


def _trouble(who: str, name: str, error: Exception) -> str:
    return f"{who}: {name} cannot be put back: {visible(str(error).partition(chr(10))[0])}"


class Setting(NamedTuple):
    """Something of the process that code may change. `stays`: what a module sets as it is imported, its functions may
    count on later; each process that runs them has imported it."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    told: Callable[[Any, Any], str] = lambda _before, _after: ""
    stays: bool = False
    instead: str = ""


def _to(_before: object, after: object) -> str:
    return f" to {visible(after)}" if after is not None else ""


def _names(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """The names that changed and no values, which may be secret."""
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return f" ({visible(', '.join(changed[:5]))}{', ...' if len(changed) > 5 else ''})"


def _folder() -> str | None:
    """None where it is gone."""
    try:
        return str(Path.cwd())
    except OSError:
        return None


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
    return tuple(map(signal.getsignal, HANDLED))


def _set_handlers(handlers: tuple[Any, ...]) -> None:
    for number, handler in zip(HANDLED, handlers, strict=True):
        if signal.getsignal(number) != handler:
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


def _flags_of_cudnn() -> Mapping[str, object] | None:
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    cudnn = torch.backends.cudnn
    flags: dict[str, object] = {name: getattr(cudnn, name) for name in ("enabled", "benchmark", "deterministic")}
    try:
        flags["allow_tf32"] = cudnn.allow_tf32
    except RuntimeError:  # as torch calls it where convolutions and recurrent layers differ
        flags["allow_tf32"] = None
    return flags


def _set_flags_of_cudnn(values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if value is not None:
            setattr(sys.modules["torch"].backends.cudnn, name, value)


def _import_places(places: list[str]) -> None:
    """Those that were taken out come back; those that came stay, for what is imported from them later."""
    sys.path[:] = [*sys.path, *(place for place in places if place not in sys.path)]


SETTINGS = (
    Setting("the current folder", _folder, os.chdir, _to),
    Setting("environment variables", _environment, _set_environment, _names, stays=True),
    Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit, _to, stays=True),
    Setting("what signals do", _handlers, _set_handlers),
    Setting("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda v: locale.setlocale(locale.LC_ALL, v), _to),
    Setting("what NumPy does at floating-point errors", _errors_of_numpy, _set_errors_of_numpy),
    Setting("the decimal context", _arithmetic, _set_arithmetic),
    Setting("warnings to errors", _strict, _no_longer_strict),
    Setting("cuDNN's flags", _flags_of_cudnn, _set_flags_of_cudnn, _names, instead="a recipe has no key for them"),
)


class Visit:
    """A stretch of a person's code. Not for what runs in each iteration: it takes some 0.3 ms.

    Errors: UserError for what would end the program, and for what cannot be put back.
    """

    def __init__(self, who: str = CODE, importing: bool = False) -> None:
        self.who, self.importing = who, importing

    def __enter__(self) -> None:
        self.settings = [setting.read() for setting in SETTINGS]
        self.places = list(sys.path)
        self.numbers = numbers()
        if not _threads:
            _threads.append(set(threading.enumerate()))
        self.streams = Kept()
        _open.append(self)
        if self.importing:
            _seed()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: TracebackType | None) -> None:
        _open.remove(self)
        troubles = [] if self.streams.put_back() else [f"{self.who} {CLOSED}"]
        troubles += self._put_back()
        try:
            put_back(self.numbers, self.who)
        except UserError as trouble:
            troubles.append(str(trouble))
        more = len(set(threading.enumerate()) - _threads[0])
        if more > MOST_THREADS:
            troubles.append(f"{self.who} left {more} threads running; at most {MOST_THREADS}")
        if error is None and troubles:
            raise UserError("; ".join(troubles))
        _notes.extend(troubles)
        if error is not None and is_request(error):
            has_left()
        elif error is not None and not isinstance(error, Exception):
            raise ended(self.who, error) from error

    def _put_back(self) -> list[str]:
        """Each setting on its own; those that cannot be put back, each in a line."""
        _import_places(self.places)
        troubles = []
        for place, setting in enumerate(SETTINGS):
            try:
                self._put_back_one(place, setting)
            except Exception as error:  # the folder is gone, a lock of a library's own: each has its errors
                troubles.append(_trouble(self.who, setting.name, error))
        return troubles

    def _put_back_one(self, place: int, setting: Setting) -> None:
        before, after = self.settings[place], setting.read()
        if after == before:
            return
        if setting.stays and self.importing:
            for visit in _open:
                visit.settings[place] = after
        elif before is not None and before != {}:
            setting.write(before)
            _note(f"{self.who} changed {setting.name}{setting.told(before, after)}", setting.instead)


CLOSED = "closed standard output or error, where others write; leave them open"


def _seed() -> None:
    """What a module draws as it is imported is the same in every process."""
    for name, seed in (("random", "seed"), ("numpy.random", "seed"), ("torch", "manual_seed")):
        if name in sys.modules:
            getattr(sys.modules[name], seed)(0)
