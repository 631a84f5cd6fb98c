"""The schema of a whole recipe, and the training that it describes. Builds nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    WithJsonSchema,
    create_model,
    field_serializer,
    field_validator,
    model_validator,
)

from tunekit.configuration import (
    DEVICES,
    DataSpec,
    LossSpec,
    MetricSpec,
    ModelSpec,
    OptimizerSpec,
    TrainingConfig,
    Values,
    digest,
)
from tunekit.recipe.arguments import LARGEST
from tunekit.recipe.faults import explained, faults, meant, placed
from tunekit.recipe.optimizers import OWN_RATE, normal, optimizer_of
from tunekit.recipe.parts import LARGEST_BATCH, MOST_THREADS, Data, Model, Optimizer, Part, Schedule, Target, Train
from tunekit.recipe.schedules import AUTO, STEADY, resolved
from tunekit.recipe.text import (
    ALIASES,
    SHORT,
    Lines,
    apply_overrides,
    axis_path,
    kind_of,
    nearest,
    parse_yaml,
    set_path,
)
from tunekit.vocabulary import Facts, UserError

TASKS = ("classification", "binary", "multilabel", "regression")


MOST_TRIALS = 10_000
"""Of a step: more is a slip of the keyboard, and is said before anything is built."""


_auto = BeforeValidator(lambda value: None if value == "auto" else value)
_AUTO_TOO = WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_THREADS}, {"const": "auto"}]})


class StepSettings(Part):
    """The steps' own settings, one field a step: `recipe_type` makes them from what the steps say."""


def _not_searched(path: str) -> str:
    """Why a key is no axis of the grid, or nothing where it is one."""
    first = path.split(".")[0]
    if path in ("lr", "weight_decay", "optimizer", "optimizer.lr", "optimizer.weight_decay"):
        return "rates and weight decays have axes of their own (steps.coarse-grid)"
    if (first == "data" and not path.startswith("data.augment")) or first in ("task", "metric"):
        return "values on other data, or by another metric, cannot be compared"
    if first in ("name", "seed", "device", "precision", "threads", "steps", "train", "search", "accept"):
        return "it is one for the whole run"
    return ""


