"""What the first screen of report.html says of a run: the verdict, the weights, the estimate, sizes, what to do next.
Computes nothing that a result would hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunekit.configuration import as_set
from tunekit.files import read_json
from tunekit.layout import BEST_WEIGHTS, FINAL, MODEL, RECIPE, SCORED, TRAININGS
from tunekit.measured import SplitScored
from tunekit.report.console import cell
from tunekit.report.final import NAMED
from tunekit.rundir import OWN_KEYS, RunFolder
from tunekit.steps import get_step
from tunekit.steps.baselines import guessed
from tunekit.steps.fine_run import BestRun
from tunekit.steps.winner import Winner
from tunekit.store import Store
from tunekit.telling import FINAL as TRAIN
from tunekit.telling import as_path, command, counted, pasted
from tunekit.vocabulary import Facts, Finding, Format, Remedy, StepResult, UserError

MOST_BYTES = 20_000_000


@dataclass(frozen=True)
class FirstScreen:
    """`mend`: what mends the failures that are told; `facts`: names and what is said of them, in order;
    `load`: lines of Python that load the weights; `next`: one command, "" where there is none."""

    verdict: str
    sentence: str
    mend: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    load: str
    next: str


def first_screen(
    run: RunFolder, shown: str, results: Sequence[StepResult], final: Mapping[str, Any], scored: SplitScored | None
) -> FirstScreen:
    """`final`: what `train` said of the final model, empty where there is none; `scored`: that model on a split."""
    last, winner = results[-1] if results else None, winner_of(results)
    where, load = _weights(run, shown, winner, final)
    older = _outdated(run, winner) if final else []
    summary, unsaid = str(final.get("summary", "")), str(final.get("unsaid", ""))
    failed = _failed(results if summary else results[:-1])
    never = [("never predicted", unsaid)] if unsaid else []
    told = [*never, *failed, *_unfinished(run, results), *_superseded(run), *_tuned(winner), *older, *where]
    verdict = last.verdict if last else ""
    return FirstScreen(
        verdict="warn" if unsaid and verdict != "fail" else verdict,
        sentence=summary or _sentence(last),
        mend=tuple(dict.fromkeys(advice for one in results for fault in _faults(one) for advice in fault.advice)),
        facts=(*told, *estimates(winner, results, final, scored), *_sizes(run)),
        load=load,
        next=_next(run, shown, last, final, bool(older)),
    )


def scored_of(run: RunFolder) -> SplitScored | None:
    """The final model on a split; None where there is none, or what cannot be read."""
    try:
        return SplitScored.from_json(read_json(run.path / FINAL / SCORED, MOST_BYTES))
    except (OSError, ValueError):
        return None


def reproducing(shown: str, final: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Commands, each with what it does, that make a run's results again."""
    parent = str(Path(shown).parent)
    beside = [] if parent == "runs" else ["--runs-dir", parent]
    again = pasted("tunekit", "run", as_path(Path(shown) / RECIPE), *beside)
    commands = [(again, "every step again, in a new run"), (pasted("tunekit", "status", as_path(shown)), "this run")]
    if final:
        commands.insert(1, (pasted("tunekit", TRAIN, as_path(shown)), "the final model"))
    return commands


def winner_of(results: Sequence[StepResult]) -> Winner | None:
    """The tuned values of the last step that ranked trainings."""
    for result in reversed(results):
        try:
            handoff = get_step(result.step).read_handoff(result)
        except ValueError:
            continue  # of a version that had another
        if isinstance(handoff, Winner):
            return handoff
    return None


def _faults(result: StepResult) -> list[Finding]:
    """What a step failed by, where something has to be mended before the next."""
    fails = [finding for finding in result.findings if finding.severity == "fail"]
    return fails if result.verdict == "fail" and not result.diagnosis else []


def _messages(result: StepResult) -> str:
    return "; ".join(dict.fromkeys(fault.message.removesuffix(".") for fault in _faults(result)))


def _sentence(last: StepResult | None) -> str:
    if last is None:
        return "No step has finished."
    faults = _messages(last)
    return f"{last.step}: {faults}" if faults else last.summary


def _failed(earlier: Sequence[StepResult]) -> list[tuple[str, str]]:
    """Steps that were gone past though they failed."""
    return [(f"{one.step} failed", faults) for one in earlier if (faults := _messages(one))]


def _unfinished(run: RunFolder, results: Sequence[StepResult]) -> list[tuple[str, str]]:
    steps = run.steps()
    return [("steps", f"{len(results)} of {len(steps)} have ended")] if len(results) < len(steps) else []


def _superseded(run: RunFolder) -> list[tuple[str, str]]:
    return [("outdated", f"{', '.join(run.outdated)}: what they hang on changed since")] if run.outdated else []


