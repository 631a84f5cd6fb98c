"""What a person is told in one line: an exception with the line of their code, a remedy as a command to paste."""

from __future__ import annotations

import json
import re
import shlex
import sysconfig
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from tunekit.configuration import short
from tunekit.vocabulary import Remedy

OWN = Path(__file__).parent
READING = "reading"
CALLING = "calling the model"
"""How a note begins that an error got on its way: of which sample it was raised."""

STANDARD = Path(sysconfig.get_path("stdlib"))


def visible(text: object) -> str:
    """A text on one line, as it may be printed: what a terminal would obey, or show as nothing, is written as Python
    writes it. Everything that prints a word of somebody else's calls this.

    >>> print(visible("run \x1b[2J\u202e.png"))
    run \\x1b[2J\\u202e.png
    """
    whole = str(text)
    if whole.isprintable():
        return whole
    return "".join(char if _is_seen(char) else char.encode("unicode_escape").decode() for char in whole)


def _is_seen(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"  # of blanks Python calls one printable


def counted(count: int, what: str, more: str = "") -> str:
    """A count with its noun, and the plural where that takes more than an s.

    >>> counted(1, "epoch"), counted(1200, "epoch"), counted(2, "class", "classes")
    ('1 epoch', '1,200 epochs', '2 classes')
    """
    return f"{count:,} {what if count == 1 else more or f'{what}s'}"


def continued(sentence: str, more: str) -> str:
    """A sentence, with or without its full stop, that goes on.

    >>> continued("It does not learn.", "see lr-sweep")
    'It does not learn; see lr-sweep'
    """
    return f"{sentence.removesuffix('.')}; {more}"


def lasting(seconds: float) -> str:
    """A time as a person reads it, no more exact than an estimate is.

    >>> lasting(0.2), lasting(89), lasting(200), lasting(5000), lasting(20_000), lasting(400_000)
    ('1 s', '89 s', '3 min', '1 h 23 min', '5 h 33 min', '4 days 15 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return f"{counted(hours // 24, 'day')} {hours % 24} h"


def span(lowest: str, highest: str) -> str:
    """From where to where, of ends as they are shown: a single one where both are the same.

    >>> span("1e-4", "1e-2"), span("1e-3", "1e-3")
    ('1e-4 to 1e-2', '1e-3')
    """
    return lowest if lowest == highest else f"{lowest} to {highest}"


HINTS = {
    "more than 1 value per channel": "BatchNorm has nothing to normalise by in a training batch of one sample: a "
    "`batch_size` of 2 or more, with drop_last=True in a DataLoader of your own; GroupNorm and LayerNorm take one",
    "device-side assert": "an index pointed at nothing on the GPU, most often a class that there is no output for or a "
    "token that there is no row for: `tunekit check-init-loss RECIPE` names it, and `device: cpu` shows the line",
    "index out of range in self": "a token that an nn.Embedding has no row for: its num_embeddings must be more "
    "than the largest",
    "tensors to be on the same device": "a tensor made on the CPU belongs into the model (register_buffer), or where "
    "the others are (.to(outputs.device))",
}
"""What of torch's words says too little to a person, and what it means."""

MOST_TOLD = 500
"""Characters of what was raised: more is data, not a message."""


def raised(error: BaseException, ours: bool = False) -> str:
    """What was raised, by its type and first line, with the innermost line of the person's code that led to it, or
    (`ours`) else of ours.

    >>> raised(ValueError("no such layer"))
    'ValueError: no such layer'
    """
    lines = _text(error).strip().splitlines()
    notes = [note for note in _notes(error) if note.startswith((READING, CALLING))]
    first = lines[0] if lines else ""
    told = first if len(first) <= MOST_TOLD else f"{first[:MOST_TOLD]}…"
    text = f"{type(error).__name__}{': ' + told if told else ''}"
    places = list(_places(error))
    if len(lines) > 1 and re.match("Caught .*DataLoader worker", lines[0]):
        # A reader's error arrives as text: its traceback, and what was raised in the last line.
        matches = (re.match(r'\s*File "(.+)", line (\d+)', line) for line in lines)
        notes += [line for line in lines if line.startswith(READING)]
        lines = [line for line in lines if not line.startswith(READING)]
        text, places = lines[-1], [(match[1], int(match[2])) for match in matches if match]
    if isinstance(error, SyntaxError) and error.filename:
        places = [(error.filename, error.lineno or 0)]
    shown = [(Path(file).name, line) for file, line in places if is_persons(file)]
    if shown and "index" not in text.lower():  # of an index that points at nothing torch does not say which
        notes = [note for note in notes if not note.startswith(CALLING)]  # the line says as much
    elif ours and not any(note.startswith(CALLING) for note in notes):
        own = ((Path(file), line) for file, line in places if Path(file).is_relative_to(OWN))
        shown = [(str(file.relative_to(OWN.parent)), line) for file, line in own]
    text = f"{text} ({shown[-1][0]}, line {shown[-1][1]})" if shown else text
    text += next((f"; {hint}" for words, hint in HINTS.items() if words in text), "")
    return visible(f"{text}, while {notes[-1]}" if notes else text)


def _notes(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None)
    return [note for note in notes if isinstance(note, str)] if isinstance(notes, list) else []


def without_credentials(text: str) -> str:
    """A text without what stands before the host of a URL in it: it may be a password, given in the wrong place.

    >>> without_credentials("no such option: postgresql://me:secret@host/db")
    'no such option: postgresql://***@host/db'
    """
    return re.sub(r"([A-Za-z][\w+.-]*://)\S*@", r"\1***@", text)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # of a class of a person's own, which may do anything
        return ""


def refused(error: BaseException) -> str:
    """What a function says of arguments that it does not take, in one line and without its own name.

    >>> refused(TypeError("mlp() got an unexpected keyword argument 'widht'"))
    "got an unexpected keyword argument 'widht'"
    """
    first = str(error).strip().partition("\n")[0]
    return re.sub(r"^[\w.<>]+\(\):? ", "", first) or type(error).__name__


def is_persons(file: str) -> bool:
    """Whether a source file is a person's own: not installed, not Python's, not ours."""
    path = Path(file)
    installed = not {"site-packages", "dist-packages"}.isdisjoint(path.parts)
    return not (file.startswith("<") or installed or path.is_relative_to(STANDARD) or path.is_relative_to(OWN))


def _places(error: BaseException) -> Iterator[tuple[str, int]]:
    """File and line of each call that led to an error, outermost first."""
    trace = error.__traceback__
    while trace:
        yield trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next


def pasted(*words: object) -> str:
    """Words as a shell takes them. What `visible` would write out is written so that the shell reads it back.

    >>> print(pasted("tunekit", "status", "my runs/a"), pasted("a\x1bb"))
    tunekit status 'my runs/a' $'a\\x1bb'
    """
    return " ".join(map(_quoted, words))


def _quoted(word: object) -> str:
    text = str(word)
    if text == visible(text):
        return shlex.quote(text)
    letters = (_byte(char) if "\udc80" <= char <= "\udcff" else visible(char) for char in _escaped(text))
    return f"$'{''.join(letters)}'"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _byte(char: str) -> str:
    """A byte of a file name that is no UTF-8, as Python keeps it."""
    return f"\\x{ord(char) - 0xDC00:02x}"


def as_path(name: object) -> str:
    """A path as it can stand among a command's words: one that begins with a dash would be an option."""
    return f"./{name}" if str(name).startswith("-") else str(name)


def command(remedy: Remedy, run: str, own_keys: Sequence[str], recipe: str, storage: str = "") -> str:
    """A remedy as the command that carries it out on a run, quoted for a shell. `storage`: where the run's studies are,
    if not in its folder.

    A run takes changes below `own_keys` alone. What changes another key needs another run: of the run's `recipe`,
    a file in its folder that works from where it lies, beside the first.
    """
    beyond = [key for key in remedy.set if key.split(".")[0] not in own_keys]
    target = [run]
    if beyond or remedy.command in OF_RECIPES:
        target = [str(PurePath(run) / recipe)]
    name = "run" if beyond and remedy.command != FINAL else remedy.command
    parent = str(PurePath(run).parent)
    if beyond and parent != "runs":
        target += ["--runs-dir", parent]
    sets = [word for key, value in remedy.set.items() for word in ("--set", f"{key}={spelled(value)}")]
    given = ["--storage", storage] if storage and name == ASKING else []
    return pasted("tunekit", name, as_path(target[0]), *target[1:], *sets, *given)


def on_run(text: str, run: str, own_keys: Sequence[str], recipe: str) -> str:
    """Advice of any recipe as that on a run: its commands stand as they can be pasted."""

    def spelled(found: re.Match[str]) -> str:
        sets = (one.partition("=") for one in found[2].split(" --set ")[1:])
        remedy = Remedy(found[1], {key: json.loads(value) for key, _, value in sets})
        return f"`{command(remedy, run, own_keys, recipe)}`"

    return re.sub("`tunekit ([a-z-]+) RECIPE((?: --set [^ `]+)*)`", spelled, text)


FINAL = "train"
"""The command that needs no step before it."""

ASKING = "diagnose"
"""The command that opens no storage of studies but the one that it is given."""

OF_RECIPES = ("validate", "inspect")
"""Commands that take a recipe, and a run only by its recipe."""


def spelled(value: object) -> str:
    """A value as --set takes it: YAML on one line, without blanks."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(spelled, value))}]"
    if isinstance(value, float):
        return repr(value) if float(short(value)) != value or 1e-2 <= abs(value) < 1e3 else short(value)
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w./:-]*\w", value) and value.lower() not in YAML_WORDS
    return str(value) if plain else json.dumps(value, separators=(",", ":"))


def told_outdated(names: Sequence[str], shown: str) -> str:
    """Of steps of a run, as it is typed."""
    hang, them = ("they hang", "them") if len(names) > 1 else ("it hangs", "it")
    again = pasted("tunekit", "run", as_path(shown))
    return f"{', '.join(names)}: outdated, for what {hang} on changed since; `{again}` does {them} anew"


YAML_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "nan", "inf"})
"""Text that YAML takes for something else unless it stands between quotes."""
