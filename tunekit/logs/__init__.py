"""Finds and reads any tool's log and names its columns: `read`. NumPy only; what a log means is judged elsewhere."""

from tunekit.logs.log import Log, Metric, Procedure
from tunekit.logs.record import from_record
from tunekit.logs.search import read

__all__ = ["Log", "Metric", "Procedure", "from_record", "read"]
