"""What the settings beside a log say of its training: the number of classes. Settings are read as text, never run."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from itertools import islice
from pathlib import Path

from tunekit.logs import source
from tunekit.logs.log import Log

FILES = 20
"""Settings files of one folder that are looked at."""

ENTRIES = 5000
"""Entries of a folder among which they are looked for."""

MOST = 1_000_000
"""Classes that there may be."""

_NAMED = re.compile(r"config|hparams|hyperparam|params|args|settings|options", re.IGNORECASE)
_SUFFIXES = (".json", ".yaml", ".yml", ".txt", ".toml", ".cfg", ".ini")
_CLASSES = re.compile(
    rb"(?<![A-Za-z_])(?:num_?classes|n_?classes|nb_?classes|number_of_classes|num_?labels|n_?labels)[\"']?+\s*+[:=]\s*+"
    rb"(?:\{?+\s*+[\"']?+value[\"']?+\s*+:\s*+)?+(\d{1,7}+)(?![\d.])",
    re.IGNORECASE,
)


def with_classes(log: Log) -> Log:
    """The log with the number of classes that the settings in its folder agree on, where they name one."""
    folder = Path(log.files[0]).parent if log.files else None
    known = frozenset() if folder is None or log.procedure is not None else _classes(folder)
    return replace(log, classes=next(iter(known))) if len(known) == 1 else log


def _classes(folder: Path) -> frozenset[int]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, ENTRIES)]
    except OSError:
        return frozenset()
    named = (folder / name for name in sorted(names) if name.endswith(_SUFFIXES) and _NAMED.search(name))
    files = [file for file in named if source.is_regular(file)]
    found = (int(number) for file in files[:FILES] for number in _CLASSES.findall(source.head(file)))
    return frozenset(number for number in found if 1 < number <= MOST)
