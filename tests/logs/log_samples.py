"""Small logs in every format, written as the tools write them. Used by the tests beside it; no test here."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

POINTS = 30
"""Points of every sample, so that each format must give the same curves."""

LEFT = [math.exp(-9 * k / (POINTS - 1)) for k in range(POINTS)]
TRAIN = [0.30 + 2.0 * left for left in LEFT]
VAL = [0.33 + 1.97 * left for left in LEFT]
ACCURACY = [0.91 - 0.82 * left for left in LEFT]


def table(path: Path, header: str, rows: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def json_lines(path: Path, records: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def tunekit(folder: Path) -> Path:
    rows = []
    for k in range(POINTS):
        last = f"{VAL[k]},{ACCURACY[k]}"
        rows += [f"{2 * k + 1},{k + 0.5},0.001,{TRAIN[k]},0.5,,", f"{2 * k + 2},{k + 1.0},0.001,{TRAIN[k]},0.5,{last}"]
    header = "iteration,epoch,lr,train_loss,train_accuracy,val_loss,val_accuracy"
    training = folder / "run" / "trainings" / "lr1e-3_wd0_s0-abc"
    table(training / "metrics.csv", header, rows)
    config = {"lr": 0.001, "weight_decay": 0.0001, "model": {"target": "mlp", "args": {"dropout": 0.1}}}
    (training / "config.json").write_text(json.dumps(config))
    (folder / "run" / "recipe.yaml").write_text("name: run\n")
    results = {
        "fine-run": {"training": training.name, "val_accuracy": 0.9},
        "lr-sweep": {"lr": 0.003, "range": [0.0003, 0.01]},
        "check-init-loss": {"initial_loss": 2.31, "expected_loss": 2.3026},
    }
    known = {"lr-sweep": {"sweep_range": [0.0003, 0.01]}, "check-init-loss": {"expected_loss": 2.3026}}
    for step, handoff in results.items():
        result = {"step": step, "handoff": handoff, "known": known.get(step, {})}
        (folder / "run" / step).mkdir()
        (folder / "run" / step / "result.json").write_text(json.dumps(result))
    return folder / "run"


def lightning(folder: Path) -> Path:
    rows = []
    for k in range(POINTS):
        rows += [f"{k},{10 * k + 9},{TRAIN[k]},,", f"{k},{10 * k + 9},,{ACCURACY[k]},{VAL[k]}"]
    header = "epoch,step,train_loss,val_acc,val_loss"
    return table(folder / "lightning_logs" / "version_0" / "metrics.csv", header, rows)


def huggingface(folder: Path) -> Path:
    history: list[dict[str, float]] = []
    for k in range(POINTS):
        history.append({"epoch": k + 1.0, "step": 10 * (k + 1), "loss": TRAIN[k], "learning_rate": 1e-4})
        history.append({"epoch": k + 1.0, "step": 10 * (k + 1), "eval_loss": VAL[k], "eval_accuracy": ACCURACY[k]})
    history.append({"epoch": 30.0, "step": 300, "train_loss": 99.0, "train_runtime": 12.0})
    path = folder / "output" / "checkpoint-300" / "trainer_state.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"global_step": 300, "log_history": history}, indent=1))
    return folder / "output"


def keras(folder: Path) -> Path:
    rows = [f"{k},{0.5 + k / 100},{TRAIN[k]},{ACCURACY[k]},{VAL[k]}" for k in range(POINTS)]
    return table(folder / "training.log", "epoch,accuracy,loss,val_accuracy,val_loss", rows)


def ultralytics(folder: Path) -> Path:
    rows = [
        ",".join(f"{value:>20}" for value in (k, TRAIN[k] / 2, TRAIN[k] / 2, ACCURACY[k], VAL[k] / 2, VAL[k] / 2, 0.01))
        for k in range(POINTS)
    ]
    names = [
        "epoch",
        "train/box_loss",
        "train/cls_loss",
        "metrics/mAP50-95(B)",
        "val/box_loss",
        "val/cls_loss",
        "lr/pg0",
    ]
    return table(folder / "runs" / "detect" / "train" / "results.csv", ",".join(f"{n:>20}" for n in names), rows)


def fastai(folder: Path) -> Path:
    rows = [f"{k},{TRAIN[k]},{VAL[k]},{ACCURACY[k]},00:0{k % 10}" for k in range(POINTS)]
    return table(folder / "history.csv", "epoch,train_loss,valid_loss,accuracy,time", rows)


def timm(folder: Path) -> Path:
    rows = [f"{k},{TRAIN[k]},{VAL[k]},{100 * ACCURACY[k]},{99.0},0.01" for k in range(POINTS)]
    return table(folder / "output" / "summary.csv", "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr", rows)


def openmmlab(folder: Path) -> Path:
    records: list[dict[str, object]] = []
    for k in range(POINTS):
        records.append(
            {"lr": 0.01, "data_time": 0.1, "loss": TRAIN[k], "epoch": k + 1, "iter": 50 * (k + 1), "step": 50 * (k + 1)}
        )
        records.append(
            {"accuracy/top1": 100 * ACCURACY[k], "loss": VAL[k], "data_time": 0.1, "step": k + 1, "mode": "val"}
        )
    return json_lines(folder / "work" / "vis_data" / "scalars.json", records)


def detectron2(folder: Path) -> Path:
    records: list[dict[str, object]] = []
    for k in range(POINTS):
        records.append({"iteration": 20 * k + 19, "total_loss": TRAIN[k], "loss_cls": 0.1, "lr": 0.01})
        records.append({"iteration": 20 * k + 19, "validation_loss": VAL[k], "bbox/AP": 100 * ACCURACY[k]})
    return json_lines(folder / "output" / "metrics.json", records)


def deit(folder: Path) -> Path:
    records: list[dict[str, object]] = [
        {"train_lr": 0.01, "train_loss": TRAIN[k], "test_loss": VAL[k], "test_acc1": 100 * ACCURACY[k], "epoch": k}
        for k in range(POINTS)
    ]
    return json_lines(folder / "log.txt", records)


def nanogpt(folder: Path) -> Path:
    lines = []
    for k in range(POINTS):
        lines += [f"step {250 * k}: train loss {TRAIN[k]:.4f}, val loss {VAL[k]:.4f}", "saving checkpoint to out"]
        lines += [f"iter {250 * k}: loss {TRAIN[k]:.4f}, time 32924.41ms, mfu 8.23%"]
    return table(folder / "train.out", "compiling the model... (takes a ~minute)", lines)


def text(folder: Path) -> Path:
    lines = [
        f"2023-05-15 22:50:{k:02d},398 INFO:Epoch {k + 1}/{POINTS}: Train Loss={TRAIN[k]:.5f}, Val Loss={VAL[k]:.5f}, "
        f"Val Acc: {100 * ACCURACY[k]:.2f}%"
        for k in range(POINTS)
    ]
    return table(folder / "training.log", "2023-05-15 22:50:00,000 INFO:start", lines)


def csv(folder: Path) -> Path:
    rows = [f"{k};{TRAIN[k]};{VAL[k]};{ACCURACY[k]}".replace(".", ",") for k in range(POINTS)]
    return table(folder / "log.csv", "Epoch;TrainLoss;ValLoss;ValAcc", rows)


def json_list(folder: Path) -> Path:
    path = folder / "history.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"loss": TRAIN, "val_loss": VAL, "val_accuracy": ACCURACY}))
    return path


def mlflow(folder: Path) -> Path:
    run = folder / "mlruns" / "0" / "abc"
    (run / "metrics" / "system").mkdir(parents=True)
    (run / "meta.yaml").write_text("run_name: brave-owl-1\nstatus: 3\n")
    columns = {"train_loss": TRAIN, "val_loss": VAL, "val_acc": ACCURACY, "system/gpu": VAL}
    for name, values in columns.items():
        lines = [f"17082083685{k:02d} {value} {k}" for k, value in enumerate(values)]
        (run / "metrics" / name).write_text("\n".join(lines) + "\n")
    return run


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def message(number: int, data: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def event(step: int, tag: str, value: float, tensor: bool) -> bytes:
    """A TFRecord with an Event of one scalar, written as SummaryWriter or as Keras does. Checksums are left zero."""
    if tensor:
        number = message(8, b"\x08\x01" + message(4, struct.pack("<f", value)))
    else:
        number = b"\x15" + struct.pack("<f", value)
    body = b"\x09" + struct.pack("<d", 1.7e9) + b"\x10" + varint(step)
    body += message(5, message(1, message(1, tag.encode()) + number))
    return struct.pack("<Q", len(body)) + bytes(4) + body + bytes(4)


def tensorboard(folder: Path) -> Path:
    """Keras' layout: a folder a split, the same tag in both, scalars as tensors."""
    run = folder / "logs" / "fit"
    for side, values, rates in (("train", TRAIN, ACCURACY), ("validation", VAL, ACCURACY)):
        (run / side).mkdir(parents=True)
        records = b"".join(event(k, "epoch_loss", value, tensor=True) for k, value in enumerate(values))
        records += b"".join(event(k, "epoch_accuracy", value, tensor=False) for k, value in enumerate(rates))
        (run / side / "events.out.tfevents.1700000000.host.1.0").write_bytes(records)
    return run


