"""`python -m tests.reference` writes anew what pages have from the code; a test holds them to that.

That is: the page of codes, and each table between `<!-- KIND -->` and `<!-- end -->`, of a recipe's keys, of
techniques, and of what verdicts are worth.
"""

from __future__ import annotations

import csv
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.corpus.score import LEDGER
from tests.pages import DOCS, PAGES
from tunekit.advice.remarks import CODES as REMARKS
from tunekit.diagnosis.odds import INTERVENTIONS, measured, told, worth
from tunekit.pipeline import schema
from tunekit.recipe.schedules import SCHEDULES
from tunekit.shares import told as share
from tunekit.steps import codes, steps
from tunekit.steps.lr_sweep import LOWEST
from tunekit.techniques import KINDS, TECHNIQUES
from tunekit.training.augmentations import AUGMENTATIONS
from tunekit.training.losses import LOSSES
from tunekit.training.models import MODELS
from tunekit.training.sources.entries import FAMILIES, SOURCES
from tunekit.vocabulary import Code

CODES_PAGE = DOCS / "codes.md"


def rows(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table as Markdown."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in body)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


FUNCTIONS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "schedule": {name: entry.factor for name, entry in SCHEDULES.items()},
    "loss": LOSSES,
    "augmentation": {name: entry.apply for name, entry in AUGMENTATIONS.items()},
    "model": MODELS,
    "source": {**SOURCES, **{f"{name}:NAME": function for name, function in FAMILIES.items()}},
}
"""What is called with a recipe's arguments, by kind of technique and name."""
NOT_THEIRS = {"bounds", "each_place", "name", "reduce", "reduction", "size_average"}
"""Arguments that are no recipe's to give, or that torch has left behind."""


def arguments(kind: str, name: str) -> dict[str, Any]:
    """What a recipe may give under `args`, with the defaults; what has none is the source's to ask for."""
    function = FUNCTIONS.get(kind, {}).get(name)
    parameters = inspect.signature(function).parameters.values() if function else ()
    asked = [one for one in parameters if one.name not in NOT_THEIRS and one.kind is not one.VAR_KEYWORD]
    return {one.name: one.default for one in asked if kind == "source" or one.default is not one.empty}


def value(of: Any) -> str:
    """A default as a recipe writes it."""
    if isinstance(of, list | tuple):
        return f"[{', '.join(map(value, of))}]"
    if isinstance(of, float):
        return re.sub(r"\.?0*e([+-])0?", r"e\1", f"{of:.3e}").replace("e+", "e") if 0 < abs(of) < 0.01 else f"{of:.4g}"
    return of if isinstance(of, str) else json.dumps(of)


def takes(kind: str, name: str) -> str:
    given = arguments(kind, name).items()
    return ", ".join(
        f"`{one}`" if default is inspect.Parameter.empty else f"`{one}: {value(default)}`" for one, default in given
    )


def techniques(kind: str) -> str:
    """The name, what it is, the recipe line for it, its arguments with their defaults, and the test that proves it."""
    head = ["name", "what it is", "in a recipe", "arguments", "proved by"]
    body = [
        [f"`{one.name}`", one.what, f"`{one.recipe}`", takes(kind, one.name), f"`{one.proof}`"]
        for one in TECHNIQUES.values()
        if one.kind == kind
    ]
    if kind not in FUNCTIONS:
        head, body = [*head[:3], head[4]], [[*row[:3], row[4]] for row in body]
    return rows(head, body)


NAMES = {
    "task": "`classification`, `binary`, `multilabel`, `regression` or `module:Class`",
    "data.target": "[a source](#sources-of-data), or `module:callable`",
    "data.augment": "a list of [augmentations](#augmentation)",
    "model.target": "[a model](#models), `torchvision:NAME`, `timm:NAME`, or `module:callable`",
    "loss.target": "[a loss](#losses), or `module:callable`",
    "metric.target": "[a metric](#metrics), `torchmetrics:NAME`, or `max module:callable` or `min module:callable`",
    "optimizer.target": "[an optimizer](#optimizers), a class of `torch.optim`, or `module:callable`",
    "schedule.name": "[a schedule](#schedules)",
    "schedule.warmup": "iterations (`500`), `2 epochs` or `5 %` of the training",
    "device": "`auto`, `cpu`, `cuda`, `cuda:1` or `mps`",
    "accept": "a list of [codes](codes.md)",
    "search": "keys, or short names of them, each with a list of values",
}
"""What a key takes whose schema says no more than that it is a text, or a list of anything."""
SLIP = 10**6
"""Bounds from here on only catch a slip of the keyboard, and are not told."""
WORDS = {"string": "a text", "boolean": "`true` or `false`", "object": "keys and values", "null": "`null`"}


