"""What a line of printed text is by its form: a part of a configuration, which is left out, or a message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tunekit.logs.foreign import english, is_foreign
from tunekit.logs.forms import FORMS, Form, form_of
from tunekit.logs.names import part
from tunekit.logs.textclock import says

LONGEST = 4000
"""Characters of a line that are looked at: a dumped configuration or array is no message."""

BLOCK = 500
"""Lines of `name: value` that are held back until it is clear whether they are settings."""

PREFIX = re.compile(
    r"\W*+(?:\d{2,4}[-/.:]\d\d[^A-Za-z]*+)?+(?:[\w.]++ - )?+"
    r"(?:(?:INFO|DEBUG|WARNING)\b[\s:\])-]*+(?:[\w.]++:(?=\s*+\S))?+)?+\W*+"
)
ENDS = re.compile(r"(?i)\b(?:complete[d]?|finish(?:ed)?|done|took|end of|over)\b")
_SUMMARY = re.compile(r"(?<!\S)\* {1,4}(?:Acc|Prec)@\d")
_VALUE = r"\[[^\[\]]*+\]|\{[^{}]*+\}|\([^()]*+\)|[^\s:=]++(?: [^\s:=]++){0,2}+"
_ENTRY = re.compile(rf"['\"]?([A-Za-z_][\w.\-]*+)['\"]?(?:\s*+[:=]\s*+| {{2,}}|\t)(?:({_VALUE})\s*+,?\s*+)?+$")
_SETTING = re.compile(
    r"(?i)(?:.*(?:batch_?size|num_|n_|epochs|seed|optim|_dir|_path|path|dataset|device|worker|scheduler|model|gpu|cuda|fp16|"
    r"resume|interval|warmup|decay|momentum|strategy|_steps|patience|smoothing|dropout|version|hidden)|do_|use_|no_|save_|eval_)"
)
_WORDY = re.compile(r"(?i)(?:true|false|none|null|[\[{(].*[\]})]|['\"]?[A-Za-z./~][\w./\-]*+['\"]?,?)$")
_DUMP = re.compile(r"\b(?:Namespace|Arguments|Config(?:Dict)?|Params)\(")
_SWITCH = re.compile(r"(?:[:=]\s*+)(?:True|False|None|true|false|null)\b")

Formed = tuple[str, Form]


class Seen:
    """What can be told of all lines that differ in their digits alone."""

    __slots__ = ("dump", "empty", "foreign", "measure", "over", "setting", "summary")

    def __init__(self, text: str) -> None:
        start = PREFIX.match(text).end()  # type: ignore[union-attr]
        entry = _ENTRY.match(text, start) if len(text) < 200 else None
        self.setting: bool | None = None  # of a line that may be one of a configuration: whether it is a setting
        self.measure = False
        if entry is not None:
            value = entry[2] or ""
            self.setting = bool(_SETTING.match(entry[1]) or (value and _WORDY.match(value)))
            self.measure = not self.setting and part(entry[1]).kind in ("loss", "score", "error")
        self.dump = _is_dump(text)
        self.foreign = is_foreign(text)
        self.empty = not any(char.isdigit() or char in "nN" for char in text)
        self.over = ENDS.search(text) is not None
        self.summary = "*" in text and _SUMMARY.search(text) is not None


class Forms:
    """The forms that were met."""

    def __init__(self) -> None:
        self.known: dict[Form, Seen] = {}

    def of(self, text: str, form: Form) -> Seen:
        known = self.known.get(form)
        if known is None:
            if len(self.known) > FORMS:
                self.known.clear()
            known = self.known[form] = Seen(text)
        return known


def without_settings(lines: Iterable[str], forms: Forms) -> Iterator[Formed]:
    """The lines without a printed configuration: several of `name: value` on end, a third of them settings.

    Where a loss or a metric is among them, two thirds: an epoch's result may be printed so.
    """
    block: list[Formed] = []
    settings = measures = 0
    for text in lines:
        if not text or len(text) > LONGEST or text.startswith("wandb:"):  # what wandb says at a run's end once more
            continue
        form = form_of(text)
        seen = forms.of(text, form)
        if seen.foreign:
            text = english(text)
            form = form_of(text)
            seen = forms.of(text, form)
        if seen.setting is not None and len(block) < BLOCK:
            block.append((text, form))
            settings += seen.setting
            measures += seen.measure
            continue
        if block:
            yield from () if _is_configuration(len(block), settings, measures) else block
            block, settings, measures = [(text, form)] if seen.setting is not None else [], 0, 0
        if seen.setting is None and not seen.dump:
            yield text, form
    if not _is_configuration(len(block), settings, measures):
        yield from block


def _is_configuration(entries: int, settings: int, measures: int) -> bool:
    return entries >= 3 and 3 * settings >= (2 if measures else 1) * entries


def _is_dump(text: str) -> bool:
    """Whether a line holds a whole configuration: `Namespace(lr=0.1, ...)`, or several switches."""
    if "(" in text and _DUMP.search(text):
        return True
    return says(text, "True", "False", "None", "true", "false") and len(_SWITCH.findall(text)) >= 2