def wandb(folder: Path) -> Path:
    """A .wandb file: LevelDB log records that hold W&B history records."""
    run = folder / "wandb" / "run-20240101_000000-abc"
    run.mkdir(parents=True)
    data = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
    for k in range(POINTS):
        row = {
            "train/loss": TRAIN[k],
            "val/loss": VAL[k],
            "val/acc": ACCURACY[k],
            "epoch": k,
            "_step": k,
            "note": "x" * 300,
        }
        items = b"".join(
            message(1, message(1, key.encode()) + message(16, json.dumps(value).encode())) for key, value in row.items()
        )
        data = leveldb(data, message(2, items))
    (run / "run-abc.wandb").write_bytes(data)
    return run


def leveldb(data: bytes, record: bytes) -> bytes:
    """The log with one more record, in fragments where a block ends."""
    first = True
    while True:
        left = 32768 - len(data) % 32768
        if left < 7:
            data += bytes(left)
            continue
        piece, record = record[: left - 7], record[left - 7 :]
        kind = (1 if first else 4) if not record else (2 if first else 3)
        data += struct.pack("<IHB", zlib.crc32(piece), len(piece), kind) + piece
        first = False
        if not record:
            return data


def dictionaries(folder: Path) -> Path:
    """Hugging Face Trainer's output: bars and dictionaries on one line, evaluations, a summary at the end."""
    lines = []
    for k in range(POINTS):
        bar = f"{k:3d}%|##   | {k}/30 [00:01<00:09,  3.1it/s]"
        lines += [f"{bar}\r{bar}\r{'':40}\r{{'loss': {TRAIN[k]:.6f}, 'grad_norm': 1.5, 'epoch': {k + 1:.2f}}}"]
        lines += [
            f"{{'eval_loss': '{VAL[k]:.6f}', 'eval_accuracy': '{ACCURACY[k]:.6f}', 'eval_runtime': '1.2', "
            f"'epoch': '{k + 1}'}}"
        ]
    lines += ["{'train_runtime': 12.0, 'train_samples_per_second': 3.0, 'train_loss': 99.0, 'epoch': 30.0}"]
    return table(folder / "output.log", "loading weights {'a': 1}", lines)


