"""What a step came to, in its study, which owns it: read and written as attributes of their own types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from optuna.storages import BaseStorage

from tunekit.configuration import Values
from tunekit.jsondata import is_deep
from tunekit.vocabulary import StepResult, Verdict

CONCLUSION = "tunekit:conclusion"
"""The study's system attribute with what nobody but tunekit reads of a conclusion."""

SHOWN = ("verdict", "summary", "diagnosis", "handoff")
"""Fields of a result that are attributes of the study; the others lie in CONCLUSION."""


@dataclass(frozen=True)
class Conclusion:
    """What a step came to, and what that hangs on: equal `fingerprint`s need no second run."""

    fingerprint: str
    result: StepResult
    causes: tuple[str, ...] = ()  # codes among its findings that explain what goes wrong later
    handed_on: tuple[str, ...] = ()  # names of the trainings whose weights it hands on
    trained: Mapping[str, int] = field(default_factory=dict)  # iterations of each training that it asked for, by key


def read_conclusion(storage: BaseStorage, study_id: int, step: str) -> Conclusion | None:
    """What the study of a step came to, or None where there is nothing, or what another version of this program wrote,
    or of another step."""
    user_attrs, system_attrs = storage.get_study_user_attrs(study_id), storage.get_study_system_attrs(study_id)
    try:
        content = dict(system_attrs[CONCLUSION])
        if is_deep(content):
            return None
        shown = {name: user_attrs[name] for name in SHOWN if name in user_attrs}
        if shown["verdict"] not in get_args(Verdict) or not isinstance(shown["handoff"], dict):
            return None
        result = StepResult.from_dict({**content["result"], **shown})
        causes, handed_on = (tuple(map(str, content[name])) for name in ("causes", "handed_on"))
        trained = {str(key): int(count) for key, count in content["trained"].items()}
        if result.step != step:
            return None
        return Conclusion(str(content["fingerprint"]), result, causes, handed_on, trained)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def clear_conclusion(storage: BaseStorage, study_id: int) -> None:
    storage.set_study_system_attr(study_id, CONCLUSION, None)


def write_conclusion(storage: BaseStorage, study_id: int, conclusion: Conclusion, tuned: Values) -> None:
    """`tuned`: the values of the recipe that it settles. A kill in between leaves no conclusion."""
    clear_conclusion(storage, study_id)
    content = conclusion.result.as_dict()
    shown = {name: content.pop(name) for name in SHOWN if name in content}
    codes = [finding.code for finding in conclusion.result.findings]
    for name, value in {**shown, "codes": codes, "tuned": dict(tuned)}.items():
        storage.set_study_user_attr(study_id, name, value)
    storage.set_study_system_attr(study_id, CONCLUSION, {**vars(conclusion), "result": content})
