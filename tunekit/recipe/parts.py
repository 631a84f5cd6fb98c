"""The parts of a recipe: what is built of a name and arguments, and the limits of numbers. Builds nothing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tunekit.recipe.arguments import LARGEST
from tunekit.recipe.numbers import only_numbers
from tunekit.recipe.optimizers import OWN_RATE, optimizer_of
from tunekit.recipe.schedules import AUTO, check_schedule
from tunekit.recipe.text import kind_of, shortened
from tunekit.vocabulary import UserError

# Far beyond what anyone asks for on purpose: more is a slip of the keyboard, and is said before anything is built.
HIGHEST_RATE = 1e6
LARGEST_BATCH = 10**9
MOST_THREADS = 4096
STRONGEST = 100.0  # times the augmentation that is written
LARGEST_EPOCHS = 10**6


class Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", populate_by_name=True, frozen=True, allow_inf_nan=False, ser_json_inf_nan="constants"
    )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return only_numbers(source, handler)


class Named(Part):
    """What a recipe may also give as a name alone."""

    @classmethod
    def __get_pydantic_json_schema__(cls, source: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        place = handler(source)
        whole = handler.resolve_ref_schema(place)
        parts = {**whole}
        whole.clear()
        whole["anyOf"] = [{"type": "string"}, parts]
        return place


class Target(Named):
    """Something to build: a built-in name or module:callable, and keyword arguments for it."""

    target: str
    args: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, data: object) -> object:
        """`model: mlp` means `model: {target: mlp}`."""
        return {"target": data} if isinstance(data, str) else data


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


_ALWAYS_TOO = WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"const": "always"}]})


class Model(Target):
    pretrained: bool = False
    weights: str | None = Field(None, min_length=1, max_length=1000)  # a file, from the recipe's folder
    freeze: Annotated[int | str, BeforeValidator(_epochs_or_always), _ALWAYS_TOO] = 0

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
        data = {"target": data} if isinstance(data, str) else data
        given = isinstance(data, dict) and isinstance(data.get("target"), str) and "lr" not in data
        return {**data, "lr": OWN_RATE} if given and optimizer_of(data["target"]).finds_rate else data  # type: ignore[dict-item, index]


class Schedule(Named):
    """`auto` is a constant rate in steps 2 to 5 and decays in `tunekit train`. `warmup` may stand beside the name."""

    name: str = AUTO
    args: dict[str, Any] = {}

    @classmethod
    def __get_pydantic_json_schema__(cls, source: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        place = super().__get_pydantic_json_schema__(source, handler)
        handler.resolve_ref_schema(place)["anyOf"][1]["properties"]["warmup"] = {"type": ["number", "string"]}
        return place

    @model_validator(mode="before")
    @classmethod
    def _warmup_is_an_argument(cls, data: object) -> object:
        if isinstance(data, str):
            return {"name": data}
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


class Train(Part):
    """The final model. `patience` and `min_delta` stop it early, as a fine run's."""

    epochs: int | None = Field(None, gt=0, le=10**6)  # None: as the fine run
    patience: int | None = Field(None, gt=0, le=10**6)
    min_delta: float = Field(0.0, ge=0, le=LARGEST)
    with_validation: bool = False
    test_time: Literal["single", "five-crop"] = "single"

    @property
    def asks_of_data(self) -> dict[str, Any]:
        """What data, model and loss may not allow."""
        return {"test_time": self.test_time, "with_validation": self.with_validation}