def boosting(folder: Path) -> Path:
    lines = [
        f"[{k}]\ttrain-logloss:{TRAIN[k]:.5f}\ttrain-auc:0.5\teval-logloss:{VAL[k]:.5f}\teval-auc:{ACCURACY[k]:.5f}"
        for k in range(POINTS)
    ]
    ending = ["Stopping. Best iteration:", lines[20], ""]
    return table(folder / "output.txt", "[10:00:01] WARNING: learner.cc:767: unused", [*lines, *ending])


def keras_output(folder: Path) -> Path:
    """A bar that goes to a file: a line a state, and the epoch's last state twice."""
    lines = []
    for k in range(POINTS):
        bars = [
            "1/9 [==>...........] - ETA: 3s - loss: 9.0 - acc: 0.1",
            "9/9 [====] - 2s 9ms/step - loss: 8.0 - acc: 0.1",
        ]
        last = f"loss: {TRAIN[k]:.6f} - acc: 0.5 - val_loss: {VAL[k]:.6f} - val_acc: {ACCURACY[k]:.6f}"
        lines += [f"Epoch {k + 1}/{POINTS}", *bars, f"9/9 [====] - 2s 9ms/step - {last}"]
        lines += [f"Epoch {k + 1}: val_loss improved from inf to {VAL[k]:.4f}, saving model to best.h5"]
    return table(folder / "fit.out", "Train on 90 samples, validate on 9 samples", lines)


