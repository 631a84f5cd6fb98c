"""The training loop: one training in memory, advanced iteration by iteration, saved to bytes and restored. No files."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tunekit.configuration import TINY_VALIDATION, TrainingConfig
from tunekit.guest import numbers, put_back
from tunekit.recipe.schedules import build_schedule
from tunekit.telling import CALLING, raised
from tunekit.training.augmentations import Chain, build_augmentation, training_loss
from tunekit.training.batches import Batches
from tunekit.training.building import build_task, outputs_needed
from tunekit.training.data import Batch, BatchesSplit, LoaderSplit, Split, Splits, TensorSplit
from tunekit.training.device import threads
from tunekit.training.evaluation import Evaluation, Tally, largest_output, room
from tunekit.training.indices import checked_indices
from tunekit.training.models import Freezing, has_convolutions, load_weights
from tunekit.training.modes import evaluation_weights, goes_backward, to_train
from tunekit.training.optimizers import build_optimizer
from tunekit.training.outputs import Outputs, any_tensor, in_fp32
from tunekit.training.pending import Pending
from tunekit.training.regularizers import add_l1, penalized_weights, without_regularizers
from tunekit.training.seeds import seed_step
from tunekit.training.tasks import Task
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import Row, UserError

FETCH = 16
"""Losses are gathered on the device and fetched at iterations that this divides: divergence is seen so soon."""

SETTLING = 64  # samples by whose outputs a task finds out how outputs are read


@dataclass
class Chunk:
    """Rows of some iterations; `evaluation` where the last of them closed an epoch."""

    rows: list[Row]
    evaluation: Evaluation | None = None


class Session:
    """One training: the model, its optimizer and its place. The k-th batch, its augmentation and its dropout masks
    follow from (seed, k) alone, so that a session restored at k goes on bit for bit (on CPU)."""

    def __init__(self, config: TrainingConfig, bench: Workbench) -> None:
        self.config = config
        self.bench = bench
        self.device = bench.device
        with threads(config.threads):
            self.splits = bench.splits(config)
            self.batches = Batches(self.splits.train, config, bench, FETCH)
            self.task = build_task(config, bench.folder, self._all_targets)
            self.model = self._built_model()
            self._settle()
        self.factor = build_schedule(config.schedule)
        self.augment = (
            build_augmentation(config.data, self.splits.train, self.task, self.device) if config.regularize else Chain()
        )
        self.averaged = (
            AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=True)
            if config.ema
            else None
        )
        self._penalized = penalized_weights(self.model) if config.l1 and config.regularize else []
        self.iteration = 0
        self.whole = True  # no iteration is under way, nor are the rows of one at hand
        self.dead = False
        self._persons = config.runs_persons_code
        self._at_once: int | None = None  # samples that validation takes at once, when it is known

    @property
    def _all_splits(self) -> Splits:
        """The whole splits, also where a few samples are trained on."""
        return self.bench.splits(replace(self.config, data=replace(self.config.data, subset=None, blank=False)))

    def _all_targets(self) -> object:
        """Those of the whole training split; None where they are not known."""
        train = self._all_splits.train
        return None if isinstance(train, LoaderSplit) else train.targets()

    @cached_property
    def outputs(self) -> int | None:
        """How many outputs a built-in model needs; None where that is not known."""
        return outputs_needed(self.task, self._all_splits, self.splits.train)

    def _built_model(self) -> nn.Module:
        model = self.bench.model(self.config, self.batches.first(2), self.outputs)
        self.notes = load_weights(model, self.config.model.weights, self.bench.folder)
        model = model.to(self.device)
        if has_convolutions(model):
            model = model.to(memory_format=torch.channels_last)
        if not self.config.regularize:
            without_regularizers(model)
        self.freezing = self._freezing(model)
        return model

    def _freezing(self, model: nn.Module) -> Freezing:
        def answer(model: nn.Module) -> Outputs:
            model.eval()
            outputs = self.answer(model, self.batches.first(2).to(self.device))
            model.train()
            return outputs

        return Freezing.of(model, self.config.model.freeze, self.iterations_per_epoch, answer)

    def _settle(self) -> None:
        """How outputs are read, where that is not plain: from those of the first samples, in eval mode, which leaves no
        trace in the model."""
        if not self.task.needs_settling(self.batches.first(2).targets):
            return
        batch = self.batches.first(min(SETTLING, self.config.batch_size)).to(self.device)
        self.model.eval()
        with torch.no_grad(), checked_indices(self.device):
            self.task.settle(self.answer(self.model, batch), batch.targets)
        self.model.train()

    @cached_property
    def optimizer(self) -> torch.optim.Optimizer:
        """Built when first used: torch's optimizers import its compiler, which takes a second that probes spare."""
        return build_optimizer(self.config, self.model, self.bench.folder)

    @cached_property
    def base_rates(self) -> list[float]:
        return [float(group.get("initial_lr", group["lr"])) for group in self.optimizer.param_groups]

    @property
    def iterations_per_epoch(self) -> int:
        """Optimizer steps in a pass."""
        return self.batches.per_epoch

    @property
    def validates(self) -> bool:
        """Whether there are samples to validate on that are not trained on."""
        return not self.config.data.with_validation

    @property
    def validation_every(self) -> int:
        per_epoch = self.iterations_per_epoch
        return per_epoch if self.config.data.subset is None else per_epoch * math.ceil(TINY_VALIDATION / per_epoch)

    def batch(self, iteration: int) -> Batch:
        """The batch of the k-th iteration (from 0), on the device, before augmentation."""
        return self.batches.at(iteration)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """The tensor among the outputs of a batch that probes look at, in fp32."""
        return any_tensor(self.answer(model, batch))

    def answer(self, model: nn.Module, batch: Batch) -> Outputs:
        """Outputs of a batch in fp32, as the loss takes them; the arithmetic inside is in the configuration's
        precision."""
        before = numbers()
        try:
            with self.autocast(), goes_backward(model):
                answer = model(*batch.args, **batch.kwargs)
        except Exception as error:
            error.add_note(f"{CALLING} with what the data give: {batch.told}")
            raise
        put_back(before, f"model.target: {self.config.model.target}")
        return in_fp32(self.task.outputs(answer))

    def autocast(self) -> AbstractContextManager[object]:
        if self.config.precision != "bf16":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def run(self, until: int) -> Iterator[Chunk]:
        """Train up to an iteration, yielding rows as they are fetched. Ends early where a loss is not finite."""
        self.model.train()
        to_train(self.optimizer)
        self.batches.read_ahead(self.iteration, until)
        while self.iteration < until and not self.dead:
            with threads(self.config.threads):
                chunk = self._advance(until)
            yield chunk

    def _advance(self, until: int) -> Chunk:
        """Train up to where losses are fetched next."""
        pending, before = Pending(self.task, self._shows_metric, self._scores_wait), numbers()
        self.whole = False
        while True:
            self._step(pending)
            put_back(before)  # else what an iteration computes would depend on where the training was taken up
            closes = self.iteration % self.validation_every == 0
            if closes or self.iteration % FETCH == 0 or self.iteration == until:
                chunk = self._fetch(pending, closes and self.validates)
                put_back(before)
                self.whole = True
                return chunk

    @cached_property
    def _stepped(self) -> list[nn.Parameter]:
        """The model's parameters that the optimizer holds: the gradients of others are never cleared."""
        held = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        return [p for p in self.model.parameters() if id(p) in held]

    def _step(self, pending: Pending) -> None:
        factor = self.factor(self.iteration)
        for group, base in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = base * factor
            for parameter in group["params"]:  # `zero_grad` does the same in twenty times the time
                parameter.grad = None
        self.freezing.at(self.iteration)  # the optimizer was built of all that will ever train
        batch = self.batch(self.iteration)
        seed_step(self.config.seed, self.iteration, self.device, self._persons)
        batch = self.augment(batch)
        outputs = self.answer(self.model, batch)
        loss = training_loss(self.task, outputs, batch.targets)
        if not loss.requires_grad:
            raise UserError(
                "loss: has no gradient: it follows from no parameter that trains; look for detach, no_grad, argmax, "
                "item() or a tensor made anew in the model and the loss"
            )
        loss.backward()
        add_l1(self._penalized, self.config.l1)
        if self.config.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(self._stepped, self.config.clip_grad_norm)
        self.optimizer.step()
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        self.iteration += 1
        pending.add(loss, outputs, batch.targets, self.base_rates[0] * factor)

    def _fetch(self, pending: Pending, closes: bool) -> Chunk:
        losses = pending.fetched_losses()
        by_loss = self.task.metric.is_loss
        scores = losses if by_loss else pending.fetched_scores()
        first = self.iteration - len(losses) + 1
        rows: list[Row] = []
        for offset, (loss, score, rate) in enumerate(zip(losses, scores, pending.rates, strict=True)):
            iteration = first + offset
            rows.append(Row(iteration, iteration / self.iterations_per_epoch, rate, loss, score, None, None))
            if not math.isfinite(loss):
                self.dead = True
                return Chunk(rows)
        if not closes:
            return Chunk(rows)
        evaluation = self.evaluate()
        self.factor.observe(evaluation.loss)
        score = evaluation.loss if by_loss else evaluation.score
        rows[-1] = rows[-1]._replace(val_loss=evaluation.loss, val_metric=score)
        if self.averaged is not None:
            raw = self.evaluate(model=self.model)
            rows[-1] = rows[-1]._replace(raw_val_loss=raw.loss, raw_val_metric=raw.loss if by_loss else raw.score)
        return Chunk(rows, evaluation)

    @cached_property
    def _shows_metric(self) -> bool:
        """Whether the metric of a batch says something of the whole: it is a mean over samples, or the batch is all.
        Of mixed samples it says nothing: half of a cat and half of a dog is neither right nor wrong."""
        task = self.task
        if self.augment.mixes:
            return False
        means = task.metric.shares is not None and type(task).score is Task.score
        return not task.metric.is_loss and (means or task.averages or self.config.data.subset is not None)

    @cached_property
    def _scores_wait(self) -> bool:
        """Whether the scores of several batches, all of one size, can be computed at once: counts are the same numbers
        either way."""
        own = type(self.task).score is not Task.score
        return self.task.metric.counts and not own and isinstance(self.splits.train, TensorSplit)

    @property
    def judged(self) -> nn.Module:
        """What validation sees: the model, or its average where there is one."""
        return self.model if self.averaged is None else self.averaged

    @torch.no_grad()
    def evaluate(self, split: Split | None = None, model: nn.Module | None = None) -> Evaluation:
        """Loss and metric over the validation split (or another), with the averaged weights where there are some (or
        those of `model`)."""
        split = self.splits.val if split is None else split
        tally = Tally(self.task, self.config.batch_size, len(split))
        for batch, outputs in self.answers(split, model):
            tally.add(outputs, batch.targets, len(batch))
            del outputs
        self.model.train()
        return tally.evaluation()

    @torch.no_grad()
    def answers(
        self, split: Split, model: nn.Module | None = None, ask: Callable[[Batch], Outputs] | None = None
    ) -> Iterator[tuple[Batch, Outputs]]:
        """The batches of a split on the device, and what the model (or its average) gives of each in eval mode, with no
        more at once than a training batch holds. `ask`: how a batch is asked about, if not in a single pass."""
        model = self.judged if model is None else model
        with evaluation_weights(self):
            model.eval()
            yield from self._answers(split, model, ask or partial(self.answer, model))

    def _answers(
        self, split: Split, model: nn.Module, ask: Callable[[Batch], Outputs]
    ) -> Iterator[tuple[Batch, Outputs]]:
        first = True
        for batch in self.in_batches(split):
            batch = batch.to(self.device)
            if first:
                # In each validation anew: torch computes some layers otherwise where hooks are on them, and a training
                # that was taken up again has to see the same numbers.
                with largest_output(model) as largest:
                    outputs = ask(batch)
                self._at_once = room(outputs, batch, largest[0], self.config.batch_size)
                first = False
            else:
                outputs = ask(batch)
            yield batch, outputs
            del outputs

    def in_batches(self, split: Split) -> Iterator[Batch]:
        """A batch of the recipe's size first, by which it is decided how many samples are taken at once. A last sample
        is not left alone: models that squeeze their outputs give it no row."""
        if isinstance(split, BatchesSplit):
            yield from split.stored
            return
        first = min(self.config.batch_size, len(split))
        if first + 1 == len(split):
            first += 1
        yield split.batch(torch.arange(first))
        size = self._at_once or self.config.batch_size
        while first < len(split):
            end = len(split) if first + size + 1 >= len(split) else first + size
            yield split.batch(torch.arange(first, end))
            first = end

    def state(self) -> bytes:
        """Everything that the next iteration needs, as a torch archive (its entries carry checksums)."""
        buffer = io.BytesIO()
        content = {
            "iteration": self.iteration,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged is not None else None,
            "schedule": self.factor.state(),
        }
        torch.save(content, buffer)
        return buffer.getvalue()

    def weights(self) -> bytes:
        """The weights that validation sees, for `torch.load(...)["model"]`."""
        buffer = io.BytesIO()
        model = self.model if self.averaged is None else self.averaged.module
        with evaluation_weights(self):
            torch.save({"iteration": self.iteration, "model": model.state_dict()}, buffer)
        return buffer.getvalue()

    def load_weights(self, data: bytes) -> None:
        """Take the weights that `weights()` gave. Errors: UserError where they are of another model."""
        model = self.model if self.averaged is None else self.averaged.module
        try:
            content = torch.load(io.BytesIO(data), map_location=self.device, weights_only=True)
            model.load_state_dict(content["model"])
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise UserError(f"weights: do not fit the model: {str(error).splitlines()[0]}") from None

    def restore(self, state: bytes) -> None:
        """Go on from `state()`. Errors: UserError where this version of torch cannot read it, or where it belongs to
        another model; the session is then half restored, and of no use."""
        self.base_rates  # noqa: B018 - taken before the saved, scheduled rates replace them
        try:
            content = torch.load(io.BytesIO(state), map_location=self.device, weights_only=True)
            iteration = int(content["iteration"])
        except (MemoryError, torch.OutOfMemoryError):
            raise  # of this machine, not of the file
        except Exception as error:  # torch's own, zip's or pickle's, or of content that is none of ours
            raise UserError(f"checkpoint: cannot be loaded: {raised(error)}") from None
        try:
            self.model.load_state_dict(content["model"])
            self.optimizer.load_state_dict(content["optimizer"])
            if self.averaged is not None:
                self.averaged.load_state_dict(content["averaged"])
            self.factor.restore(content["schedule"])
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise UserError(f"checkpoint: does not fit the model: {str(error).splitlines()[0]}") from None
        self.iteration = iteration
