"""Plain text of no known tool: whatever a training script printed. JSON and tables are elsewhere."""

from pathlib import Path

from tunekit.logs import source
from tunekit.logs.log import Log
from tunekit.logs.textlog import as_records, text_log
from tunekit.vocabulary import UserError

NAME = "text"
DESCRIPTION = "plain text logs (lines such as `Epoch 3: train loss 0.31, val loss 0.42`)"

SUFFIXES = (".log", ".txt", ".out", ".err", "")

MEASURES = (b"loss", b"acc", b"err", b"nll", b"perplexity", b"ppl", b"entropy", b"cost", b"score", b"mse", b"train")
"""In the bytes of every log one of these is found."""

LEAST = 2
"""Lines with a loss or a metric among the first kilobytes that make a text a training log."""


def recognise(path: Path) -> float:
    if path.suffix.lower() not in SUFFIXES and not path.suffix[1:].isdigit():
        return 0.0
    data = source.head(path)
    if not data or not source.is_text(data) or data.lstrip()[:1] in (b"{", b"<"):
        return 0.0
    lowered = data.lower()
    if not any(word in lowered for word in MEASURES):
        return 0.0
    text = source.uncoloured(source.decode(data)).replace("\r", "\n")
    records = [record for record in as_records(text.split("\n")) if set(record) - {"epoch", "step", "lr"}]
    return 0.3 if len(records) >= LEAST else 0.12 if records else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log; UserError where nothing in the text reads as a loss or a metric."""
    log = text_log(path, NAME, train, val)
    if not log.points and not any(metric.train for metric in log.metrics):
        raise UserError(
            f"{path}: no line reads as a loss or a metric; log lines such as 'epoch 3 train loss 0.31 val loss 0.42'"
        )
    return [log]
