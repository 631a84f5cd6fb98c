"""Step 2 on models, losses and metrics of any kind: what is learned passes in silence, what is not is named."""

from dataclasses import replace

import pytest
import torch
from inline_run import CPU, HERE, _trained, carry_out, context_of, recipe_of, spoken

from tests.conftest import every_other_day
from tunekit.steps import overfit_tiny
from tunekit.training.probes import PROBES, Subject
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import Measurement, Record

P = "planted_tiny:"
SCALAR = {"features": 8, "outputs": 1}
LOSS = {"metric": "loss"}


def tiny(model="dense", data="clouds", **recipe):
    recipe = recipe_of(model, data, **recipe)
    return carry_out(context_of("overfit-tiny", recipe))


def vae(loss, **recipe):
    return {"model": P + "Vae", "data": P + "pictures", "task": "regression", "loss": P + loss, **LOSS, **recipe}


def pixels(loss):
    return {"model": P + "per_pixel", "data": P + "masks", "loss": P + loss}


def siamese(task, metric=f"max {P}agreement"):
    return {
        "model": P + "Siamese",
        "data": P + "pairs",
        "task": task,
        "loss": P + "contrastive",
        "metric": metric,
    }


def likelihood(loss, data="flat_targets"):
    model = {"features": 8, "outputs": 2}
    return {"data": P + data, "task": "regression", "loss": P + loss, "model_args": model, **LOSS}


def numbers(loss, **recipe):
    data = {"data": "planted_losses:points", "data_args": {"kind": "numbers"}}
    model_args = {"features": 6, "outputs": 1}
    return {**data, "task": "regression", "model_args": model_args, "loss": f"planted_losses:{loss}", **recipe}


SOUND = {
    "a loss written for the shape of the data": numbers("each_with_its_own"),
    "a loss written for columns": numbers("written_for_columns"),
    "a correlation over the batch": numbers("not_correlated", **LOSS),
    "own label smoothing": {"loss": P + "smoothed"},
    "the loss is the metric": dict(LOSS),
    "distances as a binary task": siamese("binary"),
    "distances as a regression": siamese("regression"),
    "distances judged by the loss": siamese("binary", "loss"),
    "distances and an accuracy that was not asked for": siamese("binary", "auto"),
    "noise along a single number": {
        "model": P + "wide_curve",
        "data": P + "noisy_sine",
        "task": "regression",
    },
    "few rows of the same kinds with other labels": {"data": P + "kinds", "model_args": {"features": 3, "outputs": 2}},
    "times and events for an own loss without a task": {
        "model": P + "wide_curve",
        "model_args": {"features": 4},
        "data": P + "times",
        "loss": P + "cox",
    },
    "a VAE": vae("elbo"),
    "a denoiser that draws its own targets": {
        "model": P + "Denoiser",
        "data": P + "pictures",
        "task": "regression",
        "loss": P + "mean_square",
        **LOSS,
    },
    "a VAE of gray pixels": vae("bernoulli_elbo"),
    "a code far smaller than the targets": {
        "model": P + "narrow",
        "data": P + "pictures",
        "task": "regression",
        **LOSS,
    },
    "noise in train mode": {"model": P + "Noisy"},
    "a likelihood": likelihood("gaussian"),
    "a likelihood with a least variance": likelihood("clamped_gaussian"),
    "a class a pixel, permuted": pixels("permuted"),
    "a tag a token": {"model": P + "Tagger", "data": P + "tags", "loss": P + "permuted"},
    "random features in a buffer": {"model": P + "Projected"},
    "BatchNorm of a small momentum": {"model": P + "Normed", "model_args": {"momentum": 0.01}},
    "BatchNorm kept in eval mode": {"model": P + "Normed", "model_args": {"frozen": True}},
    "a mask of truth values": {"model": P + "MaskedMean", "data": P + "masked", "task": "regression"},
}

