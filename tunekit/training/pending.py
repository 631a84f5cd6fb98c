"""What the device holds of the iterations since the last fetch: their losses, and the scores of their batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from tunekit.training.outputs import Outputs
from tunekit.training.tasks import Task

WAITING_OUTPUTS = 2**16  # values of a batch's outputs that may be kept until the next fetch


@dataclass
class Pending:
    """Iterations that wait to be fetched. `shown`: the metric of a batch says something of the whole. `together`: the
    scores of several batches, all of one size, can be computed at once."""

    task: Task
    shown: bool
    together: bool
    losses: list[Tensor] = field(default_factory=list)
    scores: list[Tensor | None] = field(default_factory=list)  # None: not shown for training
    answers: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # outputs and targets that wait for their score
    rates: list[float] = field(default_factory=list)

    def add(self, loss: Tensor, outputs: Outputs, targets: Any, rate: float) -> None:
        """One iteration."""
        self.losses.append(loss.detach())
        if not self.shown:
            self.scores.append(None)
        elif self.together and _is_short_matrix(outputs):
            self.answers.append((outputs.detach(), targets))
        else:
            with torch.no_grad():
                self.scores.append(self.task.score(outputs, targets))
        self.rates.append(rate)

    def fetched_losses(self) -> list[float]:
        losses: list[float] = torch.stack(self.losses).float().tolist()
        return losses

    def fetched_scores(self) -> list[float | None]:
        """The metric of each batch, None where it is not shown."""
        if not self.answers:
            shown = [score for score in self.scores if score is not None]
            values = iter(torch.stack(shown).float().tolist() if shown else ())
            return [None if score is None else next(values) for score in self.scores]
        outputs, targets = (torch.cat(column) for column in zip(*self.answers, strict=True))
        shares = self.task.shares(outputs, targets)
        assert shares is not None, "only such scores wait"
        top, bottom = (share.view(len(self.answers), -1).sum(1) for share in shares)
        scores: list[float | None] = self.task.metric.ratio(top, bottom).float().tolist()
        return scores


def _is_short_matrix(outputs: Outputs) -> bool:
    return isinstance(outputs, Tensor) and outputs.dim() == 2 and outputs.numel() <= WAITING_OUTPUTS
