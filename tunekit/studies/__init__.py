"""Optuna behind one door: a study a plan, trials asked and told, hand-offs, importance. Runs nothing itself.

storage says where studies lie; opening finds one or makes it, study is what one holds, conclusion what it came to;
distributions are its axes in Optuna's words, draws those of a sampler, notes what a person reads of it in
optuna-dashboard, importance which parameters matter. reading, copies and dashboard show the studies of runs, and write
nothing in them.
"""

from tunekit.studies.conclusion import Conclusion
from tunekit.studies.importance import import_importance, importance
from tunekit.studies.storage import MASK, absolute, in_one_line, masked, open_storage, quiet
from tunekit.studies.study import Studies, Study

__all__ = [
    "MASK",
    "Conclusion",
    "Studies",
    "Study",
    "absolute",
    "import_importance",
    "importance",
    "in_one_line",
    "masked",
    "open_storage",
    "quiet",
]