class Recipe(Part):
    """A whole recipe. Every key is explained in `docs/recipe.md`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    task: str = "classification"
    data: Data
    model: Model
    loss: Target = Target(target="auto")
    metric: Target = Target(target="auto")
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    batch_size: int = Field(64, gt=0, le=LARGEST_BATCH)
    clip_grad_norm: float | None = Field(None, gt=0, le=LARGEST)
    ema: float | None = Field(None, gt=0, lt=1)
    l1: float = Field(0.0, ge=0, le=LARGEST)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = Field("auto", pattern=f"^({DEVICES})$")
    threads: Annotated[int | None, _auto, _AUTO_TOO] = Field(
        None, gt=0, le=MOST_THREADS
    )  # None: decided by the size of the model
    seed: int = Field(0, ge=0, lt=2**31)
    steps: StepSettings = StepSettings()
    train: Train = Train()
    search: dict[str, list[Any]] = Field(default_factory=dict)
    accept: list[str] = Field(default_factory=list)  # codes whose findings are notes

    @field_serializer("threads")
    def _threads_text(self, value: int | None) -> int | str:
        return "auto" if value is None else value

    @field_validator("task")
    @classmethod
    def _known_task(cls, value: str) -> str:
        if value not in TASKS and ":" not in value:
            near = nearest(value, TASKS)
            raise ValueError(f"unknown task {value!r}{near}; one of {', '.join(TASKS)} or module:Class")
        return value

    @field_validator("search", mode="before")
    @classmethod
    def _full_paths(cls, value: object) -> object:
        """Axes by their paths, whichever name they were given by: so studies and results name each one way."""
        if not isinstance(value, dict):
            return value
        names: dict[str, str] = {}
        for name in map(str, value):
            path = axis_path(name)
            if path in names:
                raise ValueError(f"search.{name}: is the same axis as search.{names[path]}")
            names[path] = name
        return {axis_path(str(name), values): values for name, values in value.items()}

    @model_validator(mode="after")
    def _trials_can_be_counted(self) -> Recipe:
        for name in self.step_names():
            asks_for = getattr(self.settings(name), "asks_for", None)
            count = asks_for(self.search) if asks_for else 0
            if count > MOST_TRIALS:
                raise ValueError(f"steps.{name}: asks for {count:,} trials; a step takes at most {MOST_TRIALS:,}")
        return self

    @model_validator(mode="after")
    def _averages_once(self) -> Recipe:
        target = self.optimizer.target
        if not optimizer_of(target).averages:
            return self
        if self.schedule.name not in (AUTO, STEADY):
            raise ValueError(
                f"schedule: {target} takes none: averaging its weights stands for the decay; leave schedule out "
                "or set it to auto (a warm-up may stay)"
            )
        if self.ema is not None:
            raise ValueError(f"ema: {target} averages its weights itself; leave ema out or set it to null")
        return self

    @model_validator(mode="after")
    def _search_values_fit(self) -> Recipe:
        for path, values in self.search.items():
            if not values:
                raise ValueError(f"search.{path}: the list of values is empty")
            if reason := _not_searched(path):
                raise ValueError(f"search.{path}: cannot be searched: {reason}; try model.args.… or batch_size")
            if path == "data.augment_strength" and not (self.data.augment or "data.augment" in self.search):
                raise ValueError(f"search.{path}: there is nothing to scale: data.augment is empty")
            trainings: dict[str, Any] = {}
            for value in values:
                try:
                    data = self._with({path: value}).as_dict()
                except ValidationError as error:
                    place = f"search.{path}"
                    if error.errors()[0]["type"] == "extra_forbidden" and "." not in path:
                        near = meant(type(self), path, [*SHORT, *type(self).model_fields])
                        raise ValueError(f"{place}: unknown key {path!r}{near}") from None
                    told = explained(type(self), error.errors()[0], {}, place)
                    if error.errors()[0]["type"] == "list_type" and not isinstance(value, list):
                        told = f"{place}: each value searched is a list itself, such as {[[value]]}, not {value!r}"
                    raise ValueError(told) from None
                except UserError as error:
                    raise ValueError(f"search.{path}: {error}") from None
                # Steps 3 to 5 train at a constant rate: of a schedule its warm-up alone is theirs.
                data["schedule"] = data["schedule"]["args"].get("warmup")
                optimizer = data["optimizer"]
                optimizer["target"], optimizer["args"] = normal(optimizer["target"], optimizer["args"])
                key = digest(_of_whole(data))
                if key in trainings:
                    raise ValueError(f"search.{path}: {trainings[key]!r} and {value!r} are the same training")
                trainings[key] = value
        return self

    def with_values(self, params: Values) -> Recipe:
        """This recipe with dotted paths (or lr, weight_decay) set to values. Errors: UserError."""
        try:
            return self._with(params).model_copy(update={"search": self.search})
        except ValidationError as error:
            raise faults(type(self), error, {}, "") from None

    def _with(self, params: Values) -> Recipe:
        """Of the search nothing: its values were checked with the recipe that has them."""
        data = {**self.as_dict(), "search": {}}
        if _finds_rate(params.get("optimizer.target")) not in (None, _finds_rate(self.optimizer.target)):
            del data["optimizer"]["lr"]  # of the other, to which it means something else
        for name, value in params.items():
            set_path(data, ALIASES.get(name, name), value)
        return type(self).model_validate(data)

    def as_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)

    def step_names(self) -> list[str]:
        """The names of the steps whose settings this recipe holds, in order."""
        return [info.alias or name for name, info in type(self.steps).model_fields.items()]

    @property
    def files_searched(self) -> list[str]:
        """Files of weights among the searched values."""
        return [value for value in self.search.get("model.weights", ()) if isinstance(value, str)]

    def settings(self, step: str) -> Any:
        """A step's settings, of the class that the step says."""
        return getattr(self.steps, _field(step))

    def with_training(self, config: TrainingConfig) -> Recipe:
        """This recipe with all that a training's configuration says of it, and nothing left to search. Steps train at a
        constant rate and under seeds of their own: schedule and seed stay."""
        trained = config.as_dict()
        data = self.as_dict()
        for name in ("loss", "metric", "model", "batch_size", "clip_grad_norm", "ema", "l1"):
            data[name] = trained[name]
        data["data"] = {name: trained["data"][name] for name in data["data"]}
        built = {name: trained["optimizer"][name] for name in ("target", "args")}
        if normal(self.optimizer.target, self.optimizer.args) == tuple(built.values()):
            built = {}  # as the person wrote it
        data["optimizer"] |= {**built, "decay_on": config.optimizer.decay_on, "lr": config.lr}
        data["optimizer"]["weight_decay"] = config.weight_decay
        return type(self).model_validate({**data, "search": {}})

    def get(self, path: str) -> Any:
        """The value at a dotted path (or lr, weight_decay)."""
        data: object = self.as_dict()
        for part in ALIASES.get(path, path).split("."):
            data = data.get(part) if isinstance(data, dict) else None
        return data

    @property
    def _augmented(self) -> dict[str, Any]:
        """Where nothing is augmented, or at strength 0, the other of the two says nothing."""
        on = bool(self.data.augment and self.data.augment_strength)
        return {} if on else {"augment": [], "augment_strength": 1.0}

    @property
    def _schedule(self) -> str:
        steady = self.schedule.name == AUTO and optimizer_of(self.optimizer.target).averages
        return STEADY if steady else self.schedule.name

    def training_config(self, facts: Facts, epochs: int = 1) -> TrainingConfig:
        """The training that this recipe describes, with what was resolved on this machine and data. `epochs`: its
        length, for a schedule that depends on it."""
        per_epoch = facts.batches(self.batch_size)
        return TrainingConfig(
            task=self.task,
            loss=LossSpec(**self.loss.model_dump(mode="json")),
            metric=MetricSpec(**self.metric.model_dump(mode="json")),
            model=ModelSpec(**self.model.model_dump(mode="json")),
            data=DataSpec(**{**self.data.model_dump(mode="json"), **self._augmented}, seed=self.seed),
            optimizer=OptimizerSpec(*normal(self.optimizer.target, self.optimizer.args), self.optimizer.decay_on),
            lr=self.optimizer.lr,
            weight_decay=self.optimizer.weight_decay,
            batch_size=self.batch_size,
            schedule=resolved(self._schedule, self.schedule.args, per_epoch, epochs * per_epoch),
            seed=self.seed,
            precision=facts.precision,
            threads=facts.threads,
            clip_grad_norm=self.clip_grad_norm,
            ema=self.ema,
            l1=self.l1,
            sources=dict(facts.sources),
        )


