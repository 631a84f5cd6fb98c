"""Lines that differ in their digits alone are taken apart once: their form, and where in it the numbers stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tunekit.logs.names import ERRORS, LOSS, SCORES, TEST, TRAIN, VAL, split

FORMS = 4096
"""Forms of lines that are kept in mind."""

LONGEST = 4000
"""Characters of a line whose form is kept in mind."""

_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_WORDS = re.compile(r"[A-Za-z][A-Za-z0-9@_/.\-]*+(?: [A-Za-z][A-Za-z0-9@_/.\-]*+)*+")
_DIGITS = re.compile(r"\d++")
_ROOTS = frozenset(word.rstrip("0123456789") for word in LOSS | ERRORS | SCORES) | TRAIN | VAL | TEST

Span = tuple[int, int]
"""Where in a line a number stands."""

Form = bytes
"""A line with each digit a zero."""


def form_of(text: str) -> Form:
    """The text with each digit a zero: what lines that differ in their numbers alone have in common."""
    return text.encode("utf-8", "surrogatepass").translate(_ZEROS)  # a twentieth of the time of str.translate


@dataclass(slots=True)
class Line:
    """What one line says: where it stands (`epoch`, `step`, as far as it says) and its named numbers.

    `inner` is the place in a loop that begins anew (batch k of n; n is 0 where it is not said), `bar` whether a
    progress bar shows it, `running` whether its numbers are means over the loop so far.
    """

    clock: dict[str, float]
    values: dict[str, float]
    inner: tuple[float, float] | None = None
    bar: bool = False
    running: bool = False
    sides: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Template:
    """Where the numbers of a line stand, in its place in a run as well: so it is for all lines of its form."""

    clock: dict[str, Span]
    values: dict[str, Span]
    inner: tuple[Span, Span | None] | None
    bar: bool
    running: bool
    sides: frozenset[str]

    def filled(self, text: str) -> Line:
        clock = {name: float(text[start:end]) for name, (start, end) in self.clock.items()}
        values = {name: float(text[start:end]) for name, (start, end) in self.values.items()}
        inner = None
        if self.inner is not None:
            (start, end), total = self.inner
            inner = float(text[start:end]), float(text[total[0] : total[1]]) if total else 0.0
        return Line(clock, values, inner, self.bar, self.running, self.sides)

    def spans(self) -> set[Span]:
        inner = {span for span in self.inner if span} if self.inner else set()
        return {*self.clock.values(), *self.values.values(), *inner}


class Templates:
    """The templates of the forms of lines that were met. Digits in words, as in `acc1`, are a part of the form."""

    def __init__(self, find: Callable[[str, str], Template | None]) -> None:
        self.find = find
        self.fixed: dict[Form, tuple[Span, ...]] = {}  # where a form has digits that are no number
        self.known: dict[tuple[object, ...], Template | None] = {}

    def of(self, text: str, form: Form, heading: str) -> Template | None:
        """None for a line without epoch, step or named numbers."""
        fixed = self.fixed.get(form)
        if fixed is not None:
            key = (form, heading, *(text[start:end] for start, end in fixed)) if fixed else (form, heading)
            if key in self.known:
                return self.known[key]
        template = self.find(text, heading)
        used = template.spans() if template else set()
        inside = (
            (words.start() + run.start(), words.start() + run.end())
            for words in _WORDS.finditer(text)
            if not _ROOTS.isdisjoint(split(_DIGITS.sub("", words[0])))
            for run in _DIGITS.finditer(words[0])
        )
        own = tuple(span for span in inside if not any(start < span[1] and span[0] < end for start, end in used))
        if self.fixed.setdefault(form, own) == own:
            self.known[(form, heading, *(text[start:end] for start, end in own))] = template
        if len(self.known) > FORMS:
            self.known.clear()
            self.fixed.clear()
        return template


Found = Iterable[tuple[str, Span, Span]]
"""Names, where they stand, and where their numbers do."""


class Layouts:
    """Where the named numbers of a text stand, found once for each form. Digits in names are a part of the form."""

    def __init__(self, find: Callable[[str], Found]) -> None:
        self.find = find
        self.fixed: dict[Form, tuple[Span, ...]] = {}  # where a form has names with digits
        self.known: dict[tuple[object, ...], list[tuple[str, int, int]]] = {}

    def numbers(self, text: str) -> dict[str, float]:
        """The numbers by name; of one name the last."""
        if len(text) > LONGEST:
            return {name: float(text[start:end]) for name, _, (start, end) in self.find(text)}
        form = form_of(text)
        fixed = self.fixed.get(form)
        layout = None if fixed is None else self.known.get((form, *(text[start:end] for start, end in fixed)))
        if layout is None:
            found = list(self.find(text))
            layout = [(name, *number) for name, _, number in found]
            named = tuple(span for _, span, _ in found if _DIGITS.search(text, *span))
            if len(self.known) > FORMS:
                self.known.clear()
                self.fixed.clear()
            if self.fixed.setdefault(form, named) == named:
                self.known[(form, *(text[start:end] for start, end in named))] = layout
        return {name: float(text[start:end]) for name, start, end in layout}
