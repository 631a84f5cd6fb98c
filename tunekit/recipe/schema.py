"""The schema of a recipe, its faults told by line and key, and the training it describes. Builds nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    create_model,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails

from tunekit.configuration import (
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
from tunekit.recipe.numbers import only_numbers
from tunekit.recipe.optimizers import optimizer_of
from tunekit.recipe.schedules import AUTO, STEADY, check_schedule, resolved
from tunekit.recipe.text import (
    ALIASES,
    NAMES,
    SHORT,
    Lines,
    apply_overrides,
    full_path,
    kind_of,
    nearest,
    parse_yaml,
    set_path,
    shortened,
)
from tunekit.vocabulary import Facts, UserError

TASKS = ("classification", "binary", "multilabel", "regression")


# Far beyond what anyone asks for on purpose: more is a slip of the keyboard, and is said before anything is built.
MOST_TRIALS = 10_000  # of a step
HIGHEST_RATE = 1e6
LARGEST_BATCH = 10**9
MOST_THREADS = 4096
STRONGEST = 100.0  # times the augmentation that is written
LARGEST_EPOCHS = 10**6


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", populate_by_name=True, frozen=True, allow_inf_nan=False, ser_json_inf_nan="constants"
    )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return only_numbers(source, handler)


class Target(_Model):
    """Something to build: a built-in name or module:callable, and keyword arguments for it."""

    target: str
    args: dict[str, Any] = {}


class Data(Target):
    val_fraction: float = Field(0.2, gt=0, lt=1)
    split: Literal["stratified", "random", "group", "time"] = "stratified"
    augment: list[Any] = []
    augment_strength: float = Field(1.0, ge=0, le=STRONGEST)


def _epochs_or_always(value: object) -> object:
    """Errors: ValueError."""
    counts = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_EPOCHS
    if not counts and value != "always":
        told = kind_of(value) if isinstance(value, bool | str | list | dict) else shortened(repr(value))
        raise ValueError(f"model.freeze must be a number of epochs (0, 1, 2, ...) or always, not {told}")
    return value


class Model(Target):
    pretrained: bool = False
    weights: str | None = Field(None, min_length=1, max_length=1000)  # a file, from the recipe's folder
    freeze: Annotated[int | str, BeforeValidator(_epochs_or_always)] = 0

    @property
    def comes_trained(self) -> bool:
        """Whether the weights know something before the first iteration, as far as the recipe says so."""
        return self.pretrained or self.weights is not None


class Optimizer(Target):
    target: str = "adam"
    lr: float = Field(1e-3, gt=0, le=HIGHEST_RATE)
    weight_decay: float = Field(0.0, ge=0, le=LARGEST)
    decay_on: Literal["all", "weights"] = "all"

    @model_validator(mode="before")
    @classmethod
    def _finds_its_rate(cls, data: object) -> object:
        given = isinstance(data, dict) and isinstance(data.get("target"), str) and "lr" not in data
        return {**data, "lr": 1.0} if given and optimizer_of(data["target"]).finds_rate else data  # type: ignore[dict-item, index]


class Schedule(_Model):
    """`auto` is a constant rate in steps 2 to 5 and decays in `tunekit train`. `warmup` may stand beside the name."""

    name: str = AUTO
    args: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _warmup_is_an_argument(cls, data: object) -> object:
        if not (isinstance(data, dict) and "warmup" in data and isinstance(data.get("args", {}), dict)):
            return data
        rest, args = {name: value for name, value in data.items() if name != "warmup"}, data.get("args", {})
        if "warmup" in args:
            raise ValueError("schedule.warmup: stands in schedule.args too")
        return {**rest, "args": {**args, "warmup": data["warmup"]}}

    @model_validator(mode="after")
    def _can_be_built(self) -> Schedule:
        try:
            check_schedule(self.name, self.args)
        except UserError as error:
            raise ValueError(str(error)) from None
        return self


class Train(_Model):
    """The final model. `patience` and `min_delta` stop it early, as a fine run's."""

    epochs: int | None = Field(None, gt=0, le=10**6)  # None: as the fine run
    patience: int | None = Field(None, gt=0, le=10**6)
    min_delta: float = Field(0.0, ge=0, le=LARGEST)
    with_validation: bool = False
    test_time: Literal["single", "five-crop"] = "single"


