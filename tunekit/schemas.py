"""JSON schemas of what tunekit reads and prints, made from the classes that hold it."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import FloatSchema

from tunekit.cleaning import Cleaned
from tunekit.comparing import Compared
from tunekit.diagnosis.verdict import Printed, PrintedOfRun, PrintedSeveral
from tunekit.explaining import CodeExplained, SeveralExplained, TechniqueExplained
from tunekit.final.result import Final
from tunekit.inspection import Validated
from tunekit.jsondata import NOT_FINITE
from tunekit.outlook import DryRun
from tunekit.pipeline import schema
from tunekit.predicting import Predictions
from tunekit.recipe.shipped import Shipped
from tunekit.report.inspected import Surveyed
from tunekit.status import RunStatus, StepStatus
from tunekit.steps import steps
from tunekit.vocabulary import StepResult, Walked

DIALECT = "https://json-schema.org/draft/2020-12/schema"

PRINTED: dict[str, Any] = {
    "result": StepResult,
    "run": Walked | DryRun,
    **{step.name: StepResult | DryRun for step in steps()},
    "diagnose": Printed | PrintedSeveral | PrintedOfRun,
    "train": Final,
    "predict": Predictions,
    "status": list[RunStatus] | list[StepStatus],
    "compare": Compared,
    "clean": Cleaned,
    "explain": CodeExplained | TechniqueExplained | SeveralExplained,
    "recipes": list[Shipped],
    "validate": Validated,
    "inspect": Surveyed,
}
"""What each command prints with --json; `result`: what a step's result.json holds."""

NAMES = ("recipe", *PRINTED)
"""What a schema is printed of."""


class _AsWritten(GenerateJsonSchema):
    """Numbers as `jsondata.plain` writes them."""

    def float_schema(self, schema: FloatSchema) -> JsonSchemaValue:
        return {"anyOf": [super().float_schema(schema), {"enum": list(NOT_FINITE)}]}


def as_text(of: str) -> str:
    """The schema of a recipe as a person writes it, or one of PRINTED."""
    if of == "recipe":
        made = schema().model_json_schema()
    else:
        made = TypeAdapter(PRINTED[of]).json_schema(mode="serialization", schema_generator=_AsWritten)
    return json.dumps({"$schema": DIALECT, **made}, indent=2) + "\n"
