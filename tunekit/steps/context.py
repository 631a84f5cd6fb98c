"""What a step knows besides its records: the recipe as tuned so far, its own settings, what earlier steps left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from tunekit.configuration import ScheduleSpec, TrainingConfig, Values, as_set
from tunekit.recipe.optimizers import Optimizer, optimizer_of
from tunekit.recipe.schedules import warm_up
from tunekit.shares import percent
from tunekit.steps.step import H, S, Settings, Step
from tunekit.vocabulary import Facts, Format, Importance, Record, StepResult

if TYPE_CHECKING:
    from tunekit.recipe import Recipe

Other = TypeVar("Other", bound=Settings)

LENGTH = "fine-run"
"""The step whose epochs count as a training's length."""


@dataclass(frozen=True)
class Earlier:
    """What an earlier step left, from its study. `causes`: its codes that explain what goes wrong later; `tuned`: what
    its hand-off settles of the recipe."""

    result: StepResult
    causes: tuple[str, ...] = ()
    tuned: Values = field(default_factory=dict)

    @property
    def codes(self) -> list[str]:
        """Its findings of severity warn or fail."""
        return [finding.code for finding in self.result.findings if finding.severity != "note"]


@dataclass(frozen=True)
class Context(Generic[S]):
    """`recipe` holds what earlier steps tuned; without them, the person's own values. `wanted`: trainings of this step
    that later ones go on with."""

    step: Step[S, Any]
    recipe: Recipe
    facts: Facts
    earlier: Mapping[str, Earlier] = field(default_factory=dict)  # step -> what it left, in order
    following: str = ""  # the step after this one
    wanted: int = 0
    importance: Importance = field(default_factory=Importance)

    @property
    def settings(self) -> S:
        return cast(S, self.recipe.settings(self.step.name))

    def of(self, step: Step[Other, Any]) -> Context[Other]:
        """The same knowledge for what another step plans or judges on behalf of this one."""
        return Context(step, self.recipe, self.facts, self.earlier, self.following, self.wanted, self.importance)

    def handoff(self, step: Step[Any, H]) -> H | None:
        """What an earlier step handed on, or None."""
        earlier = self.earlier.get(step.name)
        return step.read_handoff(earlier.result) if earlier else None

    @property
    def causes(self) -> list[str]:
        """Codes of earlier steps that explain symptoms seen now."""
        return list(dict.fromkeys(code for earlier in self.earlier.values() for code in earlier.causes))

    @property
    def params(self) -> Values:
        """What has been tuned so far, as a study shows it: rate, weight decay and the searched values as they were
        written."""
        optimizer = self.recipe.optimizer
        tuned = {name: value for earlier in self.earlier.values() for name, value in earlier.tuned.items()}
        searched = {path: tuned[path] for path in self.recipe.search if path in tuned}
        return {"lr": optimizer.lr, "weight_decay": optimizer.weight_decay, **searched}

    def config(self, params: Values | None = None, schedule: ScheduleSpec | None = None) -> TrainingConfig:
        """The training that the recipe describes with these parameters (lr, weight_decay, seed, dotted paths).

        Steps 2 to 5 train at a constant rate (a warm-up of fixed length stays; a share is one of the fine run's
        length): only so is the beginning of a long training the same training as a short one.
        """
        config = self.whole_config(params, self.recipe.settings(LENGTH).epochs)
        return replace(config, schedule=schedule or warm_up(config.schedule))

    def whole_config(self, params: Values | None, epochs: int) -> TrainingConfig:
        """The same for a training of so many epochs, with the recipe's own schedule."""
        params = dict(params or {})
        seed = params.pop("seed", self.recipe.seed)
        return replace(self.recipe.with_values(params).training_config(self.facts, epochs), seed=seed)

    def optimizer(self, params: Values | None = None) -> Optimizer:
        """What is known of the recipe's optimizer, or of the one that these searched values make."""
        own = {path: value for path, value in (params or {}).items() if path.startswith("optimizer.")}
        optimizer = self.recipe.with_values(own).optimizer if own else self.recipe.optimizer
        return optimizer_of(optimizer.target, optimizer.args)

    def at(self, values: Values) -> Context[S]:
        """The same knowledge where the recipe has these searched values."""
        return replace(self, recipe=self.recipe.with_values(values)) if values else self

    def iterations_per_epoch(self, params: Values | None = None) -> int:
        """Batches in a pass, at the batch size of these parameters or else of the recipe."""
        return self.facts.batches(int((params or {}).get("batch_size", self.recipe.batch_size)))

    @property
    def metric(self) -> str:
        """The column by which validation is judged."""
        return f"val_{self.facts.metric}"

    def metric_text(self, value: float | None) -> str:
        """A value of the metric as a person reads it."""
        return "-" if value is None else percent(value) if self.facts.share else f"{value:.4g}"

    def difference_text(self, value: float) -> str:
        """A difference of values of the metric, or their spread: of shares in points, which are no part of either."""
        return f"{100 * value:.1f} points" if self.facts.share else f"{value:.4g}"

    def is_better(self, value: float, other: float) -> bool:
        return value > other if self.facts.maximize else value < other

    @property
    def formats(self) -> dict[str, Format]:
        """How a table shows rates and the metric."""
        formats: dict[str, Format] = {"lr": "rate", "weight_decay": "rate"}
        return {**formats, self.metric: "share"} if self.facts.share else formats


def named_few(names: Sequence[str], most: int = 4) -> str:
    """The first of some names in a sentence, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def described(params: Values) -> str:
    """Parameters in a sentence: `lr 1e-2, batch_size 32`."""
    return ", ".join(f"{name} {as_set(name, value)}" for name, value in params.items())


def same_values(record: Record, params: Values) -> bool:
    """Whether a record was asked for with these values, whatever others it has."""
    return all(record.params.get(path) == value for path, value in params.items())
