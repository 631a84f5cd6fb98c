"""The sessions that a page shows: files that it names, commands after `$ `, and what these print. `python -m
tests.sessions PAGE` carries them out in a fresh folder and writes into the page what they print now."""

from __future__ import annotations

import difflib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.commands import spawn
from tests.pages import ROOT

LEFT_OUT = "..."
HARMLESS = ("cat", "head", "ls", "tail", "wc")
NAMED = re.compile(r"`([\w./-]+\.\w+)`:")
MARK = re.compile(r"<!-- (long|not run: (.+)) -->")
MEASURED = re.compile(r"-?\d[\d.,]*(e-?\d+)?|[\u2581-\u2588]+|bf16|fp32")
"""Numbers, bars, and the precision that suits a machine."""
PROGRESS = re.compile(r"\S+: .*\bleft of all")
"""Lines that come by the clock."""


@dataclass(frozen=True)
class File:
    """A file that the page shows; `changes` says lines of one that is there already, as a diff does."""

    name: str
    text: str
    changes: bool = False

    def write(self, folder: Path) -> None:
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = self.text
        if self.changes:
            lines = [(line[:1], line[1:]) for line in text.splitlines()]
            old, new = ("\n".join(line for sign, line in lines if sign in (" ", kept)) for kept in "-+")
            text = path.read_text()
            assert text.count(old) == 1, f"{self.name}: these lines stand there {text.count(old)} times:\n{old}"
            text = text.replace(old, new)
        path.write_text(text)
        sys.modules.pop(path.stem, None)  # else a command in this process would go on with what it has read


@dataclass(frozen=True)
class Command:
    """A command and the lines below it, from line `first` of the page up to line `end`."""

    line: str
    shown: list[str]
    first: int
    end: int
    indent: str = ""
    long: bool = False
    not_run: str = ""


def parts(page: str) -> list[File | Command]:
    """What a page shows, in order."""
    lines = page.splitlines()
    found: list[File | Command] = []
    name, long, why, at = "", False, "", 0
    while at < len(lines):
        line = lines[at]
        if mark := MARK.fullmatch(line.strip()):
            long, why = mark[1] == "long", mark[2] or ""
        elif named := NAMED.fullmatch(line):
            name = named[1]
        elif line.startswith("```"):
            end = lines.index("```", at + 1)
            if line == "```console":
                found += _commands(lines, at + 1, end, "", long, why)
            elif name:
                found.append(File(name, "".join(f"{one}\n" for one in lines[at + 1 : end]), line == "```diff"))
            name, long, why, at = "", False, "", end
        elif line.startswith("    $ "):
            end = next((n for n in range(at, len(lines)) if lines[n] and not lines[n].startswith("    ")), len(lines))
            while not lines[end - 1]:
                end -= 1
            found += _commands(lines, at, end, "    ", long, why)
            long, why, at = False, "", end - 1
        elif line:
            name = ""
        at += 1
    return found


def _commands(lines: list[str], at: int, end: int, indent: str, long: bool, why: str) -> Iterator[Command]:
    starts = [n for n in range(at, end) if lines[n].startswith(f"{indent}$ ")]
    assert starts[:1] == [at], f"line {at + 1}: a session begins with a command after `$ `"
    for first, stop in zip(starts, [*starts[1:], end], strict=True):
        shown = [line.removeprefix(indent) for line in lines[first + 1 : stop]]
        yield Command(lines[first].removeprefix(f"{indent}$ "), shown, first, stop, indent, long, why)


def shape(line: str) -> str:
    """A line without what is measured and spacing: what a run on another machine prints alike."""
    return "" if PROGRESS.fullmatch(line) else re.sub(r"\s+", " ", MEASURED.sub("#", line)).strip()


def difference(shown: list[str], printed: list[str]) -> str:
    """Where a page and what is printed differ in more than numbers, as a diff; empty where they do not. Blank lines do
    not count, and `...` stands for any lines."""
    shown, printed = ([one for line in lines if (one := shape(line))] for lines in (shown, printed))
    pattern = "".join(r"(.*\n)*?" if line == LEFT_OUT else re.escape(line + "\n") for line in shown)
    if re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)):
        return ""
    return "\n".join(difflib.unified_diff(shown, printed, "the page", "what is printed", lineterm="", n=1))


def prepare(folder: Path) -> None:
    """What a person has beside a page: the recipes of the checkout."""
    (folder / "recipes").symlink_to(ROOT / "recipes")


def carry_out(command: Command, folder: Path, tunekit: Callable[..., tuple[int, str]]) -> tuple[int, str]:
    """Exit code and what a command prints; `tunekit` gives both of the program's own commands."""
    program, *words = shlex.split(command.line)
    if program == "cat" and not (folder / words[0]).exists():
        File(words[0], "".join(f"{line}\n" for line in command.shown)).write(folder)  # the page's own file
    if program == "tunekit":
        return tunekit(*words)
    if program == "python" or program in HARMLESS:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        line = [sys.executable if program == "python" else program, *words]
        ended = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout + ended.stderr
    raise AssertionError(f"{command.line}: no way to run it; mark its block <!-- not run: WHY -->")


def said(code: int, out: str, err: str) -> tuple[int, str]:
    """What a page shows of a command: a refusal is on standard error, which otherwise holds progress."""
    return code, out + (err if code == 2 else "")


def _with_what_is_printed(page: str, folder: Path) -> str:
    def tunekit(*words: str) -> tuple[int, str]:
        ended = spawn(*words, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)})
        return said(ended.returncode, ended.stdout, ended.stderr)

    lines = page.splitlines()
    printed: list[tuple[Command, list[str]]] = []
    for part in parts(page):
        if isinstance(part, File):
            part.write(folder)
        elif not part.not_run:
            print("$", part.line, flush=True)
            printed.append((part, carry_out(part, folder, tunekit)[1].rstrip().splitlines()))
    for command, text in reversed(printed):
        if difference(command.shown, text) or LEFT_OUT not in map(str.strip, command.shown):
            lines[command.first + 1 : command.end] = [f"{command.indent}{line}".rstrip() for line in text]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for place in map(Path, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as fresh:
            prepare(Path(fresh))
            place.write_text(_with_what_is_printed(place.read_text(), Path(fresh)))
