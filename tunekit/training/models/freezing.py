"""The body of a model frozen for the first epochs of a training, or for all: a function of the iteration alone."""

from __future__ import annotations

import math
from collections.abc import Collection
from types import MethodType

from torch import nn

from tunekit.training.models.heads import Answer, output_layers
from tunekit.training.normalisations import keeps_statistics
from tunekit.vocabulary import UserError

ALWAYS = "always"


class Freezing:
    """Which parameters train at an iteration. The head is what gives the outputs, the body all else. While the body is
    frozen it has no gradients, so the optimizer leaves it and what it keeps of it alone, and its BatchNorm layers stay
    in eval mode, with the statistics that they came with. Dropout stays on."""

    def __init__(self, model: nn.Module, heads: Collection[str], until: float) -> None:
        modules = {name: model.get_submodule(name) for name in heads}
        of_head = {id(p) for module in modules.values() for p in module.parameters()}
        inside = {id(part) for module in modules.values() for part in module.modules()}
        self.until = until
        self.frozen = False
        self._body = [p for p in model.parameters() if p.requires_grad and id(p) not in of_head]
        self._norms = [m for m in model.modules() if keeps_statistics(m) and id(m) not in inside]

    @classmethod
    def none(cls) -> Freezing:
        return cls(nn.Module(), (), 0)

    @classmethod
    def of(cls, model: nn.Module, freeze: int | str, per_epoch: int, answer: Answer) -> Freezing:
        """`freeze`: epochs of so many iterations, or `always`; then the body is frozen already when the optimizer is
        built. Errors: UserError where no layer gives the outputs."""
        if not freeze:
            return cls.none()
        heads = output_layers(model, answer)
        if not heads:
            raise UserError(
                "model.freeze: no layer of the model gives its outputs, so head and body cannot be told apart; set "
                "requires_grad to False in a function of your own"
            )
        freezing = cls(model, heads, math.inf if freeze == ALWAYS else int(freeze) * per_epoch)
        if freeze == ALWAYS:
            freezing.at(0)
        return freezing

    def at(self, iteration: int) -> None:
        """As it is to be for the step after so many iterations."""
        frozen = iteration < self.until
        if frozen == self.frozen:
            return
        self.frozen = frozen
        for parameter in self._body:
            parameter.requires_grad_(not frozen)
        for norm in self._norms:
            if frozen:
                norm.eval()
                norm.train = MethodType(_stays, norm)  # type: ignore[method-assign]
            else:
                del norm.train
                norm.train()


def _stays(self: nn.Module, _mode: bool = True) -> nn.Module:
    """`train()` of a frozen layer: the whole model's is called at each epoch's end. A method of the instance, so that a
    copy of the model stays by itself."""
    return self