def tables(folder: Path) -> Path:
    rows = [f"{k:<9} {TRAIN[k]:<11.6f} {VAL[k]:<11.6f} {ACCURACY[k]:<9.6f} 00:0{k % 10}" for k in range(POINTS)]
    lines = ["epoch     train_loss  valid_loss  accuracy  time", *rows]
    return table(folder / "nohup.out", "downloading", lines)


def spacy(folder: Path) -> Path:
    rows = [f"  0       0         90.00   {1:.2f}    0.00    0.10"]
    rows += [
        f"{k // 10:3d}  {200 * (k + 1):6d}  {TRAIN[k]:12.5f}  {100 * ACCURACY[k]:6.3f}  {60:6.2f}  {0.5:6.2f}"
        for k in range(POINTS)
    ]
    head = ["E    #       LOSS NER      ENTS_F  ENTS_P  SCORE ", "---  ------  ------------  ------  ------  ------"]
    return table(folder / "train.log", "\x1b[38;5;4m\u2139 Pipeline: ['ner']\x1b[0m", [*head, *rows])


def darknet(folder: Path) -> Path:
    lines = []
    for k in range(POINTS):
        lines += [
            "Loaded: 0.000042 seconds",
            "v3 (mse loss, Normalizer: (iou: 0.75, cls: 1.00) Region 82 Avg (IOU: 0.3)",
        ]
        lines += [
            f" {k + 1}: 9.876543, {TRAIN[k]:.6f} avg loss, 0.001000 rate, 3.2 seconds, {64 * k} images, 9.1 hours left"
        ]
        lines += [f" mean average precision (mAP@0.50) = {ACCURACY[k]:.6f}, or {100 * ACCURACY[k]:.2f} % "]
    return table(folder / "darknet.log", "yolov3", lines)


def dl4j(folder: Path) -> Path:
    name = "[main] INFO org.deeplearning4j.optimize.listeners.ScoreIterationListener"
    lines = [f"06:40:{k:02d}.403 {name} - Score at iteration {100 * k} is {TRAIN[k]:.6f}" for k in range(POINTS)]
    return table(folder / "train.log", "[main] INFO - Backend used: [CUDA]", lines)


def fairseq(folder: Path) -> Path:
    lines = []
    for k in range(POINTS):
        start = "10:00:00 | INFO |"
        lines += [
            f"{start} train_inner | epoch {k + 1:03d}:    100 / 250 loss=9.5, nll_loss=8.1, num_updates={k}",
            f"{start} valid | epoch {k + 1:03d} | valid on 'valid' subset | loss {VAL[k]:.6f} | nll_loss 1.2 "
            f"| accuracy {100 * ACCURACY[k]:.4f} | wps 9 | best_loss 1.0",
            f"{start} fairseq.trainer | saved checkpoint{k}.pt (epoch {k + 1} @ 9 updates, score 7.7)",
            f"{start} train | epoch {k + 1:03d} | loss {TRAIN[k]:.6f} | nll_loss 1.1 | lr 0.0005 | loss_scale 128",
        ]
    return table(folder / "train.log", "2021-03-01 10:00:00 | INFO | fairseq.tasks.text | 40000 types", lines)


