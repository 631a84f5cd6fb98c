"""Optuna behind one door: a study a plan, trials asked and told, hand-offs, importance. Runs nothing itself.

storage says where studies lie, opening finds one or makes it, study is what one holds; distributions are its axes in
Optuna's words, notes what a person reads of it in optuna-dashboard, importance which parameters matter.
"""

from tunekit.studies.importance import import_importance, importance
from tunekit.studies.storage import MASK, absolute, masked, open_storage, quiet
from tunekit.studies.study import Conclusion, Studies, Study

__all__ = [
    "MASK",
    "Conclusion",
    "Studies",
    "Study",
    "absolute",
    "import_importance",
    "importance",
    "masked",
    "open_storage",
    "quiet",
]