def _of_whole(value: Any) -> Any:
    """JSON data with 1.0 as 1: to a person they are one number."""
    if isinstance(value, dict):
        return {name: _of_whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_of_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def recipe_type(settings: Mapping[str, type], codes: Callable[[], Collection[str]] = tuple) -> type[Recipe]:
    """The recipe with these steps' settings (dataclasses) under `steps`, by the steps' names. `codes`: all that a step
    may say, asked for where a recipe accepts some."""

    def known(name: str) -> str:
        names = codes()
        if name not in names:
            raise ValueError(f"accept: no finding is called {name!r}{nearest(name, names)}; see `tunekit explain`")
        return name

    fields: dict[str, Any] = {
        _field(name): (kind, Field(default_factory=dict, validate_default=True, alias=name))
        for name, kind in settings.items()
    }
    steps = create_model("Steps", __base__=StepSettings, **fields)
    own: dict[str, Any] = {
        "steps": (steps, Field(default_factory=dict, validate_default=True)),
        "accept": (list[Annotated[str, AfterValidator(known)]], []),
    }
    return create_model("Recipe", __base__=Recipe, **own)


def _field(step: str) -> str:
    return step.replace("-", "_")


@dataclass(frozen=True)
class Loaded:
    """A recipe with where it came from: `folder` is where its modules and relative paths are looked up."""

    recipe: Recipe
    folder: Path
    path: Path | None = None
    lines: Lines = field(default_factory=dict)


def load(schema: type[Recipe], path: Path, overrides: Iterable[str] = (), folder: Path | None = None) -> Loaded:
    """Read and check a recipe file. Errors: UserError with every fault of the recipe, one a line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such recipe file or run; `tunekit recipes` lists the recipes that come with tunekit"
        ) from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder, not a recipe file or a run") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file; a recipe is YAML in UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    data, lines = parse_yaml(text, str(path))
    apply_overrides(data, overrides, lines)
    return Loaded(check(schema, data, lines, str(path)), (folder or path.parent).resolve(), path, lines)


def check(schema: type[Recipe], data: object, lines: Lines, where: str) -> Recipe:
    """Validate parsed YAML. Errors: UserError that lists all faults with their lines."""
    if not isinstance(data, dict):
        raise UserError(f"{where}: a recipe is a mapping of keys (name, task, data, model, ...), not {kind_of(data)}")
    try:
        recipe = schema.model_validate(data)
    except ValidationError as error:
        raise faults(schema, error, lines, where) from None
    target, lr = recipe.optimizer.target, recipe.optimizer.lr
    if lr != OWN_RATE and _finds_rate(target):
        place = placed(lines.get(("optimizer", "lr"), 1), lines, where)
        raise UserError(
            f"{place}optimizer.lr: {target} finds its rate, which is multiplied by 1, not by {lr:g}: leave lr out or "
            "set it to 1, and scale what it finds by args: {d_coef: 0.5}"
        )
    return recipe


def _finds_rate(target: object) -> bool | None:
    return optimizer_of(target).finds_rate if isinstance(target, str) else None