def ultralytics_output(folder: Path) -> Path:
    head = ["", "      Epoch    GPU_mem   box_loss   cls_loss  Instances       Size"]
    classes = "           Class     Images  Instances      Box(P          R      mAP50  mAP50-95): 100%|##| 4/4"
    lines = []
    for k in range(POINTS):
        bars = ((0, "9.9"), (50, "8.8"), (100, f"{TRAIN[k] / 2:.6f}"))
        states = [f" {k + 1}/{POINTS}   2.36G  {loss}  {loss}   26   640: {p}%|##| {p}/100 [00:02]" for p, loss in bars]
        measured = f"                   all        128        929      0.642      0.536   0.7   {ACCURACY[k]:.6f}"
        lines += [*head, "\r".join(states), classes, measured]
    ending = ["Validating runs/detect/train/weights/best.pt...", classes, "  all  128  929  0.1  0.1  0.1  0.1"]
    return table(folder / "nohup.out", "Transferred 355/355 items from pretrained weights", [*lines, *ending])


def notebook(folder: Path) -> Path:
    output = boosting(folder / "printed").read_text()
    (folder / "printed" / "output.txt").unlink()
    cells = [
        {"cell_type": "markdown", "source": ["epoch 1 loss 3"]},
        {
            "cell_type": "code",
            "source": "train()",
            "outputs": [{"output_type": "stream", "name": "stdout", "text": output}],
        },
    ]
    path = folder / "model.ipynb"
    path.write_text(json.dumps({"cells": cells, "nbformat": 4, "metadata": {}}, indent=1))
    return path


def markdown(folder: Path) -> Path:
    lines = boosting(folder / "printed").read_text().splitlines()
    (folder / "printed" / "output.txt").unlink()
    return table(folder / "page.md", "# My model\n\nIt overfits:\n\n```text", [*lines, "```", "", "What now?"])


def catboost(folder: Path) -> Path:
    """With an evaluation metric that is not measured on the training set."""
    path = folder / "catboost_info"
    table(path / "learn_error.tsv", "iter\tMultiClass", [f"{k}\t{TRAIN[k]}" for k in range(POINTS)])
    rows = [f"{k}\t{ACCURACY[k]}\t{VAL[k]}" for k in range(POINTS)]
    table(path / "test_error.tsv", "iter\tAccuracy\tMultiClass", rows)
    table(path / "time_left.tsv", "iter\tPassed\tRemaining", [f"{k}\t{k}\t9" for k in range(POINTS)])
    return path


def dvclive(folder: Path) -> Path:
    path = folder / "dvclive"
    for name, values in (("train/loss", TRAIN), ("val/loss", VAL), ("val/acc", ACCURACY)):
        rows = [f"{k}\t{values[k]}" for k in range(POINTS)]
        table(path / "plots" / "metrics" / f"{name}.tsv", f"step\t{name.partition('/')[2]}", rows)
    (path / "metrics.json").write_text(json.dumps({"train": {"loss": TRAIN[-1]}, "step": POINTS - 1}))
    return path


