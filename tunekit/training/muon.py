"""Muon for hidden matrices and AdamW for the rest, outwardly one optimizer with one rate.

Muon (Jordan et al., 2024) steps along the orthogonalised momentum of a matrix. torch's is taken with the step size of
Liu et al., 'Muon is Scalable for LLM Training' (arXiv 2502.16982): 0.2 * sqrt(max(rows, columns)) times the rate, by
which a step's root mean square is that of AdamW's. So the ratio of the two rates is 1; rates and decays are AdamW's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.training.normalisations import NORMALISATIONS

EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
CONVOLUTIONS = (nn.modules.conv._ConvNd,)
KIND = "kind"  # of a group: MATRICES or REST
MATRICES, REST = "muon", "adamw"


class Muon(torch.optim.Optimizer):
    """`output`: names of the modules whose weights are the output layer's; else it is the last that the model defines.

    A convolution's kernels are a matrix of a row an output channel, as in Muon's own record on CIFAR-10: without them a
    convolutional network would have no hidden matrix. Embeddings, output layer, biases and normalisation are AdamW's.
    Errors: ValueError where the model has no hidden matrix.
    """

    def __init__(  # noqa: PLR0913 - the settings of both
        self,
        model: nn.Module,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_steps: int = 5,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        output: str | Sequence[str] = (),
    ) -> None:
        matrices = hidden_matrices(model, [output] if isinstance(output, str) else list(output))
        if not matrices:
            raise ValueError("the model has no hidden matrix, beside embeddings and the output layer: take adamw")
        taken = {id(p) for p in matrices}
        rest = [p for p in model.parameters() if p.requires_grad and id(p) not in taken]
        shared: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay}
        muon = torch.optim.Muon(
            _places(matrices),
            momentum=momentum,
            nesterov=nesterov,
            ns_steps=ns_steps,
            adjust_lr_fn="match_rms_adamw",
            **shared,
        )
        groups = [{**muon.param_groups[0], "params": matrices, KIND: MATRICES}]
        if rest:
            adamw = torch.optim.AdamW(rest, betas=betas, eps=eps, **shared)
            groups.append({**adamw.param_groups[0], KIND: REST})
        super().__init__(groups, {})
        self._inner: list[tuple[torch.optim.Optimizer, list[Tensor]]] = []

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else torch.enable_grad()(closure)()
        if len(self._inner) != len(self.param_groups):
            self._inner = [_inner(group) for group in self.param_groups]
        for group, (optimizer, places) in zip(self.param_groups, self._inner, strict=True):
            settings = {name: value for name, value in group.items() if name not in ("params", KIND)}
            optimizer.param_groups[0].update(settings)
            for parameter, place in zip(group["params"], places, strict=True):
                if place is not parameter:
                    place.data = _as_matrix(parameter.data, parameter)
                    place.grad = None if parameter.grad is None else _as_matrix(parameter.grad, parameter)
                if parameter in self.state:
                    optimizer.state[place] = self.state[parameter]
            optimizer.step()
            for parameter, place in zip(group["params"], places, strict=True):
                if place in optimizer.state:
                    self.state[parameter] = optimizer.state[place]
        return loss


def hidden_matrices(model: nn.Module, output: Sequence[str] = ()) -> list[nn.Parameter]:
    """Weights of linear, recurrent, attention and convolution layers that train, but those of embeddings (also where
    the output layer shares them) and of the output layer. Errors: ValueError for a name that no module has."""
    weights = [
        (name, parameter)
        for name, module in model.named_modules()
        if not isinstance(module, NORMALISATIONS)
        for own, parameter in module.named_parameters(recurse=False)
        if "weight" in own and (parameter.dim() == 2 or isinstance(module, CONVOLUTIONS))
    ]
    known = dict(model.named_modules())
    for name in output:
        if name not in known:
            raise ValueError(f"output: the model has no module {name!r}")
    left = {id(p) for module in model.modules() if isinstance(module, EMBEDDINGS) for p in module.parameters()}
    last = list(output) or [name for name, _ in weights if not isinstance(known[name], EMBEDDINGS)][-1:]
    left |= {id(p) for name in last for p in known[name].parameters()}
    matrices = {
        id(p): p
        for _, p in weights
        if id(p) not in left and p.requires_grad and _as_matrix(p.data, p).data_ptr() == p.data_ptr()
    }
    return list(matrices.values())


def _as_matrix(tensor: Tensor, layout: Tensor) -> Tensor:
    """[rows, columns] in the memory of kernels [out, in, ...]. Columns are in the order in which `layout` lies in
    memory: what is orthogonal is so in any order."""
    if tensor.dim() == 2:
        return tensor
    channels_last = not layout.is_contiguous()
    return (tensor.movedim(1, -1) if channels_last else tensor).flatten(1)


def _inner(group: dict[str, Any]) -> tuple[torch.optim.Optimizer, list[Tensor]]:
    """The optimizer of a group, over its parameters or over matrices in their memory."""
    if group[KIND] == REST:
        return torch.optim.AdamW(group["params"]), group["params"]
    places = _places(group["params"])
    return torch.optim.Muon(places), places


def _places(parameters: Sequence[Tensor]) -> list[Tensor]:
    return [p if p.dim() == 2 else nn.Parameter(_as_matrix(p.data, p)) for p in parameters]