FAULTS = {
    "codes that collapse, an error that is averaged": ("cannot_overfit", vae("averaged_elbo")),
    "codes that collapse, a divergence of too much weight": ("cannot_overfit", vae("overweighted_elbo")),
    "a divergence of the wrong sign": ("loss_without_floor", vae("turned_elbo")),
    "a narrow code that is always zero": (
        "cannot_overfit",
        {"model": P + "narrow_and_blind", "data": P + "pictures", "task": "regression", **LOSS},
    ),
    "pixels and classes mixed up": ("loss_misaligned", pixels("unpermuted")),
    "tokens and tags mixed up": (
        "loss_misaligned",
        {"model": P + "Tagger", "data": P + "tags", "loss": P + "unpermuted"},
    ),
    "a mean before the square": ("loss_misaligned", numbers("mean_before_the_square")),
    "subtracted each from each": ("loss_misaligned", numbers("subtracted_each_from_each")),
    "a cross-entropy of the wrong sign": ("loss_misaligned", {"loss": P + "negated"}),
    "classes in the opposite order": ("loss_misaligned", {"loss": P + "exchanged"}),
    "layers in a list": ("weights_not_saved", {"model": P + "InList"}),
    "random features in a plain tensor": (
        "weights_not_saved",
        {"model": P + "Projected", "model_args": {"saved": False}},
    ),
    "BatchNorm of momentum 0": ("eval_mode_differs", {"model": P + "Normed", "model_args": {"momentum": 0.0}}),
    "BatchNorm of momentum 0 in a regression": (
        "eval_mode_differs",
        {
            "model": P + "Normed",
            "data": "regression",
            "task": "regression",
            "model_args": {**SCALAR, "momentum": 0.0},
        },
    ),
    "halved outputs in eval mode": (
        "eval_mode_differs",
        {"model": P + "HalvedInEvaluation", "data": "regression", "task": "regression", "model_args": SCALAR},
    ),
}


@pytest.mark.parametrize("name", every_other_day(SOUND))
def test_passes_in_silence(name):
    result = tiny(**SOUND[name])
    assert spoken(result) == {}, [item.message for item in result.findings]
    assert result.handoff["epochs"] > 0


@pytest.mark.parametrize("name", every_other_day(FAULTS))
def test_names_the_fault(name):
    code, recipe = FAULTS[name]
    result = tiny(**recipe)
    assert list(spoken(result)) == [code], [item.message for item in result.findings]


def notes(result):
    return {item.code: item.message for item in result.findings if item.severity == "note"}


class TestNotes:
    def test_targets_that_are_reshaped_for_an_own_loss(self):
        flat = {"task": "regression", "loss": P + "squares", "model_args": SCALAR}
        assert (
            "targets [32] are given to the loss as [32, 1]"
            in notes(tiny(data=P + "flat_targets", **flat))["targets_reshaped"]
        )
        assert "targets_reshaped" not in notes(tiny(data="regression", **flat))

    def test_a_loss_of_the_wrong_sign_is_called_so(self):
        [finding] = tiny(loss=P + "negated").findings
        assert "wrong sign" in finding.advice[0]

    def test_numbers_under_an_own_loss_are_reshaped_whatever_the_task(self):
        result = tiny(data=P + "flat_targets", loss=P + "squares", model_args=SCALAR)
        assert "targets_reshaped" in notes(result)
        assert spoken(result) == {}

    def test_dropout_and_statistics(self):
        said = notes(tiny("with_dropout"))["regularizers_off"]
        assert "dropout is off" in said
        assert "regularizers_off" not in notes(tiny())

    def test_a_loss_without_a_floor(self):
        assert "loss_without_floor" in notes(tiny(**likelihood("gaussian")))

    def test_what_a_failed_control_raised(self):
        """It costs its own answer, not the step."""
        context = context_of("overfit-tiny", recipe_of("dense", "clouds"))
        records = []
        while requests := overfit_tiny.STEP.plan(context, records):
            records += _carried_out(requests)
        control = next(record for record in records if record.request.purpose == overfit_tiny.CONTROL)
        records[records.index(control)] = replace(control, rows={}, error="ValueError: these inputs are all zero")
        judgement = overfit_tiny.STEP.judge(context, records)
        assert judgement.handoff is not None
        assert [item.code for item in judgement.findings] == ["control_failed"]
        assert "these inputs are all zero" in judgement.findings[0].message


_MADE = {}


def _carried_out(requests):
    bench, records = Workbench(HERE, CPU), []
    for request in requests:
        if isinstance(request, Measurement):
            state = _MADE[request.config.key] if request.at else None
            measured = PROBES[request.probe](Subject(request.config, bench, state, request.args))
            records.append(Record(request, values=measured.to_json()))
        else:
            record, _MADE[request.config.key] = _trained(request, bench)
            records.append(record)
    return records


def test_the_message_names_what_was_seen():
    collapsed = tiny(**vae("averaged_elbo")).findings[0]
    assert "outputs that are the same for every sample" in collapsed.message
    assert "averaged" in collapsed.advice[0]
    listed = tiny(P + "InList").findings[0]
    assert listed.evidence["reloaded"] > 5 * listed.evidence["trained"]


def test_the_generators_are_left_as_they_were():
    recipe = recipe_of(P + "Vae", P + "pictures", task="regression", loss=P + "elbo", **LOSS)
    requests = overfit_tiny.STEP.plan(context_of("overfit-tiny", recipe), [])
    _carried_out(requests)
    before = torch.random.get_rng_state()
    _carried_out(requests)
    assert torch.equal(before, torch.random.get_rng_state())
