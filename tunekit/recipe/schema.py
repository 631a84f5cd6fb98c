"""The schema of a recipe, its faults told by line and key, and the training it describes. Builds nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from tunekit.recipe.text import ALIASES, NAMES, Lines, apply_overrides, kind_of, nearest, parse_yaml, set_path
from tunekit.vocabulary import Facts, TrainingConfig, UserError, Values

TASKS = ("classification", "binary", "multilabel", "regression")


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", populate_by_name=True, frozen=True, allow_inf_nan=False, ser_json_inf_nan="constants"
    )


class Target(_Model):
    """Something to build: a built-in name or module:callable, and keyword arguments for it."""

    target: str
    args: dict[str, Any] = {}


class Data(Target):
    val_fraction: float = Field(0.2, gt=0, lt=1)
    split: Literal["stratified", "random", "group", "time"] = "stratified"
    augment: list[Any] = []


class Model(Target):
    pretrained: bool = False


class Optimizer(Target):
    target: str = "adam"
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0


class Schedule(_Model):
    name: str = "constant"
    args: dict[str, Any] = {}


def _long_form(key: str) -> BeforeValidator:
    """`loss: auto` means `loss: {target: auto}`; anything but text goes through as it is."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


_auto = BeforeValidator(lambda value: None if value == "auto" else value)


SOUND_TOLERANCE = 0.15  # sound networks start up to 11 % off theory (ResNet-18 in train mode)


def _tolerance(value: float) -> float:
    if value < SOUND_TOLERANCE:
        why = "sound networks start up to 11 % off theory"
        raise ValueError(f"steps.check-init-loss.tolerance: at least {SOUND_TOLERANCE:g}, since {why}; not {value:g}")
    return value


class CheckInitLoss(_Model):
    initializations: PositiveInt = 3
    tolerance: Annotated[float, AfterValidator(_tolerance)] = Field(SOUND_TOLERANCE, lt=1)


class OverfitTiny(_Model):
    per_class: PositiveInt = 10
    samples: PositiveInt = 32  # where there are no classes
    rates: list[PositiveFloat] | None = Field(None, min_length=1)  # None: the optimizer's own
    epochs: PositiveInt = 300


class LrSweep(_Model):
    low: PositiveFloat = 1e-5
    high: PositiveFloat = 1e-1
    iterations: PositiveInt = 100
    epochs: NonNegativeFloat = 0.0  # at least so many passes, where that is more
    weight_decay: NonNegativeFloat = 1e-4
    extend: int = Field(3, ge=0, le=6)  # further half-decades beyond an edge


class CoarseGrid(_Model):
    lr_factors: list[PositiveFloat] = [0.5, 1.0, 2.0]
    weight_decays: list[NonNegativeFloat] = [0.0, 1e-5, 1e-4, 1e-3]
    epochs: PositiveInt | None = None  # None: enough for 200 iterations, within 1 to 5
    sampler: Literal["grid", "random", "tpe"] = "grid"
    trials: PositiveInt = 20  # for random and tpe
    pruner: Literal["none", "halving"] = "none"
    extend: int = Field(2, ge=0, le=6)


class FineRun(_Model):
    top: PositiveInt = 3
    epochs: PositiveInt = 10
    lr_factors: list[PositiveFloat] = [0.7, 1.4]
    seeds: PositiveInt = 3


class Diagnose(_Model):
    smooth: PositiveInt | None = None  # moving average over so many iterations; None: a twentieth of the run


class Steps(_Model):
    check_init_loss: CheckInitLoss = Field(CheckInitLoss(), alias="check-init-loss")
    overfit_tiny: OverfitTiny = Field(OverfitTiny(), alias="overfit-tiny")
    lr_sweep: LrSweep = Field(LrSweep(), alias="lr-sweep")
    coarse_grid: CoarseGrid = Field(CoarseGrid(), alias="coarse-grid")
    fine_run: FineRun = Field(FineRun(), alias="fine-run")
    diagnose: Diagnose = Diagnose()


