"""Whose a printed number is: the split's, the discriminator's, the batch's, the picture's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tunekit.logs import Log, read
from tunekit.logs.log import floats
from tunekit.vocabulary import Curve

LOSSES = [2.31, 1.62, 1.17, 0.91, 0.74, 0.63, 0.55, 0.49]
SCORES = [0.31, 0.44, 0.52, 0.58, 0.61, 0.63, 0.64, 0.66]


def written(lines: Sequence[str], folder: Path, name: str = "train.log") -> Log:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    (log,) = read(path)
    return log


def assert_holds(curve: Curve | None, values: Sequence[float]) -> None:
    assert curve is not None
    np.testing.assert_allclose(floats(curve.y), values)


def test_measures_of_batches_are_of_training_beside_those_of_epochs(tmp_path: Path) -> None:
    lines = []
    for k, (loss, score) in enumerate(zip(LOSSES, SCORES, strict=True), 1):
        lines.append(f"Now training epoch {k}. LR=0.0001")
        lines += [
            f"Epoch[{k:03d}/020], Step[{i:04d}/0150], Avg Loss: {loss + 0.01}, Avg Acc: {score}" for i in (0, 50, 100)
        ]
        lines.append(f"----- Epoch[{k:03d}/020], Train Loss: {loss}, Train Acc: {score}, time: 73.4")
    log = written(lines, tmp_path)
    assert_holds(log.train, LOSSES)
    assert log.train is not None
    assert list(log.train.x) == list(range(1, 9))
    assert_holds(log.metrics[0].train, SCORES)
    assert log.metrics[0].val is None


def test_a_bare_accuracy_beside_trainings_is_validations(tmp_path: Path) -> None:
    lines = []
    for k, (loss, score) in enumerate(zip(LOSSES, SCORES, strict=True)):
        lines += [f"Epoch {k}: train loss {loss}, train acc 0.9{k}", f"Epoch {k}: acc {score}"]
    assert_holds(written(lines, tmp_path).metrics[0].val, SCORES)


def test_a_discriminators_measures_are_its_own(tmp_path: Path) -> None:
    lines = []
    for k, (loss, score) in enumerate(zip(LOSSES, SCORES, strict=True)):
        lines.append(f"Global Step: {100 * k}, accuracy: {100 * score:.1f}%, loss = {loss} (512.3 examples/sec)")
        lines.append(f"Discriminator Accuracy (Loss): 0.9{k} (0.00{k}1)")
    log = written(lines, tmp_path)
    assert_holds(log.train, LOSSES)
    accuracy = next(metric for metric in log.metrics if metric.name == "accuracy")
    assert_holds(accuracy.train, SCORES)


def test_a_number_behind_a_measure_in_brackets_may_be_its_mean(tmp_path: Path) -> None:
    lines = [f"step {k} Loss (ce): 9.{k} ({loss})" for k, loss in enumerate(LOSSES)]
    assert_holds(written(lines, tmp_path).train, LOSSES)


@pytest.mark.parametrize("name", ["Cross entropy", "cross-entropy", "Cross entropy loss"])
def test_cross_entropy_is_a_loss(name: str, tmp_path: Path) -> None:
    lines = []
    for k, loss in enumerate(LOSSES):
        lines += [f"Step {10 * k}: Train accuracy = {20 + k}.0%", f"Step {10 * k}: {name} = {loss}"]
    assert_holds(written(lines, tmp_path).train, LOSSES)


def test_pictures_of_an_evaluation_are_no_evaluations(tmp_path: Path) -> None:
    lines = []
    for k, score in enumerate(SCORES):
        lines.append(f"Iters: {100 * k}/800, Loss: {LOSSES[k]}")
        lines += [f"Sample: {i}, Validation mIoU: {score / 100 + 0.001 * i:.4f}" for i in range(1, 6)]
        lines.append(f"Overall validation mIoU: {100 * score:.1f}")
    log = written(lines, tmp_path)
    assert_holds(log.train, LOSSES)
    assert_holds(log.metrics[0].val, SCORES)


@pytest.mark.parametrize(("total", "unit"), [("200000", "iteration"), ("300", "epoch")])
def test_a_place_among_very_many_is_no_epoch(total: str, unit: str, tmp_path: Path) -> None:
    lines = [f"[{10 * k + 10}/{total}] Train loss: {x}, Valid loss: {x + 0.1:.2f}" for k, x in enumerate(LOSSES)]
    log = written(lines, tmp_path)
    assert log.train is not None
    assert log.train.unit == unit


HEADS = {
    "P         R   mAP@0.5        F1": ("precision", "recall", "map50", "f1"),
    "P         R    mAP@.5 mAP@.5:.95": ("precision", "recall", "map50", "map5095"),
    "Box(P     R     mAP50  mAP50-95)": ("precision", "recall", "map50", "map5095"),
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("glued", [True, False])
def test_what_yolo_validates_is_named_by_its_header(head: str, glued: bool, tmp_path: Path) -> None:
    lines = []
    for k, score in enumerate(SCORES):
        lines += ["     Epoch   gpu_mem       box       obj       cls     total   targets  img_size"]
        lines += [f"     {k}/7        2G   {LOSSES[k]}    0.3    0.2    3.{k}   44   480: 100%|##| 3/3 [00:21<00:00]"]
        lines += [f"               Class    Images   Targets         {head}: 100%|##| 4/4 [00:03<00:00]"]
        row = f"                 all        28       174      0.21      0.{k}7     {score}      0.1{k}"
        lines[-1:] = [lines[-1] + row] if glued else [lines[-1], row]
    log = written(lines, tmp_path)
    assert log.format == "ultralytics-output"
    by_name = {metric.name: metric for metric in log.metrics}
    assert set(by_name) == set(HEADS[head])
    assert_holds(by_name["map50"].val, SCORES)
    assert_holds(by_name[HEADS[head][3]].val, [0.1 + 0.01 * k for k in range(8)])


WEIGHTS = {"recon": 1.0, "kl": 0.02, "mmd": 0.5}


def parts(k: int) -> dict[str, float]:
    return {"recon": 2.0 / (1 + k) + 0.01 * (k % 3), "kl": 20.0 + 2.0 * k + (k % 2), "mmd": 0.4 + 0.03 * (k % 5)}


@pytest.mark.parametrize("name", ["loss_vae", "elbo_loss"])
def test_a_vaes_loss_is_not_summed_with_its_parts(name: str, tmp_path: Path) -> None:
    wholes = [parts(k)["recon"] + 0.001 * k * parts(k)["kl"] for k in range(30)]  # an annealed weight
    lines = [
        f"step {k} {name}: {y:.4f}; loss_recon: {parts(k)['recon']:.4f}; loss_kl: {parts(k)['kl']:.4f}"
        for k, y in enumerate(wholes)
    ]
    log = written(lines, tmp_path)
    assert log.train is not None
    np.testing.assert_allclose(floats(log.train.y), wholes, atol=1e-4)


@pytest.mark.parametrize("whole", [True, False])
def test_a_loss_is_known_for_the_weighted_sum_of_others_by_its_numbers(whole: bool, tmp_path: Path) -> None:
    names = ["pixel_loss", "prior_loss", "shape_loss"]
    rows = [list(parts(k).values()) for k in range(30)]
    sums = [float(np.dot(list(WEIGHTS.values()), row)) for row in rows]
    first = sums if whole else [3.0 / (k + 1) + 0.05 * (k % 4) for k in range(30)]
    lines = [
        f"step {k} joint_loss: {y:.4f} " + " ".join(f"{name}: {x:.4f}" for name, x in zip(names, row, strict=True))
        for k, (y, row) in enumerate(zip(first, rows, strict=True))
    ]
    log = written(lines, tmp_path)
    assert log.train is not None
    wanted = first if whole else np.add(first, np.sum(rows, axis=1))
    np.testing.assert_allclose(floats(log.train.y), wanted, atol=1e-3)


@pytest.mark.parametrize(("every", "validation"), [(2, True), (1, False)])
def test_a_metric_of_few_epochs_is_of_evaluations(every: int, validation: bool, tmp_path: Path) -> None:
    lines = []
    for k in range(1, 13):
        lines.append(f"<epoch: {k:2d}, lr:1.000e-04> loss: {2.0 / k:.3e}")
        if k % every == 0:
            lines += [f"<epoch: {k:2d}, Average PSNR : {20.5 + k / 10:.2f}dB>", ""]
    metric = written(lines, tmp_path).metrics[0]
    assert metric.name == "psnr"
    assert_holds(metric.val if validation else metric.train, [20.5 + k / 10 for k in range(1, 13) if k % every == 0])
    assert (metric.train is None) == validation


@pytest.mark.parametrize("index", ["", "epoch"])
def test_rows_with_commas_inside_a_log(index: str, tmp_path: Path) -> None:
    rows = [f"{k},{x},0.{k}7,{x + 0.1:.2f},0.{k}5" for k, x in enumerate(LOSSES)]
    head = [
        "Layer (type)    Output Shape    Param #",
        "=====",
        "Total params: 264,725",
        "",
        f"{index},loss,acc,val_loss,val_acc",
    ]
    log = written([*head, *rows, "", "Results: 264,12,3"], tmp_path)
    assert_holds(log.train, LOSSES)
    assert_holds(log.val, [round(x + 0.1, 2) for x in LOSSES])


def test_a_sentence_with_commas_is_no_header(tmp_path: Path) -> None:
    lines = ["Start: 12 layers", "We log loss,accuracy,time and more, see below", "1,2,3", "4,5,6"]
    lines += [f"Epoch {k}, train loss {x}, val loss {x + 0.1:.2f}" for k, x in enumerate(LOSSES)]
    log = written(lines, tmp_path)
    assert_holds(log.train, LOSSES)
    assert log.train is not None
    assert log.train.unit == "epoch"


@pytest.mark.parametrize("prefix", ["", "2021-01-25 05:58:{k:02d} [INFO]: ", "10:20:{k:02d} INFO - "])
def test_a_detectors_table_with_its_head_once(prefix: str, tmp_path: Path) -> None:
    head = "    Epoch       Batch       box      conf     total  nTargets      time"
    lines = [prefix.format(k=0) + head, "loading weights"]
    for k, x in enumerate(LOSSES):
        lines += [
            f"{prefix.format(k=k)}     {k}/29      {b:3d}/165     0.227      2.06    {x:.4g}        81      59.6"
            for b in (0, 80, 160)
        ]
    log = written(lines, tmp_path)
    assert_holds(log.train, [x for x in LOSSES for _ in range(3)])


def test_scikit_learns_report_is_of_validation_and_replaces_nothing(tmp_path: Path) -> None:
    lines = []
    for k, (loss, score) in enumerate(zip(LOSSES, SCORES, strict=True), 1):
        lines += [f"Epoch {k}/8", f"Avg Loss: {loss}", f"Validation Accuracy: {score + 0.0041:.4f}"]
        lines += [
            "              precision    recall  f1-score   support",
            "",
            "           a       0.35      0.34      0.31       463",
        ]
        lines += [f"    accuracy                           {score:.2f}      1397"]
    log = written(lines, tmp_path)
    assert_holds(log.train, LOSSES)
    assert log.metrics[0].train is None
    assert_holds(log.metrics[0].val, [round(x + 0.0041, 4) for x in SCORES])


def test_monais_evaluations_are_of_validation(tmp_path: Path) -> None:
    lines = []
    for k, (loss, score) in enumerate(zip(LOSSES, SCORES, strict=True), 1):
        lines += ["----------", f"epoch {k}/8"] + [f"{i}/3, train_loss: {loss + 0.01 * i:.4f}" for i in (1, 2, 3)]
        lines += [
            f"epoch {k} average loss: {loss}",
            f"current epoch: {k} current mean dice: {score} best mean dice: {score}",
        ]
    metric = written(lines, tmp_path).metrics[0]
    assert metric.train is None
    assert_holds(metric.val, SCORES)


def test_deepxdes_terms_are_summed(tmp_path: Path) -> None:
    lines = ["Step      Train loss                        Test loss                         Test metric"]
    lines += [
        f"{1000 * k:<10d}[{0.75 * x:.2e}, {0.25 * x:.2e}]              [{x:.2e}, {0.5:.2e}]              []"
        for k, x in enumerate(LOSSES)
    ]
    log = written(lines, tmp_path)
    assert log.train is not None
    assert log.val is not None
    np.testing.assert_allclose(floats(log.train.y), LOSSES, rtol=0.01)
    np.testing.assert_allclose(floats(log.val.y), np.add(LOSSES, 0.5), rtol=0.01)
    assert list(log.train.x) == [1000 * k for k in range(8)]


def test_numbers_set_off_by_dashes(tmp_path: Path) -> None:
    lines = [f"--> epoch {k} -- train loss -- {x} -- val loss -- {x + 0.1:.2f}" for k, x in enumerate(LOSSES)]
    log = written(lines, tmp_path)
    assert_holds(log.train, LOSSES)
    assert_holds(log.val, [round(x + 0.1, 2) for x in LOSSES])


@pytest.mark.parametrize(("name", "own"), [("val_loss.txt", ""), ("val_loss.txt", "train "), ("values.txt", "")])
def test_a_file_named_for_validation_is_of_it_unless_its_lines_say_otherwise(
    name: str, own: str, tmp_path: Path
) -> None:
    rows = enumerate(zip(LOSSES, SCORES, strict=True))
    lines = [f"epoch: {k} iter: {750 * k} {own}loss: {x} accuracy: {y}" for k, (x, y) in rows]
    log = written(lines, tmp_path, name)
    of_validation = name.startswith("val_") and not own
    assert_holds(log.val if of_validation else log.train, LOSSES)
    assert (log.train is None) == of_validation


def test_evaluations_between_a_tables_rows_stand_where_they_were_said(tmp_path: Path) -> None:
    lines = ["    Epoch       Batch       box      conf     total  nTargets      time"]
    for k, (x, y) in enumerate(zip(LOSSES, SCORES, strict=True)):
        lines += [
            f"     {k}/29      {b:3d}/165     0.227      2.06    {x:.4g}        81      59.6" for b in (0, 80, 160)
        ]
        lines += ["evaluating", f"AP: {y}"]
    metric = written(lines, tmp_path).metrics[0]
    assert_holds(metric.val, SCORES)
    assert metric.val is not None
    assert np.all(np.diff(floats(metric.val.x)) > 0)
