"""Which reader reads a path, and how its failures are told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tunekit.logs.log import Log
from tunekit.logs.readers import Reader
from tunekit.vocabulary import UserError

Readers = Mapping[str, Reader]
Claim = tuple[float, Reader, Path]


def ranked_claims(claims: Iterable[Claim]) -> list[list[Claim]]:
    """The claims on the files of one folder by reader, the reader that is surest of one of them first."""
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        groups.setdefault(claim[1].NAME, []).append(claim)
    return sorted(groups.values(), key=lambda group: -max(score for score, _, _ in group))


def natural(path: Path) -> list[str]:
    """Parts of a path that sort `version_10` behind `version_9`."""
    return [piece.zfill(12) if piece.isdigit() else piece for piece in re.split(r"(\d+)", str(path))]


def best(path: Path, known: Readers, least: float = 0.0) -> Claim | None:
    """The reader that knows the path best, of equals the last by name; None for one that none knows better than
    `least`, and for one that cannot be looked at."""
    try:
        scores = [(reader.recognise(path), name) for name, reader in known.items()]
    except OSError:
        return None
    score, name = max(scores)
    return (score, known[name], path) if score > least else None


def read_with(reader: Reader, path: Path, train: str | None, val: str | None) -> list[Log]:
    try:
        return reader.read(path, train, val)
    except MemoryError as error:
        raise UserError(f"{path}: needs more memory than there is; log less often or cut the file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); check the path and its rights") from error
