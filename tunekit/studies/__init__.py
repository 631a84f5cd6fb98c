"""Optuna behind one door: a study a plan, trials asked and told, hand-offs, importance. Runs nothing itself.

address tells where studies lie, storage opens it; opening finds one or makes it, study is what one holds, conclusion
what it came to; distributions are its axes in Optuna's words, draws those of a sampler, notes what a person reads of it
in optuna-dashboard, importance which parameters matter. reading, copies and dashboard show the studies of runs, and
write nothing in them.
"""

from tunekit.studies.address import OPTION, Address, given_address, read_address
from tunekit.studies.conclusion import Conclusion
from tunekit.studies.importance import import_importance, importance
from tunekit.studies.storage import in_one_line, open_database, open_journal, quiet
from tunekit.studies.study import Studies, Study

__all__ = [
    "OPTION",
    "Address",
    "Conclusion",
    "Studies",
    "Study",
    "given_address",
    "import_importance",
    "importance",
    "in_one_line",
    "open_database",
    "open_journal",
    "quiet",
    "read_address",
]
