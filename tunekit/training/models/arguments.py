"""What a built-in model, or a library's, says of arguments that it does not take, in one line."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tunekit.configuration import Values
from tunekit.telling import refused
from tunekit.vocabulary import UserError


def built(build: Callable[..., nn.Module], name: str, args: Values) -> nn.Module:
    """Errors: UserError."""
    try:
        return build(**args)
    except LookupError as error:
        raise UserError(
            f"model.args: {name}: no weights or option {error}; weights in a file are named by model.weights: FILE"
        ) from None
    except RuntimeError as error:
        if "allocate memory" in str(error):
            raise UserError(f"model.args: {name}: so large a model does not fit into memory") from None
        raise UserError(f"model.args: {name}: {refused(error)}") from None
    except (TypeError, ValueError) as error:
        raise UserError(f"model.args: {name}: {refused(error)}") from None
