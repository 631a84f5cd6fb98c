"""The command that explains what tunekit says and what a recipe can hold: explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tunekit.cli.options import (
    AROUND_PANEL,
    Json,
    command,
    offered,
    print_json,
    say,
    show_table,
)
from tunekit.vocabulary import UserError

if TYPE_CHECKING:
    from tunekit.techniques import Technique
    from tunekit.vocabulary import Code


def _known_names(incomplete: str) -> list[str]:
    from tunekit.techniques import TECHNIQUES

    return offered(*_known_codes(), *TECHNIQUES)(incomplete)


def _known_codes() -> dict[str, tuple[Code, Sequence[str]]]:
    """Each with the steps that say it."""
    from tunekit.advice.remarks import CODES
    from tunekit.steps import codes

    return {**codes(), **{code.name: (code, ["inspect"]) for code in CODES}}


@command(AROUND_PANEL, "reading")
def explain(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A code (initial_loss_high), a technique (adam) or a plain word (overfitting); without: all.",
            autocompletion=_known_names,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Explain a code (what it means, how it is measured, what to do) or a technique (its formula, when it helps)."""
    from dataclasses import asdict

    from tunekit.diagnosis.odds import measured
    from tunekit.recipe.text import nearest
    from tunekit.techniques import TECHNIQUES
    from tunekit.techniques.aliases import ALIASES, find

    known = _known_codes()
    told = {code: {"kind": "code", **asdict(entry), "steps": said} for code, (entry, said) in known.items()}
    for code, worth in ((code, worth) for code, worth in measured().verdicts.items() if code in told):
        told[code]["worth"] = worth.to_json()
    told |= {technique.name: asdict(technique) for technique in TECHNIQUES.values()}
    entries = find(name, {entry: str(values["kind"]) for entry, values in told.items()}) if name is not None else []
    if name is not None and not entries:
        near = nearest(name, [*told, *ALIASES])
        raise UserError(f"{name}: no such code or technique{near}; `tunekit explain` lists them")
    if len(entries) == 1:
        name = entries[0]
    if as_json:
        several = told if name is None else {entry: told[entry] for entry in entries}
        print_json({"code": name, **told[name]} if name in known else told.get(name or "", several))
    elif len(entries) > 1:
        rows = [{"name": one, "kind": told[one]["kind"], "what": _what(told[one])} for one in entries]
        show_table(rows, limit=len(rows))
    elif name is None:
        rows = [
            {"code": code, "severity": entry.severity, "step": said[0], "meaning": entry.meaning}
            for code, (entry, said) in known.items()
        ]
        show_table(rows, limit=len(rows))
        say("")
        told_techniques = [{"technique": t.name, "kind": t.kind, "what": t.what} for t in TECHNIQUES.values()]
        show_table(told_techniques, limit=len(told_techniques))
    elif name in known:
        _show_code(*known[name])
    else:
        _show_technique(TECHNIQUES[name])


def _what(entry: Mapping[str, object]) -> object:
    return entry["meaning"] if entry["kind"] == "code" else entry["what"]


def _show_code(entry: Code, said: Sequence[str]) -> None:
    from tunekit.diagnosis.odds import told, worth

    say(f"{entry.name} ({entry.severity}; {', '.join(said)})", entry.meaning, "")
    _show_parts({"Measured": entry.measured, "Usual causes": entry.causes, "Source": entry.source})
    known = worth(entry.name)
    for line in known.words:
        say(f"Measured on trainings: {line}")
    say("What to do:")
    for line in entry.advice:
        say(f"  - {told(line, known.tried)}")


def _show_technique(technique: Technique) -> None:
    say(f"{technique.name} ({technique.kind})", technique.what, "")
    formula = technique.formula + (f" ({technique.symbols})" if technique.symbols else "")
    _show_parts({"Formula": formula, "Helps": technique.helps, "Costs": technique.costs, "Source": technique.source})
    say(f"In a recipe: {technique.recipe}")


def _show_parts(parts: Mapping[str, str]) -> None:
    for title, text in parts.items():
        if text:
            say(f"{title}: {text}")
