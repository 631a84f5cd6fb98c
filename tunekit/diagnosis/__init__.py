"""From a log to a verdict: `judge`. NumPy only; never torch. Logs are found and read in tunekit/logs."""

from tunekit.diagnosis.judging import headline, judge
from tunekit.diagnosis.verdict import Diagnosis
from tunekit.diagnosis.verdicts import codes

__all__ = ["Diagnosis", "codes", "headline", "judge"]
