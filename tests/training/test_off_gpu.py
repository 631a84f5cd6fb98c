"""Questions that may be wrong are asked on the CPU: a GPU does not survive a class that there is no output for."""

import torch
import torch.nn.functional as F

from tests.conftest import config_of
from tunekit.training.building import build_task
from tunekit.training.outputs import off_gpu
from tunekit.training.probes.losses import feels_targets


class OnGpu(torch.Tensor):
    """Stands for a tensor on a GPU."""

    @property
    def device(self):
        return torch.device("cuda")

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is torch.Tensor.cpu:
            return args[0].as_subclass(torch.Tensor)
        return super().__torch_function__(func, types, args, kwargs or {})


def on_gpu(tensor):
    return tensor.as_subclass(OnGpu)


OUTPUTS, CLASSES = on_gpu(torch.randn(8, 3, generator=torch.Generator().manual_seed(0))), on_gpu(torch.arange(8) % 3)


class Died(BaseException):
    """No code goes on after it."""


def loss(outputs, targets):
    if isinstance(outputs, OnGpu) and int(targets.max()) >= outputs.shape[1]:
        raise Died
    return F.cross_entropy(outputs, targets)


def test_other_classes_are_tried_on_the_cpu(tmp_path):
    task = build_task(config_of(), tmp_path)
    task.criterion = loss
    assert feels_targets(task, OUTPUTS, CLASSES)


def test_what_goes_to_the_cpu_is_the_same_there():
    outputs, targets = off_gpu(loss, {"logits": OUTPUTS}, CLASSES + 1)
    assert not isinstance(outputs["logits"], OnGpu)
    assert torch.equal(targets, torch.arange(8) % 3 + 1)


def test_a_loss_that_holds_tensors_on_the_gpu_is_asked_there():
    def own(outputs, targets):
        if not isinstance(outputs, OnGpu):
            raise RuntimeError("Expected all tensors to be on the same device, but found cuda:0 and cpu")
        return outputs.sum()

    outputs, _ = off_gpu(own, OUTPUTS, CLASSES)
    assert outputs is OUTPUTS
