"""What a file is that is no log, by its first bytes: for the line that says why it is not read."""

from __future__ import annotations

import re
from pathlib import Path

from tunekit.logs import database, delimited, heading, source

INSTEAD = "give the log as text, CSV or JSON"

PICKLE = (
    "is a pickle (as torch.save, joblib and pickle write): reading it would run what it says; "
    "write its numbers as JSON or CSV, `json.dump(history, file)`"
)

KINDS = (
    (b"\x93NUMPY", f"is a NumPy array; write it with numpy.savetxt and a line of names, or {INSTEAD}"),
    (b"\x89HDF", f"is an HDF5 file (weights or a data set), which holds no log; {INSTEAD}"),
    (b"\x1f\x8b", "is compressed: gunzip it first"),
    (b"BZh", "is compressed: bunzip2 it first"),
    (b"\xfd7zXZ", "is compressed: unxz it first"),
    (b"(\xb5/\xfd", "is compressed: unzstd it first"),
    (b"PAR1", f"is a Parquet file; {INSTEAD}"),
    (b"\x89PNG", f"is an image; {INSTEAD}"),
    (b"\xff\xd8\xff", f"is an image; {INSTEAD}"),
    (b"GIF8", f"is an image; {INSTEAD}"),
    (b"%PDF", f"is a PDF; {INSTEAD}"),
    (b"version https://git-lfs", "is a Git LFS pointer, not the file itself: `git lfs pull`"),
)

_PICKLED = re.compile(rb"\x80[\x02-\x05]|\([dl]p\d+\n|\x80\x02\x8a\x0a")


def told(path: Path) -> str:
    """What a file is, as the rest of a sentence that begins with its name; "" for text and for what is not known."""
    data = source.head(path)
    if not data.strip():
        return "is empty" if path.stat().st_size == len(data) else ""
    if data.startswith(b"PK"):
        if b".pkl" in data:
            return PICKLE
        if b"[Content_Types].xml" in data or b"mimetypeapplication/vnd" in data:
            return "is a spreadsheet (Excel or OpenDocument); save it as CSV"
        return f"is a zip archive: unpack it; of NumPy's .npz {INSTEAD}"
    if _PICKLED.match(data):
        return PICKLE
    if data.startswith(database.MARK):
        return _database(path)
    known = next((kind for mark, kind in KINDS if data.startswith(mark)), "")
    return known or _text(path)


def _text(path: Path) -> str:
    lines = source.first_lines(path, 5)
    rows = [heading.fields(line, heading.delimiter(line)) for line in lines]
    if len(rows) > 1 and all(row and all(heading.number(cell) is not None for cell in row if cell) for row in rows):
        return f"holds numbers without names; {delimited.UNNAMED}"
    return "is YAML, which is not read; write its numbers as JSON or CSV" if path.suffix in (".yaml", ".yml") else ""


def _database(path: Path) -> str:
    if database.tables(path).keys() >= {"studies", "trials"}:
        return "is an Optuna study: it holds results of trials and no curves; give the log of a trial's training"
    return f"is an SQLite database, but neither MLflow's nor Trackio's; {INSTEAD}"