class Recipe(_Model):
    """A whole recipe. Every key is explained in README."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    task: str = "classification"
    data: Data
    model: Model
    loss: Annotated[Target, _long_form("target")] = Target(target="auto")
    metric: str = "auto"
    optimizer: Optimizer = Optimizer()
    schedule: Annotated[Schedule, _long_form(NAMES["schedule"])] = Schedule()
    batch_size: PositiveInt = 64
    clip_grad_norm: PositiveFloat | None = None
    ema: float | None = Field(None, gt=0, lt=1)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    threads: Annotated[PositiveInt | None, _auto] = None  # None: decided by the size of the model
    seed: int = Field(0, ge=0, lt=2**31)
    steps: Steps = Steps()
    search: dict[str, list[Any]] = {}

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

    @model_validator(mode="after")
    def _search_values_fit(self) -> Recipe:
        for path, values in self.search.items():
            if not values:
                raise ValueError(f"search.{path}: the list of values is empty")
            if path in ("seed", "name") or path.split(".")[0] in ("steps", "search"):
                raise ValueError(f"search.{path}: cannot be searched; try model.args.…, optimizer.… or batch_size")
            for value in values:
                try:
                    self._with({path: value}, drop_search=True)
                except UserError as error:
                    raise ValueError(f"search.{path}: {error}") from None
        return self

    def with_values(self, params: Values) -> Recipe:
        """This recipe with dotted paths (or lr, weight_decay) set to values. Errors: UserError."""
        try:
            return self._with(params, drop_search=False)
        except ValidationError as error:
            raise UserError(_plain(error)) from None

    def _with(self, params: Values, drop_search: bool) -> Recipe:
        data = self.as_dict()
        if drop_search:
            data["search"] = {}
        for name, value in params.items():
            set_path(data, ALIASES.get(name, name), value)
        return Recipe.model_validate(data)

    def as_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)

    def get(self, path: str) -> Any:
        """The value at a dotted path (or lr, weight_decay)."""
        data: Any = self.as_dict()
        for part in ALIASES.get(path, path).split("."):
            data = data.get(part) if isinstance(data, dict) else None
        return data

    def training_config(self, facts: Facts) -> TrainingConfig:
        """The training that this recipe describes, with what was resolved on this machine and data."""
        data = self.data.model_dump(mode="json")
        return TrainingConfig(
            task=self.task,
            loss=self.loss.model_dump(mode="json"),
            metric=self.metric,
            model=self.model.model_dump(mode="json"),
            data={**data, "seed": self.seed, "subset": None, "blank": False},
            optimizer={"target": self.optimizer.target, "args": self.optimizer.args},
            lr=self.optimizer.lr,
            weight_decay=self.optimizer.weight_decay,
            batch_size=self.batch_size,
            schedule=self.schedule.model_dump(mode="json"),
            seed=self.seed,
            precision=facts.precision,
            threads=facts.threads,
            clip_grad_norm=self.clip_grad_norm,
            ema=self.ema,
            sources=dict(facts.sources),
        )


@dataclass(frozen=True)
class Loaded:
    """A recipe with where it came from: `folder` is where its modules and relative paths are looked up."""

    recipe: Recipe
    folder: Path
    path: Path | None = None
    lines: Lines = field(default_factory=dict)


def load(path: Path, overrides: Iterable[str] = (), folder: Path | None = None) -> Loaded:
    """Read and check a recipe file. Errors: UserError with every fault of the recipe, one a line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; `tunekit recipes` lists those that come with tunekit") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder, not a recipe file or a run") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file; a recipe is YAML in UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    data, lines = parse_yaml(text, str(path))
    apply_overrides(data, overrides, lines)
    return Loaded(check(data, lines, str(path)), (folder or path.parent).resolve(), path, lines)


def check(data: Any, lines: Lines, where: str) -> Recipe:
    """Validate parsed YAML. Errors: UserError that lists all faults with their lines."""
    if not isinstance(data, dict):
        raise UserError(f"{where}: a recipe is a mapping of keys (name, task, data, model, ...), not {kind_of(data)}")
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        faults = [_explain(fault, lines, where) for fault in error.errors()]
        raise UserError("\n".join(dict.fromkeys(faults))) from None


_WANTED = {
    "missing": "is missing",
    "dict_type": "must be a mapping of keys",
    "model_type": "must be a mapping of keys",
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


def _explain(fault: Any, lines: Lines, where: str) -> str:
    """One line for one fault of pydantic's: file, line, key, what is wrong, the nearest right key."""
    path = tuple(str(part) for part in fault["loc"])
    known = path
    while known and known not in lines:
        known = known[:-1]
    line = lines.get(known, 1)
    place = "--set" if line == 0 else f"{where}, line {line}"
    key = ".".join(path) or "recipe"
    kind = fault["type"]
    if kind == "extra_forbidden":
        return f"{place}: unknown key {key!r}{nearest(path[-1], _keys_at(path[:-1]))}"
    if kind == "value_error":
        return f"{place}: {fault['ctx']['error']}"
    if kind in _WANTED:
        got = "" if kind == "missing" else f", not {kind_of(fault['input'])}"
        return f"{place}: {key} {_WANTED[kind]}{got}"
    if kind == "string_pattern_mismatch" and key == "name":
        allowed = "name may hold letters, digits, '.', '_' and '-' and begins with a letter or digit"
        return f"{place}: {allowed}, not {fault['input']!r}"
    return f"{place}: {key}: {fault['msg'][0].lower()}{fault['msg'][1:]}, not {fault['input']!r}"


def _plain(error: ValidationError) -> str:
    return "\n".join(dict.fromkeys(_explain(fault, {(): 0}, "recipe") for fault in error.errors()))


def _keys_at(path: tuple[str, ...]) -> list[str]:
    model: Any = Recipe
    for part in path:
        fields = {(info.alias or name): info for name, info in model.model_fields.items()}
        if part not in fields:
            return []
        kinds = [fields[part].annotation, *getattr(fields[part].annotation, "__args__", ())]
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if model is None:
            return []
    return [info.alias or name for name, info in model.model_fields.items()]