def allennlp(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(POINTS):
        epoch = {
            "best_epoch": k,
            "training_epochs": k,
            "epoch": k,
            "training_loss": TRAIN[k],
            "validation_loss": VAL[k],
            "validation_accuracy": ACCURACY[k],
            "best_validation_accuracy": 0.99,
            "best_validation_loss": 0.1,
        }
        (folder / f"metrics_epoch_{k}.json").write_text(json.dumps(epoch, indent=2))
    (folder / "metrics.json").write_text(json.dumps({"training_start_epoch": 0, "best_validation_loss": 0.1}))
    return folder


def ludwig(folder: Path) -> Path:
    path = folder / "results" / "experiment_run" / "training_statistics.json"
    path.parent.mkdir(parents=True)
    splits = {
        name: {"combined": {"loss": losses}, "mood": {"accuracy": ACCURACY, "loss": [9.0] * POINTS}}
        for name, losses in (("test", VAL[::-1]), ("training", TRAIN), ("validation", VAL))
    }
    path.write_text(json.dumps(splits, indent=4))
    return path


def flair(folder: Path) -> Path:
    """An old version's: training was not measured, which its rows say with one cell more than its header has."""
    names = "EPOCH TIMESTAMP BAD_EPOCHS LEARNING_RATE TRAIN_LOSS TRAIN_ACCURACY TRAIN_F1 DEV_LOSS DEV_ACCURACY DEV_F1"
    rows = [
        f"{k} 12:00:00 0 0.1000 {TRAIN[k]}  _ _ {VAL[k]} {ACCURACY[k]} 0.5".replace(" ", "\t") for k in range(POINTS)
    ]
    return table(folder / "loss.tsv", names.replace(" ", "\t"), rows)


def mlflow_db(folder: Path) -> Path:
    path = folder / "mlflow.db"
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE runs (run_uuid TEXT, name TEXT, lifecycle_stage TEXT)")
        connection.execute(
            "CREATE TABLE metrics (key TEXT, value FLOAT, timestamp BIGINT, run_uuid TEXT, step BIGINT, is_nan BOOLEAN)"
        )
        runs = [("a", "calm-owl-1", "active"), ("b", "c", "deleted")]
        connection.executemany("INSERT INTO runs VALUES (?, ?, ?)", runs)
        columns = {"train_loss": TRAIN, "val_loss": VAL, "val_acc": ACCURACY, "system/gpu": VAL}
        rows = [(name, values[k], 17e11 + k, k) for name, values in columns.items() for k in range(POINTS)]
        points = [(name, value, time, run, k, 0) for name, value, time, k in rows for run in "ab"]
        connection.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", points)
    return path


def trackio(folder: Path) -> Path:
    """Left as by a program that still runs: the rows are in the write-ahead log alone."""
    path = folder / "project.db"
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(folder / "live.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT, step INTEGER, metrics TEXT)"
        )
        connection.commit()
        for k in range(POINTS):
            metrics = {"train/loss": TRAIN[k], "eval": {"loss": VAL[k], "acc": ACCURACY[k]}, "note": "NaN"}
            row = (k, "", "calm-owl-1", k, json.dumps(metrics))
            connection.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", row)
        connection.commit()
        for end in ("", "-wal"):
            path.with_name(path.name + end).write_bytes((folder / f"live.db{end}").read_bytes())
    (folder / "live.db").unlink()
    return path


def wandb_csv(folder: Path) -> Path:
    """A chart exported from the site: the least and the greatest value beside each."""
    columns = {"train/loss": TRAIN, "val/loss": VAL, "val/acc": ACCURACY}
    names = [f'"calm-owl-1 - {name}{end}"' for name in columns for end in ("", "__MIN", "__MAX")]
    cells = [[k, *(values[k] for values in columns.values() for _ in range(3))] for k in range(POINTS)]
    rows = [",".join(f'"{cell}"' for cell in row) for row in cells]
    return table(folder / "wandb_export_2024-01-01.csv", ",".join(['"Step"', *names]), rows)


def tensorboard_csv(folder: Path) -> Path:
    """Charts exported from TensorBoard, a file each."""
    curves = {
        "train-tag-epoch_loss": TRAIN,
        "validation-tag-epoch_loss": VAL,
        "validation-tag-epoch_accuracy": ACCURACY,
    }
    for name, values in curves.items():
        rows = [f"17000000{k:02d}.5,{k},{values[k]}" for k in range(POINTS)]
        table(folder / "charts" / f"run-{name}.csv", "Wall time,Step,Value", rows)
    return folder / "charts"


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "tunekit": tunekit,
    "lightning": lightning,
    "huggingface": huggingface,
    "keras": keras,
    "ultralytics": ultralytics,
    "fastai": fastai,
    "timm": timm,
    "openmmlab": openmmlab,
    "detectron2": detectron2,
    "deit": deit,
    "nanogpt": nanogpt,
    "text": text,
    "csv": csv,
    "json": json_list,
    "mlflow": mlflow,
    "tensorboard": tensorboard,
    "wandb": wandb,
    "dictionaries": dictionaries,
    "boosting": boosting,
    "keras-output": keras_output,
    "tables": tables,
    "spacy": spacy,
    "darknet": darknet,
    "dl4j": dl4j,
    "fairseq": fairseq,
    "ultralytics-output": ultralytics_output,
    "notebook": notebook,
    "markdown": markdown,
    "catboost": catboost,
    "dvclive": dvclive,
    "allennlp": allennlp,
    "ludwig": ludwig,
    "flair": flair,
    "mlflow-db": mlflow_db,
    "trackio": trackio,
    "wandb-csv": wandb_csv,
    "tensorboard-csv": tensorboard_csv,
}
"""Format -> the function that writes a sample below a folder and gives the path to read."""
