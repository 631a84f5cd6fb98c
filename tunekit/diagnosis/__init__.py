"""From a log to a verdict: `read` any tool's log, `judge` it. NumPy only; never torch."""

from tunekit.diagnosis.log import Log, Metric
from tunekit.diagnosis.record import from_record
from tunekit.diagnosis.rules import judge
from tunekit.diagnosis.search import read
from tunekit.diagnosis.verdict import Diagnosis

__all__ = ["Diagnosis", "Log", "Metric", "from_record", "judge", "read"]
