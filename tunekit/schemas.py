"""JSON schemas of what tunekit reads and prints, made from the classes that hold it."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import TypeAdapter

from tunekit.diagnosis.verdict import Printed
from tunekit.pipeline import schema
from tunekit.vocabulary import StepResult

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def as_text(of: Literal["recipe", "result", "diagnose"]) -> str:
    """The schema of a recipe as a person writes it, of a step's result.json, or of `diagnose --json`."""
    if of == "recipe":
        made = schema().model_json_schema()
    else:
        made = TypeAdapter(StepResult if of == "result" else Printed).json_schema(mode="serialization")
    return json.dumps({"$schema": DIALECT, **made}, indent=2) + "\n"
