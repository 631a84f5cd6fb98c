"""What a person writes: the schema (schema.py), its text (text.py) and the code it names (code.py)."""

from tunekit.recipe.arguments import check_arguments
from tunekit.recipe.code import call, construct, local_modules, module_digests, resolve
from tunekit.recipe.schema import Loaded, Recipe, load, recipe_type
from tunekit.recipe.text import ALIASES, as_yaml, read_override

__all__ = [
    "ALIASES",
    "Loaded",
    "Recipe",
    "as_yaml",
    "call",
    "check_arguments",
    "construct",
    "load",
    "local_modules",
    "module_digests",
    "read_override",
    "recipe_type",
    "resolve",
]
