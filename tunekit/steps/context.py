"""What a step knows besides its records, and what every step says alike: results, symptoms of earlier findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tunekit.findings import catalogue
from tunekit.recipe import Recipe
from tunekit.vocabulary import STEPS, Facts, Finding, StepResult, TrainingConfig, Values, worst


@dataclass(frozen=True)
class Context:
    """The recipe, what was measured of it, and what earlier steps handed on (from their studies)."""

    recipe: Recipe
    facts: Facts
    run: str  # as a person types it
    earlier: Mapping[str, Values] = field(default_factory=dict)  # step -> {"handoff": ..., "codes": [...]}
    importance: Mapping[str, float] = field(default_factory=dict)

    def handoff(self, step: str) -> Values:
        found: Values = self.earlier.get(step, {}).get("handoff", {})
        return found

    def tuned(self, step: str) -> dict[str, Any]:
        """The parameters among a step's hand-off: rate, weight decay and searched values."""
        handed = self.handoff(step)
        return {name: handed[name] for name in ("lr", "weight_decay", *self.recipe.search) if name in handed}

    def config(self, params: Values | None = None, **changes: Any) -> TrainingConfig:
        """The training that the recipe describes with these parameters (lr, weight_decay, seed, dotted paths).

        Steps 2 to 5 train at a constant rate (a warm-up of fixed length stays): only so is the beginning of a long
        training the same training as a short one.
        """
        params = dict(params or {})
        seed = params.pop("seed", self.recipe.seed)
        config = self.recipe.with_values(params).training_config(self.facts)
        warmup = {name: value for name, value in config.schedule["args"].items() if name == "warmup"}
        schedule = {"name": "constant", "args": warmup}
        return config.with_(**{"seed": seed, "schedule": schedule, **changes})

    def iterations_per_epoch(self, params: Values | None = None) -> int:
        """Batches in a pass, where a searched batch size changes them."""
        size = int((params or {}).get("batch_size", self.recipe.batch_size))
        if size == self.recipe.batch_size:
            return self.facts.iterations_per_epoch
        return max(1, self.facts.n_train // size)

    @property
    def metric(self) -> str:
        """The column by which validation is judged."""
        return f"val_{self.facts.metric}"

    @property
    def choices(self) -> Values:
        """The search axes that hold no plain numbers, for the study."""
        numbers = (int, float)
        return {
            path: values
            for path, values in self.recipe.search.items()
            if not all(isinstance(value, numbers) and not isinstance(value, bool) for value in values)
            or len({type(value) for value in values}) > 1
        }

    def causes(self, before: str) -> list[str]:
        """Codes of earlier steps that explain symptoms seen later."""
        codes = [code for step in STEPS[: STEPS.index(before)] for code in self.earlier.get(step, {}).get("codes", ())]
        return [code for code in dict.fromkeys(codes) if catalogue()[code].explains_later]

    def result(
        self,
        step: str,
        summary: str,
        findings: Sequence[Finding],
        handoff: Values | None = None,
        table: Sequence[Values] = (),
        details: Values | None = None,
    ) -> StepResult:
        """A step's result: its verdict is that of its gravest finding, and symptoms name their cause."""
        verdict = worst(findings)
        causes = self.causes(step)
        told = tuple(_as_symptom(finding, causes) for finding in findings)
        command = f"tunekit {STEPS[STEPS.index(step) + 1]} {self.run}" if step != STEPS[-1] else ""
        return StepResult(
            step=step,
            verdict=verdict,
            summary=summary,
            findings=told,
            handoff=dict(handoff or {}),
            table=tuple(table),
            details=dict(details or {}),
            next=command,
        )


def _as_symptom(finding: Finding, causes: Sequence[str]) -> Finding:
    """What follows from a fault that an earlier step named is no second fault: it points to the first."""
    if not causes or not catalogue()[finding.code].symptom or finding.severity != "fail":
        return finding
    named = ", ".join(causes[:3])
    return replace(
        finding,
        severity="note",
        message=f"{finding.message}; this follows from {named}, found before",
        advice=(f"mend {named} first: `tunekit explain {causes[0]}`",),
    )


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def metric_text(name: str, value: float | None) -> str:
    """A metric as a person reads it: accuracies in per cent, losses with four digits."""
    if value is None:
        return "-"
    return percent(value) if "accuracy" in name else f"{value:.4g}"
