"""The tuned values and what they reached: what the steps that rank trainings hand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from tunekit.configuration import Values
from tunekit.jsondata import plain
from tunekit.steps.step import Handoff


@dataclass(frozen=True)
class Winner(Handoff):
    """The best training. As JSON the values and the metric stand under their own names, beside the rest."""

    values: Values  # dotted path -> value: lr, weight_decay and what was searched
    metric: str  # the column that decided, val_accuracy for example
    value: float
    val_loss: float | None
    iterations: int
    training: str  # its name

    @property
    def tuned(self) -> Values:
        return self.values

    @property
    def trainings(self) -> tuple[str, ...]:
        return (self.training,)

    def to_json(self) -> dict[str, Any]:
        own = {name: value for name, value in asdict(self).items() if name not in ("values", "metric", "value")}
        data: dict[str, Any] = plain({**own, **self.values, self.metric: self.value})
        return data

    @classmethod
    def from_json(cls, data: object) -> Self:
        if not isinstance(data, Mapping):
            return super().from_json(data)
        own = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        values = {name: value for name, value in data.items() if name not in own}
        metric = next((name for name in values if name.startswith("val_")), "val_loss")
        value = values.pop(metric, own.get("val_loss"))
        return super().from_json({**own, "values": values, "metric": metric, "value": value})