def _long_form(key: str) -> BeforeValidator:
    """`loss: auto` means `loss: {target: auto}`; anything but text goes through as it is."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


_auto = BeforeValidator(lambda value: None if value == "auto" else value)


class StepSettings(_Model):
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


class Recipe(_Model):
    """A whole recipe. Every key is explained in README."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    task: str = "classification"
    data: Data
    model: Model
    loss: Annotated[Target, _long_form("target")] = Target(target="auto")
    metric: Annotated[Target, _long_form("target")] = Target(target="auto")
    optimizer: Optimizer = Optimizer()
    schedule: Annotated[Schedule, _long_form(NAMES["schedule"])] = Schedule()
    batch_size: int = Field(64, gt=0, le=LARGEST_BATCH)
    clip_grad_norm: float | None = Field(None, gt=0, le=LARGEST)
    ema: float | None = Field(None, gt=0, lt=1)
    l1: float = Field(0.0, ge=0, le=LARGEST)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:[0-9]{1,3})?)$")
    threads: Annotated[int | None, _auto] = Field(None, gt=0, le=MOST_THREADS)  # None: decided by the size of the model
    seed: int = Field(0, ge=0, lt=2**31)
    steps: StepSettings = StepSettings()
    train: Train = Train()
    search: dict[str, list[Any]] = {}
    accept: list[str] = []  # codes whose findings are notes

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
            path = full_path(name)
            if path in names:
                raise ValueError(f"search.{name}: is the same axis as search.{names[path]}")
            names[path] = name
        return {full_path(str(name)): values for name, values in value.items()}

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
                "(a warm-up may stay)"
            )
        if self.ema is not None:
            raise ValueError(f"ema: {target} averages its weights itself; leave ema out")
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
                    data = self._with({path: value}, drop_search=True).as_dict()
                except ValidationError as error:
                    place = f"search.{path}"
                    if error.errors()[0]["type"] == "extra_forbidden" and "." not in path:
                        near = nearest(path, [*SHORT, *type(self).model_fields])
                        raise ValueError(f"{place}: unknown key {path!r}{near}") from None
                    told = _explain(type(self), error.errors()[0], {}, place)
                    raise ValueError(told.replace(f"{place}, line 1", place, 1)) from None
                except UserError as error:
                    raise ValueError(f"search.{path}: {error}") from None
                # Steps 3 to 5 train at a constant rate: of a schedule its warm-up alone is theirs.
                data["schedule"] = data["schedule"]["args"].get("warmup")
                key = digest(data)
                if key in trainings:
                    raise ValueError(f"search.{path}: {trainings[key]!r} and {value!r} are the same training")
                trainings[key] = value
        return self

    def with_values(self, params: Values) -> Recipe:
        """This recipe with dotted paths (or lr, weight_decay) set to values. Errors: UserError."""
        try:
            return self._with(params, drop_search=False)
        except ValidationError as error:
            raise _faults(type(self), error, {(): 0}, "recipe") from None

    def _with(self, params: Values, drop_search: bool) -> Recipe:
        data = self.as_dict()
        if drop_search:
            data["search"] = {}
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
        data["optimizer"] = {**trained["optimizer"], "lr": config.lr, "weight_decay": config.weight_decay}
        return type(self).model_validate({**data, "search": {}})

    def get(self, path: str) -> Any:
        """The value at a dotted path (or lr, weight_decay)."""
        data: object = self.as_dict()
        for part in ALIASES.get(path, path).split("."):
            data = data.get(part) if isinstance(data, dict) else None
        return data

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
            data=DataSpec(**self.data.model_dump(mode="json"), seed=self.seed),
            optimizer=OptimizerSpec(self.optimizer.target, self.optimizer.args, self.optimizer.decay_on),
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
        return schema.model_validate(data)
    except ValidationError as error:
        raise _faults(schema, error, lines, where) from None


_WANTED = {
    "missing": "is missing",
    "dict_type": "must be a mapping of keys",
    "model_type": "must be a mapping of keys",
    "dataclass_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
    "list_type": "must be a list, such as [1, 2]",
    "string_type": "must be text",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
}


