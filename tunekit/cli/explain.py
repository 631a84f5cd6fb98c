"""The command that explains what tunekit says and what a recipe can hold: explain."""

from __future__ import annotations

from collections.abc import Mapping
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
from tunekit.techniques import Technique
from tunekit.vocabulary import UserError

if TYPE_CHECKING:
    from tunekit.explaining import CodeExplained, Explained


def _known_names(incomplete: str) -> list[str]:
    from tunekit.explaining import explained

    return offered(*explained())(incomplete)


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
    from tunekit.explaining import CodeExplained, SeveralExplained, TechniqueExplained, explained
    from tunekit.recipe.text import nearest
    from tunekit.techniques.aliases import ALIASES, find

    told = explained()
    names = list(told) if name is None else find(name, {entry: one.kind for entry, one in told.items()})
    if not names:
        near = nearest(str(name), [*told, *ALIASES])
        raise UserError(f"{name}: no such code or technique{near}; `tunekit explain` lists them")
    entries = {entry: told[entry] for entry in names}
    if as_json:
        print_json(SeveralExplained(entries) if len(entries) > 1 else entries[names[0]])
    elif name is None:
        codes = [one for one in entries.values() if isinstance(one, CodeExplained)]
        rows = [
            {"code": one.name, "severity": one.severity, "step": one.steps[0], "meaning": one.meaning} for one in codes
        ]
        show_table(rows, limit=len(rows))
        say("")
        techniques = [one for one in entries.values() if isinstance(one, TechniqueExplained)]
        rows = [{"technique": one.name, "kind": one.kind, "what": one.what} for one in techniques]
        show_table(rows, limit=len(rows))
    elif len(entries) > 1:
        rows = [{"name": entry, "kind": one.kind, "what": _what(one)} for entry, one in entries.items()]
        show_table(rows, limit=len(rows))
    else:
        _show(entries[names[0]])


def _what(entry: Explained) -> str:
    return entry.what if isinstance(entry, Technique) else entry.meaning


def _show(entry: Explained) -> None:
    if isinstance(entry, Technique):
        _show_technique(entry)
    else:
        _show_code(entry)


def _show_code(entry: CodeExplained) -> None:
    from tunekit.diagnosis.odds import told, worth

    say(f"{entry.name} ({entry.severity}; {', '.join(entry.steps)})", entry.meaning, "")
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