def leaves(
    part: Mapping[str, Any], whole: Mapping[str, Any], path: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The keys of a JSON schema that hold values, with what it says of them."""
    if "$ref" in part:
        part = whole["$defs"][part["$ref"].rpartition("/")[2]]
    part = next((one for one in part.get("anyOf", ()) if "properties" in one), part)
    if "properties" not in part:
        yield path, part
    for name, inner in part.get("properties", {}).items():
        yield from leaves(inner, whole, f"{path}.{name}".lstrip("."))


def kind_of(part: Mapping[str, Any]) -> str:
    """What a value is, in words, as its schema has it."""
    if "anyOf" in part:
        return " or ".join(map(kind_of, part["anyOf"]))
    if "enum" in part or "const" in part:
        return ", ".join(f"`{one}`" for one in part.get("enum", [part.get("const")]))
    if isinstance(part.get("type"), list):
        return " or ".join(kind_of({"type": one}) for one in part["type"])
    if part.get("type") == "array":
        return f"a list of {kind_of(part['items']).replace('a number', 'numbers')}"
    if part.get("type") in ("integer", "number"):
        bounds = [
            f"{words} {value(float(part[name]))}"
            for name, words in (
                ("exclusiveMinimum", "above"),
                ("minimum", "from"),
                ("exclusiveMaximum", "below"),
                ("maximum", "to"),
            )
            if name in part and part[name] < SLIP and part[name] != LOWEST
        ]
        return (
            f"{'a whole number' if part['type'] == 'integer' else 'a number'} {' and '.join(bounds)}".strip().replace(
                " and to", " to"
            )
        )
    return WORDS[part["type"]]


def keys() -> str:
    """Every key of a recipe, what it takes, and its default."""
    whole = schema().model_json_schema()
    plainest = schema()(name="r", data={"target": "digits"}, model={"target": "mlp"})
    body = []
    for path, part in leaves(whole, whole):
        default = f"`{value(plainest.get(path))}`" if "default" in part else ""
        body.append([f"`{path}`", NAMES.get(path) or kind_of(part), default])
    return rows(["key", "takes", "default"], body)


def verdicts() -> str:
    """What verdicts were worth, the most frequent first: a row for each advice that came first."""
    head = ["verdict", "logs", "first advice", "helped", "harmed", "silent where it helps", "nothing helped"]
    body = []
    for code, known in sorted(measured().verdicts.items(), key=lambda one: -one[1].logs):
        silent = "{} of {}".format(*known.missed) if known.missed[1] else ""
        begin, end = [f"`{code}`", str(known.logs)], [silent, str(known.healthy)]
        for name, odds in sorted(known.first.items(), key=lambda one: -one[1].of):
            body.append([*begin, INTERVENTIONS[name].words, share(odds.helps, odds.of), str(odds.harms), *end])
            begin, end = ["", ""], ["", ""]
        if known.others:
            body.append([*begin, f"none of those tried, {known.others}", "", "", *end])
    logs = sum(known.logs for known in measured().verdicts.values())
    lead = f"Of {measured().networks:,} networks; the {logs} logs below are of the half that no rule was set on."
    return f"{lead}\n\n{rows(head, body)}"


def looks() -> str:
    """The last line of the ledger of each that judged, without when it was."""
    if not LEDGER.exists():
        return ""
    with LEDGER.open(newline="") as file:
        last = {row["judged by"]: row for row in csv.DictReader(file)}
    names = [name for name in next(iter(last.values())) if name != "when"]
    return rows(names, [[row[name] for name in names] for row in last.values()])


def code_entry(code: Code, said: Sequence[str]) -> str:
    """A code as `tunekit explain` tells it."""
    known = worth(code.name)
    lines = [f"### {code.name}", "", f"*{code.severity}; {', '.join(said)}.* {plain(code.meaning)}", ""]
    for title, text in (("Measured", code.measured), ("Usual causes", code.causes)):
        lines += [f"- **{title}**: {plain(text)}"] * bool(text)
    lines += [f"- **On trainings**: {'; '.join(known.words)}."] * bool(known.words)
    lines += [f"- **Source**: {plain(code.source)}"] * bool(code.source)
    return "\n".join([*lines, "", "What to do:", "", *(f"- {plain(told(line, known.tried))}" for line in code.advice)])


def plain(text: str) -> str:
    """Text that Markdown shows as it is: names with underscores as code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        re.sub(r"[\w.]*_\w*(?:\.\w+)*", r"`\g<0>`", one) if place % 2 == 0 else one for place, one in enumerate(parts)
    )


LEAD = """# Codes

What tunekit says has a code, and `tunekit explain CODE` prints what stands here. Where you know better,
`accept: [CODE]` in a recipe makes the finding a note. Each stands under the step that says it first, with how
grave it is and all steps that say it.
"""


def codes_page() -> str:
    """The page of codes: those of each step in the order of the steps, then what `inspect` remarks."""
    known = codes()
    shown = [LEAD]
    for step in steps():
        entries = [(code, said) for code, said in known.values() if said[0] == step.name]
        if entries:
            shown += [f"## {step.name}", "", *(f"{code_entry(code, said)}\n" for code, said in entries)]
    shown += ["## inspect", "", *(f"{code_entry(code, ['inspect'])}\n" for code in REMARKS)]
    return "\n".join(shown).rstrip() + "\n"


def with_tables(text: str) -> str:
    """A page with each `<!-- KIND -->` block filled with its table."""
    tables = {**{kind: techniques(kind) for kind in KINDS}, "keys": keys(), "verdicts": verdicts(), "looks": looks()}
    for kind, table in tables.items():
        block = re.compile(rf"(<!-- {kind} -->\n).*?(<!-- end -->)", re.S)
        text = block.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    return text


if __name__ == "__main__":
    CODES_PAGE.write_text(codes_page())
    for path in PAGES:
        path.write_text(with_tables(path.read_text()))
