"""What a recipe takes for a number: numbers alone. pydantic would take `true` for 1, and the text "64" for 64."""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

_NOT_FIELDS = ("serialization", "metadata", "config")


def only_numbers(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    """`__get_pydantic_core_schema__` of a model or a dataclass none of whose fields makes a number of what is none."""
    schema: CoreSchema = _only_numbers(handler(source))
    return schema


def _only_numbers(node: Any) -> Any:
    if isinstance(node, list):
        return [_only_numbers(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "float":
        return {**node, "strict": True}  # takes whole numbers too
    if node.get("type") == "int":
        return core_schema.no_info_before_validator_function(_whole, node)
    return {key: value if key in _NOT_FIELDS else _only_numbers(value) for key, value in node.items()}


def _whole(value: object) -> object:
    """1e3 is a whole number, in YAML a float."""
    if isinstance(value, bool | str):
        raise PydanticKnownError("int_type")
    return value
