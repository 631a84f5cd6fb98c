"""What a model can be held to on the tiny set where its loss's own floor is out of reach: few parameters, a narrow
code, beginnings that go on differently, equal inputs with different targets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from tunekit.measured import FEW, Fit, LinearMap
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.models import hookable
from tunekit.training.tasks import Task

CODES = 24  # numbers through which a sample passes, up to which a bottleneck is looked for
DRAWS = 3  # samples at which it is looked for
COMPARED = 2_000_000  # values of inputs, above which equal ones are not looked for


def next_token(task: Task, batch: Batch, wanted: Tensor) -> Fit | None:
    """Where the targets are the tokens that follow: equal beginnings that go on differently set a floor, the entropy
    of what follows each beginning, and a limit to the accuracy."""
    inputs = batch.inputs
    if wanted.dim() != 2 or wanted.is_floating_point() or len(inputs) != 1 or not isinstance(inputs[0], Tensor):
        return None
    tokens, following = inputs[0].cpu(), wanted.cpu()
    ahead = task.reading.ahead if task.reading is not None else 0
    if ahead > 0:  # a loss that shifts its targets by itself
        following = following[:, ahead:]
        tokens = tokens[:, : following.shape[1]]
    length = following.shape[1]
    if tokens.is_floating_point() or tokens.dim() != 2 or tokens.shape[1] not in (length, length + 1):
        return None
    known = (following >= 0)[:, : tokens.shape[1] - 1]  # others are padding
    same = tokens[:, 1:] == following[:, : tokens.shape[1] - 1]
    if not bool(known.any()) or not bool(same[known].all()):
        return None
    counts = Counter(
        (tuple(row[: place + 1]), after)
        for row, afters in zip(tokens.tolist(), following.tolist(), strict=True)
        for place, after in enumerate(afters)
        if after >= 0
    )
    beginnings: dict[tuple[int, ...], list[int]] = {}
    for (beginning, _), count in counts.items():
        beginnings.setdefault(beginning, []).append(count)
    total = sum(counts.values())
    entropy = sum(-count * math.log(count / sum(group)) for group in beginnings.values() for count in group)
    return Fit(entropy / total, sum(map(max, beginnings.values())) / total)


def shared_inputs(task: Task, batch: Batch, wanted: Tensor) -> Fit | None:
    """Where equal inputs have several classes and the loss is built in: the entropy of what each input has, a mean over
    the samples (the floor of a cross-entropy, and no less than others'), and the share that the commonest class of each
    gets right."""
    groups = _groups(batch)
    labels = wanted.reshape(-1)
    if groups is None or len(labels) != len(groups) or task.sample_loss is None or task.weighted:
        return None
    if task.kind not in ("classification", "binary") or not bool((labels == labels.round()).all()):
        return None
    pairs = Counter(zip(groups.tolist(), labels.long().tolist(), strict=True))
    each: dict[int, list[int]] = {}
    for (group, _), count in pairs.items():
        each.setdefault(group, []).append(count)
    entropy = sum(-count * math.log(count / sum(counts)) for counts in each.values() for count in counts)
    return Fit(entropy / len(groups), sum(map(max, each.values())) / len(groups)) if entropy > 0 else None


def few_parameters(session: Session, batch: Batch, outputs: Tensor, wanted: Tensor) -> LinearMap | None:
    """The best linear map of the inputs under the person's own loss, where the model has too few parameters to be sure
    to hold the set. None where the inputs are no numbers, or the outputs more than a row a sample."""
    parameters = sum(p.numel() for p in session.model.parameters())
    inputs = [value for value in batch.inputs if isinstance(value, Tensor)]
    if parameters >= FEW * wanted.numel() or outputs.dim() not in (1, 2) or len(outputs) != len(batch):
        return None
    if not inputs or not all(value.is_floating_point() and len(value) == len(batch) for value in inputs):
        return None
    x = torch.cat([value.reshape(len(value), -1).float() for value in inputs], 1)
    x = (x - x.mean(0)) / x.std(0).clamp_min(1e-6)
    level, spread = 0.0, 1.0
    if session.task.kind == "regression":  # so that the search starts near its end
        level, spread = float(wanted.mean()), max(float(wanted.std()), 1e-12)
    columns = outputs[0].numel()
    weight = torch.zeros(x.shape[1], columns, device=x.device, requires_grad=True)
    bias = torch.zeros(columns, device=x.device, requires_grad=True)
    search = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def fitted() -> Tensor:
        return level + spread * (x @ weight + bias).view(outputs.shape)

    def loss() -> Tensor:
        search.zero_grad()
        value = session.task.loss(fitted(), batch.targets)
        value.backward()
        return value

    with torch.enable_grad():
        search.step(loss)
    with torch.no_grad():
        given = fitted()
        least, score = session.task.loss(given, batch.targets), session.task.score(given, batch.targets)
    return LinearMap(float(least), float(score), weight.numel() + bias.numel())


def bottleneck(session: Session, batch: Batch, wanted: Tensor) -> int | None:
    """The numbers through which a sample passes on its way, where they are fewer than its inputs and its targets: the
    width of a layer that limits the rank of the outputs' derivatives by the inputs. None where there is no such layer
    (a narrow one beside a wide way limits nothing), or it cannot be told."""
    inputs = batch.inputs
    if len(inputs) != 1 or not isinstance(inputs[0], Tensor) or not inputs[0].is_floating_point():
        return None
    width = min(inputs[0][0].numel(), wanted[0].numel(), CODES)
    if width < 2 or len(wanted) != len(batch):
        return None
    x = inputs[0].detach().clone().requires_grad_()
    names = list(batch.kwargs)
    args, kwargs = ((x,), {}) if batch.args else ((), {names[0]: x})
    ranks = []
    with torch.enable_grad():
        with _widths(session.model, len(batch)) as widths:
            outputs = session.forward(session.model, Batch(args, kwargs, batch.targets))
        narrow = sorted(each for each in widths if each < width)
        if not narrow or not outputs.requires_grad or outputs.shape != wanted.shape:
            return None
        values = outputs[0].numel()
        directions = torch.randn(width, values, generator=torch.Generator().manual_seed(0)).to(outputs)
        for sample in range(min(DRAWS, len(batch))):
            row = outputs[sample].reshape(-1)
            rows = [torch.autograd.grad(row @ d, x, retain_graph=True)[0][sample].reshape(-1) for d in directions]
            ranks.append(int(torch.linalg.matrix_rank(torch.stack(rows).double(), rtol=1e-5)))
    return next((each for each in narrow if 0 < max(ranks) <= each), None)


@contextmanager
def _widths(model: nn.Module, samples: int) -> Iterator[set[int]]:
    """How many numbers of a sample leave each layer."""
    seen: set[int] = set()

    def note(_layer: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() > 1 and len(output) == samples:
            seen.add(output[0].numel())

    hooks = [module.register_forward_hook(note) for _, module in hookable(model)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def narrow_code(task: Task, wanted: Tensor, targets: object, code: int) -> float:
    """The loss of the targets' first `code` principal components: what the best linear code of that width keeps."""
    flat = wanted.reshape(len(wanted), -1).double()
    mean = flat.mean(0)
    left, sizes, right = torch.linalg.svd(flat - mean, full_matrices=False)
    kept = mean + left[:, :code] @ torch.diag(sizes[:code]) @ right[:code]
    return float(task.loss(kept.view_as(wanted).to(wanted), targets))


def conflicting(batch: Batch) -> int:
    """Samples whose inputs another sample has, all of them, with another target."""
    count, targets, groups = len(batch), batch.targets, _groups(batch)
    if groups is None or not isinstance(targets, Tensor) or len(targets) != count:
        return 0
    labels = targets.reshape(count, -1).double().cpu()
    first = torch.full((int(groups.max()) + 1,), count).scatter_reduce(0, groups, torch.arange(count), "amin")
    differ = (labels != labels[first[groups]]).any(1)
    clashing = torch.zeros(len(first), dtype=torch.bool)
    clashing[groups[differ]] = True
    return int(clashing[groups].sum())


def _groups(batch: Batch) -> Tensor | None:
    """The number of each sample's input, equal ones alike, [N]; None where inputs cannot be compared."""
    count, inputs = len(batch), batch.inputs
    if not inputs or not all(isinstance(value, Tensor) and value.dim() and len(value) == count for value in inputs):
        return None
    if sum(value.numel() for value in inputs) > COMPARED:
        return None
    flat = torch.cat([value.reshape(count, -1).double().cpu() for value in inputs], 1)
    groups: Tensor = torch.unique(flat, dim=0, return_inverse=True)[1]
    return groups