def _outdated(run: RunFolder, winner: Winner | None) -> list[tuple[str, str]]:
    """Where the final model was trained with other values than the steps have come to since."""
    if winner is None or (isinstance(winner, BestRun) and winner.untouched):
        return []
    try:
        config = Store(run.trainings).by_name(str(run.manifest().get("final"))).config.as_dict()
    except UserError:  # gone, or of an older run
        return []
    had = {path: _at(config, path) for path in winner.values}
    other = [f"{path} {as_set(path, value)}" for path, value in had.items() if value not in (None, winner.values[path])]
    said = f"older than the tuned values: it was trained with {', '.join(other)}"
    return [("final model", said)] if other else []


def _at(config: Mapping[str, Any], path: str) -> Any:
    value: Any = config
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _tuned(winner: Winner | None) -> list[tuple[str, str]]:
    if winner is None:
        return []
    values = (f"{name} {as_set(name, value)}" for name, value in winner.values.items())
    return [("tuned values", ", ".join(values))]


def _weights(
    run: RunFolder, shown: str, winner: Winner | None, final: Mapping[str, Any]
) -> tuple[list[tuple[str, str]], str]:
    """Where the weights lie, and how they are loaded."""
    if final and (run.path / FINAL / MODEL).is_file():
        load = f"from tunekit.deployed import load_model\n\nmodel = load_model({shown!r})"
        return [("weights", f"{shown}/{FINAL}/{MODEL}")], load
    if winner is None or not (run.trainings / winner.training / BEST_WEIGHTS).is_file():
        return [], ""
    file = f"{shown}/{TRAININGS}/{winner.training}/{BEST_WEIGHTS}"
    return [("weights", file)], f"import torch\n\nstate = torch.load({file!r})['model']\nmodel.load_state_dict(state)"


def estimates(
    winner: Winner | None, results: Sequence[StepResult], final: Mapping[str, Any], scored: SplitScored | None
) -> list[tuple[str, str]]:
    """What validation makes new samples expect, and what the final model came to on its split."""
    told = []
    beside = "" if winner is None else _guessing(winner, results)
    if isinstance(winner, BestRun) and winner.expected is not None and winner.expected_of is not None:
        forms = next((one.formats for one in results if winner.expected_of in one.formats), {})
        value, *ends = (
            cell(one, forms.get(winner.expected_of)) for one in (winner.expected, *(winner.expected_interval or ()))
        )
        within = f", between {ends[0]} and {ends[1]} (about 95 %)" if ends else ""
        told.append(("new samples, by validation", f"{winner.expected_of} {value}{within}{beside}"))
    elif winner is not None:
        forms = next((one.formats for one in results if winner.metric in one.formats), {})
        value = cell(winner.value, forms.get(winner.metric))
        told.append(("validation", f"{winner.metric} {value}, no interval{beside}"))
    if final and scored is not None and scored.samples:
        form: Format | None = "share" if scored.share else None
        value, *ends = (cell(one, form) for one in (scored.value, *(scored.interval or ())))
        within = f", between {ends[0]} and {ends[1]} ({scored.how})" if ends else ""
        on = NAMED["test" if final.get("scored_on") == "test" else "val"]
        over = counted(scored.samples, "sample")
        told.append((f"final model, {on}", f"{scored.metric} {value}{within}, over {over}"))
    return told


def _guessing(winner: Winner, results: Sequence[StepResult]) -> str:
    """What guessing reaches by the column that is told."""
    column = winner.metric if not isinstance(winner, BestRun) else winner.expected_of or winner.metric
    guess = guessed(results, column)
    return "" if guess is None else f"; guessing: {cell(*guess)}"


def _sizes(run: RunFolder) -> list[tuple[str, str]]:
    """How much data and what model, and what they ran on."""
    versions = run.noted("versions")
    packages = [f"{name} {versions[name]}" for name in ("tunekit", "torch", "python") if name in versions]
    try:
        facts = Facts.from_json(run.noted("facts"))
    except ValueError:  # of an older run
        return [("versions", ", ".join(packages))] if packages else []
    data = f"{facts.n_train:,} training and {facts.n_val:,} validation samples"
    if facts.classes is not None:
        data += f", {counted(facts.classes, 'class', 'classes')}"
    return [
        ("data", data),
        ("model", counted(facts.parameters, "parameter")),
        ("device", ", ".join([f"{facts.device}, {facts.precision}", counted(facts.threads, "thread"), *packages])),
    ]


def _next(run: RunFolder, shown: str, last: StepResult | None, final: Mapping[str, Any], older: bool) -> str:
    """What the last step says; once it was to train the final model and there is one, to ask that. First, what is
    outdated anew, then a final model that is `older` than the tuned values."""
    if older or run.outdated:
        return command(Remedy("run" if run.outdated else TRAIN), shown, OWN_KEYS, RECIPE)
    trains = last is None or not last.remedies or last.remedies[0].command == TRAIN
    if final and trains:
        asks = (run.path / FINAL / MODEL).is_file()
        return f"{pasted('tunekit', 'predict', as_path(shown))} FILES" if asks else ""
    if last is None:
        return command(Remedy("run"), shown, OWN_KEYS, RECIPE)
    return last.next
