"""Drawn histories of known truth get a verdict that is true of them, and no false one beside it; sentences too."""

from __future__ import annotations

import pytest
from histories import KINDS, history
from named_histories import NAMED
from test_diagnosis_sentences import recomputed

from tunekit.diagnosis import judge

SHARE = 0.99
"""Of many draws some are what another kind is: a gap that noise made, a turn that it hid."""


def test_there_are_as_many_as_thought() -> None:
    assert len(KINDS) == 12
    assert len(NAMED) > 60


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_named_history_is_told_what_it_is(name: str) -> None:
    made = NAMED[name]
    log = made.log()
    diagnosis = judge(log)
    assert diagnosis.code in made.right, diagnosis.summary
    assert not {note.code for note in diagnosis.notes} & (made.false - made.right)
    wrong, unread, _ = recomputed(log)
    assert (wrong, unread) == ([], [])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_histories_of_a_kind_are_told_what_they_are(kind: str) -> None:
    tell(kind, range(12), 0)


@pytest.mark.long
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_many_histories_of_a_kind(kind: str) -> None:
    tell(kind, range(1000, 1300), round(300 * (1 - SHARE)))


def tell(kind: str, seeds: range, most: int) -> None:
    other = []
    for seed in seeds:
        made = history(kind, seed)
        log = made.log()
        diagnosis = judge(log)
        notes = {note.code for note in diagnosis.notes}
        if diagnosis.code not in made.right or notes & (made.false - made.right):
            other.append((seed, diagnosis.code, diagnosis.summary))
        wrong, unread, _ = recomputed(log)
        assert (wrong, unread) == ([], [])
    assert len(other) <= most, other
