"""How a trained model is asked about images: a single pass, or five crops and their mirror images, averaged."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tunekit.configuration import DataSpec
from tunekit.measured import Averaging, Views
from tunekit.training.augmentations import links_of
from tunekit.training.data import Batch
from tunekit.training.outputs import Outputs, any_tensor
from tunekit.training.tasks import Task
from tunekit.vocabulary import UserError

SINGLE, FIVE_CROP = "single", "five-crop"
TEST_TIMES = (SINGLE, FIVE_CROP)
"""The values of `train.test_time`."""

BACK = f"`--set train.test_time={SINGLE}` asks about whole ones"

CROP = 0.875
"""Of the shorter side, where no size is given: 224 of 256 pixels (Krizhevsky et al., NeurIPS 2012, section 4.1)."""


def answer_at_test_time(
    answer: Callable[[Batch], Outputs],
    batch: Batch,
    task: Task,
    how: str = SINGLE,
    size: int | None = None,
    mirrored: bool = False,
) -> Outputs:
    """What a model says of a batch at test time, as its loss and its metric take outputs: nothing else has to change.

    `answer`: the model's outputs of a batch, in eval mode and without gradients, such as
    `lambda batch: session.answer(model, batch)`. `how`: one of TEST_TIMES. `size`: the crops' shorter side in pixels
    (None: CROP of the image's); each crop is brought back to the image's size, bilinear, as `resized_crop` does in
    training, so that any model takes it. `mirrored`: each crop's mirror image besides, ten views in all; ask
    `mirrors(config.data)`, since a model that was trained without flips has never seen such images.

    Probabilities are averaged, not logits: each view votes with what it is sure of, and one that is far out cannot
    outvote four (the same source averages the softmax's outputs). What comes back are logits again: log of the mean
    softmax [B, C], whose cross-entropy is -log of the mean probability; for binary and multilabel the logit of the mean
    sigmoid. Numbers (regression), and outputs for a loss of the person's own, of which nobody knows what they are, are
    averaged as they are. Errors: UserError where there are no images, or outputs for each pixel.
    """
    asked = views_at(how, task, mirrored)
    if asked is None:
        return answer(batch)
    x, *others = batch.args or (None,)
    return answer_to_views(lambda view: answer(replace(batch, args=(view, *others))), x, asked, size)


def views_at(how: str, task: Task, mirrored: bool) -> Views | None:
    """What a model is asked about at test time, and how its answers become one; None: the image itself, in a single
    pass. Errors: UserError."""
    if how not in TEST_TIMES:
        raise UserError(f"train.test_time: one of {', '.join(TEST_TIMES)}, not {how!r}")
    return None if how == SINGLE else Views(mirrored, averaging_of(task))


def answer_to_views(answer: Callable[[Tensor], Outputs], x: Any, asked: Views, size: int | None = None) -> Tensor:
    """One answer to several views of images [B, C, H, W], as the model gets them. Errors: UserError."""
    if not isinstance(x, Tensor) or x.dim() != 4:
        raise UserError(f"train.test_time: {FIVE_CROP} takes images [C, H, W] as the first input; {BACK}")
    outputs = []
    for view in views(x, size, asked.mirrored):
        out = any_tensor(answer(view))
        if out.dim() > 2 or (out.dim() and len(out) != len(x)):
            raise UserError(
                f"train.test_time: {FIVE_CROP} takes outputs for each image, and the model gives {list(out.shape)}: "
                f"outputs of different crops lie at different places; {BACK}"
            )
        outputs.append(out)
    return averaged(torch.stack(outputs), asked.averaging)


def mirrors(data: DataSpec) -> bool:
    """Whether training saw images and their mirror images."""
    return any(link.name == "flip" for link in links_of(data.augment, data.augment_strength))


def views(x: Tensor, size: int | None = None, mirrored: bool = False) -> list[Tensor]:
    """The corners' crops (top left, top right, bottom left, bottom right) and the centre's of images [B, C, H, W], each
    at the images' size; then, where asked for, their mirror images. Errors: UserError."""
    tall, wide = x.shape[2:]
    short = min(tall, wide)
    size = max(1, round(CROP * short)) if size is None else size
    if not 1 <= size <= short:
        raise UserError(f"train.test_time: crops of 1 to {short} pixels, the images' shorter side, not {size}")
    crops = five_crops(x, round(size * tall / short), round(size * wide / short))
    whole = [
        crop if crop.shape == x.shape else F.interpolate(crop, (tall, wide), mode="bilinear", align_corners=False)
        for crop in crops
    ]
    return [*whole, *(view.flip(-1) for view in whole)] if mirrored else whole


def five_crops(x: Tensor, height: int, width: int) -> list[Tensor]:
    """Crops of images [B, C, H, W] at the corners, row by row, and at the centre."""
    tall, wide = x.shape[2:]
    down, right = tall - height, wide - width
    places = ((0, 0), (0, right), (down, 0), (down, right), (round(down / 2), round(right / 2)))
    return [x[:, :, top : top + height, left : left + width] for top, left in places]


def averaging_of(task: Task) -> Averaging:
    """How outputs of several views become one in the form that the task's loss takes."""
    if task.own_loss or type(task).loss is not Task.loss or task.kind == "regression":
        return "values"
    return "classes" if task.kind == "classification" else "decisions"


def averaged(outputs: Tensor, averaging: Averaging) -> Tensor:
    """Outputs of several views [V, B, ...] as one."""
    if averaging == "values":
        return outputs.mean(0)
    if averaging == "classes" and outputs.dim() == 3 and outputs.shape[2] > 1:
        return torch.logsumexp(torch.log_softmax(outputs, 2), 0) - math.log(len(outputs))
    yes, no = (torch.logsumexp(F.logsigmoid(sign * outputs), 0) for sign in (1, -1))
    return yes - no
