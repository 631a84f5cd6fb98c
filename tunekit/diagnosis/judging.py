"""`judge`: every verdict asked in order, the first that speaks the headline. What each asks is its module's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tunekit.diagnosis.measures import Measures
from tunekit.diagnosis.measuring import measure
from tunekit.diagnosis.verdict import Diagnosis, Dismissed, Outcome, Verdict
from tunekit.diagnosis.verdicts import codes, verdicts
from tunekit.jsondata import plain
from tunekit.logs.log import Log
from tunekit.vocabulary import Finding

Spoken = tuple[Verdict, Outcome]


@np.errstate(all="ignore")  # losses of 1e300 are judged too; what overflows compares as infinite
def judge(log: Log) -> Diagnosis:
    """The verdict on a log, with its numbers, what was dismissed, and what to do."""
    m = measure(log)
    headlines, only_notes, silences, lacking = _asked(m)
    *_, remains = verdicts().values()
    verdict, outcome = headlines[0] if headlines else (remains, _called(remains.judge(m), m))
    notes = _notes(verdict, [*headlines, *only_notes], m)
    best_x, best_epoch = m.best
    severity = verdict.code.severity
    said = {verdict.code.name, *(note.code for note in notes)}
    return Diagnosis(
        code=verdict.code.name,
        verdict="pass" if severity == "note" else severity,
        summary=outcome.text[:1].upper() + outcome.text[1:] + ".",
        notes=notes,
        evidence={**outcome.evidence, **_levels(m)},
        counsel=verdict.counsel_for(m),
        remedies=verdict.remedies_for(m),
        dismissed=tuple(Dismissed(code, "; ".join(texts)) for code, texts in silences.items() if code not in said),
        unchecked=tuple(Dismissed(code, what) for code, what in lacking.items() if code not in said),
        change_if=(verdict.changed_by,),
        best_epoch=best_epoch,
        best_x=best_x,
        source={"format": log.format, "files": list(log.files), "name": log.name, "notes": list(log.notes)},
    )


def headline(diagnosis: Diagnosis) -> Finding:
    """The headline as a finding, as the notes are."""
    return codes()[diagnosis.code].finding(
        diagnosis.summary,
        {name: plain(value) for name, value in diagnosis.evidence.items()},
        advice=diagnosis.advice,
        remedies=diagnosis.remedies,
    )


def _asked(m: Measures) -> tuple[list[Spoken], list[Spoken], dict[str, list[str]], dict[str, str]]:
    """What speaks and may be the headline, what speaks as a note only, what kept the others silent, and what could not
    be asked for want of something."""
    *asked, _ = verdicts().values()
    headlines: list[Spoken] = []
    only_notes: list[Spoken] = []
    silences: dict[str, list[str]] = {}
    lacking: dict[str, str] = {}
    for verdict in asked:
        if verdict.of_the_loss and m.log.objective is not None:
            lacking[verdict.code.name] = "the loss is no measure of progress here"
            continue
        if verdict.otherwise and headlines:
            continue
        for rule, may_lead in ((verdict.judge, verdict.headline), (verdict.note, False)):
            outcome = _called(rule(m), m) if rule is not None else None
            if outcome is not None and outcome.speaks:
                (headlines if may_lead else only_notes).append((verdict, outcome))
            elif outcome is not None and outcome.lacks:
                lacking[verdict.code.name] = outcome.lacks
            elif outcome is not None and outcome.text:
                silences.setdefault(verdict.code.name, []).append(outcome.text)
        if verdict.final and headlines:
            break
    asked_at_all = {code: what for code, what in lacking.items() if code not in silences}
    return headlines, only_notes, silences, asked_at_all


def _called(outcome: Outcome, m: Measures) -> Outcome:
    return replace(outcome, text=m.called(outcome.text))


def _notes(headline: Verdict, spoken: Sequence[Spoken], m: Measures) -> tuple[Finding, ...]:
    notes: dict[str, Finding] = {}
    for verdict, outcome in spoken:
        name = verdict.code.name
        allowed = verdict.beside if headline.alone else name not in headline.explains
        if verdict is not headline and allowed and name not in notes:
            notes[name] = verdict.finding(outcome, m)
    return tuple(notes.values())


def _levels(m: Measures) -> dict[str, object]:
    """The numbers that every verdict shows, where the log has them: the levels as logged that sentences name."""
    levels: dict[str, object] = {}
    train = None if m.swapped else m.train
    for split, lowest, side in (("train", "train_lowest", train), ("val", "val_best", m.val)):
        if side is not None:
            levels |= {f"{split}_points": side.points, f"{split}_start": side.log.first}
            levels |= {lowest: side.log.lowest, f"{split}_end": side.log.ending}
    if m.score is not None:
        levels |= {"metric": m.score.name, "metric_end": m.score.log.ending, "metric_best": m.score.reached}
    best_x, best_epoch = m.best
    places = {"best_x": best_x, "best_epoch": best_epoch}
    return levels | {name: value for name, value in places.items() if value is not None}