def _faults(schema: type[Recipe], error: ValidationError, lines: Lines, where: str) -> UserError:
    faults = error.errors()
    inner = {fault["loc"][:-1] for fault in faults}  # a list without its wrong values is called too short as well
    own = [fault for fault in faults if not (fault["type"] == "too_short" and fault["loc"] in inner)]
    return UserError("\n".join(dict.fromkeys(_explain(schema, fault, lines, where) for fault in own)))


def _explain(schema: type[Recipe], fault: ErrorDetails, lines: Lines, where: str) -> str:
    """One line for one fault of pydantic's: file, line, key, what is wrong, the nearest right key."""
    path = tuple(str(part) for part in fault["loc"])
    written = _short_axes(lines)
    if path[:1] == ("search",) and len(path) > 1:
        path = ("search", written.get(path[1], path[1]), *path[2:])
    known = path
    while known and known not in lines:
        known = known[:-1]
    line = lines.get(known, 1)
    place = "--set" if line == 0 else f"{where}, line {line}"
    key = ".".join(path) or "recipe"
    kind = fault["type"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):  # of a model, of a dataclass
        return f"{place}: unknown key {key!r}{nearest(path[-1], _keys_at(schema, path[:-1]))}"
    if kind == "value_error":
        text = str(fault["ctx"]["error"])
        for axis, name in written.items():
            if text.startswith(f"search.{axis}:") and ("search", axis) not in lines:
                text = text.replace(axis, name, 1)
        line = line if path and not text.startswith("search.") else _line_of(text, lines)
        place = "--set" if line == 0 else f"{where}, line {line}"
        return f"{place}: {text}"
    if kind in _WANTED:
        value = fault["input"]
        if kind == "float_type" and isinstance(value, int) and not isinstance(value, bool):
            return f"{place}: {key}: {shortened(str(value))} is more than any computer's numbers hold"
        got = "" if kind == "missing" else f", not {kind_of(value)}"
        return f"{place}: {key} {_WANTED[kind]}{got}"
    if kind == "string_pattern_mismatch" and key == "name":
        allowed = "name may hold letters, digits, '.', '_' and '-' and begins with a letter or digit"
        return f"{place}: {allowed}, not {fault['input']!r}"
    return f"{place}: {key}: {_limit(fault)}, not {_shown(fault['input'])}"


def _short_axes(lines: Lines) -> dict[str, str]:
    """The paths of axes that stand under `search` by a short name, with that name."""
    return {SHORT[path[1]]: path[1] for path in lines if path[:1] == ("search",) and path[1:2] and path[1] in SHORT}


def _limit(fault: ErrorDetails) -> str:
    """pydantic's words, a limit in them as a person writes it."""
    limit = next((value for name, value in fault.get("ctx", {}).items() if name in ("ge", "gt", "le", "lt")), None)
    words = f"{fault['msg'][0].lower()}{fault['msg'][1:]}"
    return words if limit is None else f"{words.rpartition(' ')[0]} {_shown(limit)}"


def _shown(value: object) -> str:
    """A number as a person reads it; of what is long its beginning."""
    if isinstance(value, float):
        return f"{value:g}"
    return shortened(f"{value:,}" if isinstance(value, int) else repr(value))


def _line_of(text: str, lines: Lines) -> int:
    """The line of the key that a text about the whole recipe begins with, or of the nearest around it."""
    named = [path for path in lines if re.match(rf"{re.escape('.'.join(path))}[.:]", text)]
    return lines[max(named, key=lambda path: len(".".join(path)))] if named else lines.get((), 1)


def _keys_at(schema: type[Recipe], path: tuple[str, ...]) -> list[str]:
    """The keys that may stand at a path; none where it leads nowhere."""
    kind: object = schema
    for part in path:
        annotations = {info.alias or name: info.annotation for name, info in _fields(kind).items()}
        inner = [annotations.get(part), *getattr(annotations.get(part), "__args__", ())]
        kind = next((other for other in inner if isinstance(other, type) and _fields(other)), None)
    return [info.alias or name for name, info in _fields(kind).items()]


def _fields(kind: object) -> Mapping[str, FieldInfo]:
    """The fields of a model, or of a dataclass that a model holds."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_fields
    return {item.name: FieldInfo() for item in fields(kind)} if isinstance(kind, type) and is_dataclass(kind) else {}
