"""Output of training programs as each prints it: the right numbers, the right clock. Used by the tests beside it."""

# ruff: noqa: E501, PERF401 - lines are as long as they are printed

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

EPOCHS = 12
TRAIN = [round(0.3 + 2.0 * math.exp(-0.4 * k), 4) for k in range(EPOCHS)]
VAL = [round(0.5 + 1.7 * math.exp(-0.4 * k), 4) for k in range(EPOCHS)]
ACCURACY = [round(0.9 - 0.7 * math.exp(-0.4 * k), 4) for k in range(EPOCHS)]
NOISE = (0.9, 1.1, 1.0)
"""Factors of an epoch's loss that three of its batches have: their mean is the epoch's."""


def imagenet_example() -> list[str]:
    lines = ["=> creating model 'resnet18'"]
    for k in range(EPOCHS):
        for batch, factor in zip((0, 100, 200), NOISE, strict=True):
            lines.append(
                f"Epoch: [{k}][{batch:4d}/201]\tTime  0.312 ( 0.541)\tData  0.001 ( 0.101)\t"
                f"Loss {TRAIN[k] * factor:.4e} ({TRAIN[k]:.4e})\tAcc@1  10.94 ( {100 * ACCURACY[k]:.2f})"
            )
        for batch in (1, 20, 39):
            lines.append(
                f"Test: [{batch:3d}/40]\tTime  0.203 ( 0.512)\tLoss {VAL[k] * 1.2:.4e} ({VAL[k]:.4e})\t"
                f"Acc@1  50.00 ( {100 * ACCURACY[k]:.2f})"
            )
        lines.append(f" *   Acc@1 {100 * ACCURACY[k]:.3f} Acc@5 99.000")
    return lines


def mnist_example() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines += [
            f"Train Epoch: {k + 1} [{640 * batch}/60000 ({batch}%)]\tLoss: {TRAIN[k] * factor:.6f}"
            for batch, factor in enumerate(NOISE)
        ]
        lines += ["", f"Test set: Average loss: {VAL[k]:.4f}, Accuracy: 9834/10000 ({100 * ACCURACY[k]:.0f}%)", ""]
    return lines


def timm() -> list[str]:
    lines = ["Namespace(aa=None, batch_size=128, lr=0.1, epochs=300, val_split='validation', resume='')"]
    for k in range(EPOCHS):
        lines += [
            f"Train: {k} [{50 * batch:4d}/101 ({batch:3d}%)]  Loss: {TRAIN[k] * factor:.3f} ({TRAIN[k]:.4f})  "
            "Time: 5.213s,   49.11/s  (1.211s,  211.30/s)  LR: 1.000e-06  Data: 4.012 (4.012)"
            for batch, factor in enumerate(NOISE)
        ]
        lines += [
            f"Test: [{batch:4d}/39]  Time: 3.3 (3.3)  Loss:  {VAL[k] * 1.1:.4f} ({VAL[k]:.4f})  Acc@1:  1.0 (1.0)"
            for batch in (0, 39)
        ]
    return [*lines, "*** Best metric: 81.2 (epoch 9)"]


def mxnet() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines += [
            f"INFO:root:Epoch[{k}] Batch [20]\tSpeed: 1021.12 samples/sec\tcross-entropy={TRAIN[k] * 1.3:.6f}",
            f"INFO:root:Epoch[{k}] Train-cross-entropy={TRAIN[k]:.6f}",
            f"INFO:root:Epoch[{k}] Time cost=26.012",
            f"INFO:root:Epoch[{k}] Validation-cross-entropy={VAL[k]:.6f}",
        ]
    return lines


def detection_model_garden() -> list[str]:
    """TF2 object detection: every message by two handlers, one entry of the dictionary a line."""
    lines = []
    for k in range(EPOCHS):
        entries = [
            f"{{'Loss/classification_loss': {TRAIN[k] / 2:.6f},",
            f" 'Loss/localization_loss': {TRAIN[k] / 4:.6f},",
            f" 'Loss/regularization_loss': {TRAIN[k] / 4:.6f},",
            f" 'Loss/total_loss': {TRAIN[k]:.6f},",
            " 'learning_rate': 0.0399}",
        ]
        for prefix in ("INFO:tensorflow:", "I0214 10:00:00.123456 1234 model_lib_v2.py:708] "):
            lines += [f"{prefix}Step {100 * (k + 1)} per-step time 0.512s", prefix + entries[0], *entries[1:]]
    return lines


def megatron() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        step = 100 * (k + 1)
        lines += [
            f" iteration {step:8d}/   50000 | consumed samples: {256 * step} | elapsed time per iteration (ms): 612.3 | "
            f"learning rate: 1.500E-04 | global batch size:   256 | lm loss: {TRAIN[k]:.6E} | loss scale: 4096.0 | "
            "grad norm: 1.016 | number of skipped iterations:   0 |",
            "-" * 80,
            f" validation loss at iteration {step} | lm loss value: {VAL[k]:.6E} | lm loss PPL: {math.exp(VAL[k]):.6E} | ",
        ]
    return lines


def mmdetection() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines += [
            f"2021-12-07 15:57:38,000 - mmdet - INFO - Epoch [{k + 1}][{50 * batch}/150]\tlr: 9.890e-04, eta: 1 day, "
            f"0:00:00, time: 0.512, data_time: 0.051, memory: 3000, loss_cls: {TRAIN[k] * factor / 2:.4f}, acc: 90.0, "
            f"loss_bbox: {TRAIN[k] * factor / 2:.4f}, loss: {TRAIN[k] * factor:.4f}, grad_norm: 5.1"
            for batch, factor in zip((1, 2, 3), NOISE, strict=True)
        ]
        lines.append(
            f"2021-12-07 15:57:38,000 - mmdet - INFO - Epoch(val) [{k + 1}][5000]\tbbox_mAP: {ACCURACY[k]:.4f}"
        )
    return lines


def detectron2() -> list[str]:
    return [
        f"[01/01 00:00:00 d2.utils.events]:  eta: 0:10:00  iter: {20 * k + 19}  loss_cls: {TRAIN[k] / 2:.4f}  "
        f"loss_box_reg: {TRAIN[k] / 2:.4f}  total_loss: {TRAIN[k]:.4f}  time: 0.4012  data_time: 0.0112  lr: 0.00025"
        for k in range(EPOCHS)
    ]


def paddle() -> list[str]:
    lines = [
        "2022-04-12 17:05:16,552 - INFO - use_gpu: True, use_xpu: False, train_batch_size: 1024, epochs: 20, iter: 500"
    ]
    for k in range(EPOCHS):
        lines += [
            f"2022-04-12 17:06:10,849 - INFO - epoch: {k}, batch_id: {500 * batch}, AUC:{ACCURACY[k]:.6f}, "
            f"loss:{TRAIN[k] * factor:.6f}, avg_reader_cost: 0.00058 sec, avg_batch_cost: 0.00205 sec, ips: 1000.7 ins/s"
            for batch, factor in enumerate(NOISE)
        ]
        lines.append(
            f"2022-04-12 17:16:10 - INFO - epoch: {k} done, AUC:{ACCURACY[k]:.6f}, loss:{TRAIN[k]:.6f}, epoch time: 69.56 s"
        )
    for k in range(EPOCHS - 3, EPOCHS):
        lines.append(f"2022-04-12 23:23:44,559 - INFO - epoch: {k} done, AUC: {ACCURACY[k]:.6f}, epoch time: 69.56 s")
    return lines


def keras_bars(glyphs: str = "[==============================]", last: bool = False) -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines.append(f"Epoch {k + 1}/{EPOCHS}")
        states = [f"{100 * n}/300 {glyphs} - 1s 5ms/step - loss: {TRAIN[k] * f:.4f}" for n, f in ((1, 1.2), (2, 1.1))]
        end = f"300/300 {glyphs} - 2s 5ms/step - loss: {TRAIN[k]:.4f} - acc: 0.5000 - val_loss: {VAL[k]:.4f} - val_acc: 0.2"
        lines.append("\r".join([*states, end] if not last else [end]))
        lines.append(
            f"Epoch {k + 1:05d}: val_loss improved from {VAL[max(k - 1, 0)]:.5f} to {VAL[k]:.5f}, saving model to a.h5"
        )
    return lines


def lightning_bar() -> list[str]:
    """The validation loss of the epoch before stands in every state of the bar."""
    lines = []
    for k in range(EPOCHS):
        stale = f", val_loss={VAL[k - 1]:.4f}" if k else ""
        states = [
            f"Epoch {k}: {n:3d}%|##   | {n}/100 [00:0{n % 10}<00:09, 40.00it/s, v_num=0, train_loss={TRAIN[k]:.4f}{stale}]"
            for n in (10, 50, 100)
        ]
        states += ["Validation DataLoader 0:  50%|##   | 5/10 [00:00<00:00, 90.00it/s]"]
        states += [
            f"Epoch {k}: 100%|#####| 100/100 [00:10<00:00, 9.00it/s, v_num=0, train_loss={TRAIN[k]:.4f}, val_loss={VAL[k]:.4f}]"
        ]
        lines.append("\r".join(states))
    return lines


def one_bar() -> list[str]:
    states = [
        f"steps: {100 * (k + 1) // EPOCHS:3d}%|###  | {k + 1}/{EPOCHS} [00:01<03:20,  1.62it/s, avr_loss={TRAIN[k]:.4f}]"
        for k in range(EPOCHS)
    ]
    return ["\r".join(states)]


def bar_of_epochs() -> list[str]:
    return [
        "\r".join(
            f"{100 * (k + 1) // EPOCHS:3d}%|###  | {k + 1}/{EPOCHS} [00:01<03:20,  1.62it/s, train_loss={TRAIN[k]:.4f}, "
            f"val_loss={VAL[k]:.4f}]"
            for k in range(EPOCHS)
        )
    ]


def printed_behind_a_bar() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        states = [f" {n}%|#    | {n}/100 [00:01<00:09, 40.00it/s]" for n in (10, 50)]
        end = f"100%|#####| 100/100 [00:02<00:00, 40.00it/s]epoch {k:3d} | train_loss: {TRAIN[k]:.5f} | val_loss: {VAL[k]:.5f}"
        lines += ["\r".join(["", *states, end])]
    return lines


def fairseq() -> list[str]:
    lines = [
        "2021-01-01 10:00:00 | INFO | fairseq_cli.train | Namespace(lr=[0.1], eval_bleu=True, max_epoch=30, clip_norm=0.0)"
    ]
    for k in range(EPOCHS):
        at = f"2021-01-01 10:00:00 | INFO | {{}} | epoch {k + 1:03d}"
        lines += [
            at.format("train_inner")
            + f":    {100 * n} / 300 loss={TRAIN[k] * f:.3f}, nll_loss=9.8, ppl=891.4, wps=3000, "
            f"num_updates={300 * k + 100 * n}, lr=1e-05, gnorm=2.1, loss_scale=128, train_wall=30"
            for n, f in zip((1, 2, 3), NOISE, strict=True)
        ]
        lines += [
            at.format("valid")
            + f" | valid on 'valid' subset | loss {VAL[k]:.4f} | nll_loss 8.5 | ppl 371.1 | wps 1.2 | "
            f"num_updates {300 * (k + 1)} | best_loss {min(VAL[: k + 1]):.4f}",
            at.format("train")
            + f" | loss {TRAIN[k]:.4f} | nll_loss 9.9 | ppl 900 | num_updates {300 * (k + 1)} | lr 0.0001 | "
            "loss_scale 64 | train_wall 300",
        ]
    return lines


def opennmt() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines += [
            f"[2024-05-08 04:06:17,722 INFO] Step {50 * (k + 1)}/100000; acc:  {100 * ACCURACY[k]:.2f}; ppl: "
            f"{math.exp(TRAIN[k]):.2f}; xent: {TRAIN[k]:.4f}; lr: 1.00000; 11270/8704 tok/s;      4 sec",
            f"[2024-05-08 04:06:28,463 INFO] Validation perplexity: {math.exp(VAL[k]):.6f}",
            f"[2024-05-08 04:06:28,463 INFO] Validation accuracy: {100 * ACCURACY[k]:.3f}",
        ]
    return lines


def dl4j() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines.append(
            f"06:38:16.402 [main] INFO o.d.o.l.ScoreIterationListener - Score at iteration {100 * k} is {TRAIN[k]}"
        )
        lines += (
            ["16:29:53.140 [main] INFO o.d.o.l.EvaluativeListener - Reporting evaluation results:"]
            if k % 4 == 3
            else []
        )
        lines += (
            ["", "=====Evaluation Metrics=====", " # of classes:    5", f" Accuracy:        {ACCURACY[k]}"]
            if k % 4 == 3
            else []
        )
    return lines


def caffe() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines += [
            f"I0815 20:41:26.8 5212 solver.cpp:330] Iteration {100 * k}, Testing net (#0)",
            f"I0815 20:41:26.8 5212 solver.cpp:397]     Test net output #0: accuracy = {ACCURACY[k]}",
            f"I0815 20:41:26.8 5212 solver.cpp:397]     Test net output #1: loss = {VAL[k]} (* 1 = {VAL[k]} loss)",
            f"I0815 20:41:26.8 5212 solver.cpp:218] Iteration {100 * k} (0.2 iter/s, 4.1s/100 iters), loss = {TRAIN[k]}",
            f"I0815 20:41:26.8 5212 solver.cpp:237]     Train net output #0: loss = {TRAIN[k]} (* 1 = {TRAIN[k]} loss)",
            f"I0815 20:41:26.8 5212 sgd_solver.cpp:105] Iteration {100 * k}, lr = 0.01",
        ]
    return lines


def darknet() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines += [
            "Region 82 Avg IOU: 0.251, Class: 0.512, Obj: 0.201, No Obj: 0.512, .5R: 0.000, .75R: 0.000, count: 3",
            "",
            f" {k + 1}: {TRAIN[k] * 1.1:.6f}, {TRAIN[k]:.6f} avg loss, 0.000010 rate, 3.1 seconds, 64 images, 5.2 hours left",
        ]
    return lines


def ultralytics() -> list[str]:
    lines = [
        "engine/trainer: task=detect, mode=train, model=yolov8n.pt, data=a.yaml, epochs=12, val=True, box=7.5, cls=0.5, dfl=1.5",
        "                   from  n    params  module                                       arguments",
        "  0                  -1  1       464  ultralytics.nn.modules.conv.Conv             [3, 16, 3, 2]",
    ]
    for k in range(EPOCHS):
        lines += ["", "      Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size"]
        lines.append(
            "\r".join(
                f"       {k + 1}/{EPOCHS}      2.66G     {TRAIN[k] * f / 2:.4f}     {TRAIN[k] * f / 4:.4f}     {TRAIN[k] * f / 4:.4f}"
                f"         52        640: {n:3d}%|##   | {n}/100 [00:12<00:00,  5.12it/s]"
                for n, f in ((10, 1.2), (50, 1.1), (100, 1.0))
            )
        )
        lines += [
            "                 Class     Images  Instances      Box(P          R      mAP50  mAP50-95): 100%|##| 4/4 [00:01<00:00]",
            f"                   all        128        929      0.640      0.537      {ACCURACY[k]:.4f}      0.446",
        ]
    return lines


def fastai() -> list[str]:
    lines = ["epoch     train_loss  valid_loss  accuracy  time    "]
    for k in range(EPOCHS):
        lines.append(f"{k}         {TRAIN[k]:.6f}    {VAL[k]:.6f}    {ACCURACY[k]:.6f}  00:10     ")
        lines.append("Better model found at epoch 0 with valid_loss value: 0.5.") if k == 3 else None
    return ["learning rate finder done", *lines]


def skorch() -> list[str]:
    head = [
        "Re-initializing module.",
        "  epoch    train_loss    valid_acc    valid_loss     dur",
        "-------  ------------  -----------  ------------  ------",
    ]
    rows = [
        f"      {k + 1}        \x1b[36m{TRAIN[k]:.4f}\x1b[0m       \x1b[32m{ACCURACY[k]:.4f}\x1b[0m        \x1b[35m{VAL[k]:.4f}\x1b[0m  0.0290"
        for k in range(EPOCHS)
    ]
    return [*head, *rows]


def headings() -> list[str]:
    lines = [
        "do_train: True",
        "do_eval: True",
        "eval_strategy: epoch",
        "loss: CrossEntropy",
        "label_smoothing: 0.1",
        "iter: 1000",
    ]
    for k in range(EPOCHS):
        lines += [f"Epoch {k + 1}/{EPOCHS}", "-" * 10, "Training:", f"  Loss: {TRAIN[k]}  Acc: 0.5", "Validation:"]
        lines += [f"  Loss: {VAL[k]}  Acc: {ACCURACY[k]}", f"Epoch {k + 1} completed in 30.2s"]
    return lines


def named_afterwards() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines += [f"train loss: {TRAIN[k]}", f"val loss: {VAL[k]}", f"Epoch {k + 1} finished"]
    return lines


def transfer_tutorial() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines += [
            f"Epoch {k}/{EPOCHS - 1}",
            "----------",
            f"train Loss: {TRAIN[k]} Acc: 0.5",
            f"val Loss: {VAL[k]} Acc: 0.4",
            "",
        ]
    return [*lines, "Training complete in 1m 10s", "Best val Acc: 0.954248"]


def bare_splits() -> list[str]:
    return [f"epoch {k} train {TRAIN[k]} val {VAL[k]} acc {ACCURACY[k]} (2.9s)" for k in range(EPOCHS)]


def gluon() -> list[str]:
    return [
        f"[Epoch {k}] train={ACCURACY[k]:.6f} val={ACCURACY[k]:.6f} loss: {TRAIN[k]:.6f} time: 26.012345"
        for k in range(EPOCHS)
    ]


def steps_and_evaluations() -> list[str]:
    lines = ["Running evaluation every 100 steps", "Evaluating on 5000 images"]
    for k in range(EPOCHS):
        lines += [
            f"step {100 * (k + 1)}: loss {TRAIN[k]}, lr 0.001, time 0.3 s, loss weight 10.0",
            "Running evaluation...",
        ]
        lines += [f"[{n}/3] loss: {VAL[k] * f:.6f}" for n, f in zip((1, 2, 3), NOISE, strict=True)] + [
            "Saving checkpoint 3"
        ]
    return lines


def estimator() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines += [
            f"INFO:tensorflow:loss = {TRAIN[k]}, step = {100 * k + 1} (0.512 sec)",
            "INFO:tensorflow:global_step/sec: 120.5",
            f"INFO:tensorflow:Saving dict for global step {100 * k + 100}: accuracy = {ACCURACY[k]}, average_loss = 0.1, "
            f"global_step = {100 * k + 100}, loss = {VAL[k]}",
        ]
    return lines


def lightgbm() -> list[str]:
    rows = [
        f"[{k + 1}]\ttraining's binary_logloss: {TRAIN[k]}\tvalid_1's binary_logloss: {VAL[k]}" for k in range(EPOCHS)
    ]
    return [
        "[LightGBM] [Info] Number of positive: 100, number of negative: 200",
        *rows,
        "Early stopping, best iteration is:",
        rows[-1],
    ]


def two_bars(named: bool = True) -> list[str]:
    lines = []
    for k in range(EPOCHS):
        epoch = f"Epoch {k + 1}/{EPOCHS} " if named else ""
        lines += [
            f"{epoch}[Train]: {n}%|## | {n}/100 [00:01<00:02, 10.0it/s, loss={TRAIN[k]:.4f}]" for n in (10, 50, 100)
        ]
        lines += [f"{epoch}[Val]: {10 * n}%|## | {n}/10 [00:01<00:02, 10.0it/s, loss={VAL[k]:.4f}]" for n in (5, 10)]
    return lines


def two_bars_without_epochs() -> list[str]:
    return two_bars(named=False)


def espnet() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        at = f"[host] 2021-01-01 10:00:00,123 (trainer:732) INFO: {k + 1}epoch"
        lines += [
            f"{at}:train:{100 * n - 99}-{100 * n}batch: iter_time=0.1, loss_ctc=50.1, acc=0.512, loss={TRAIN[k] * f:.4f}, "
            "optim0_lr0=1.0e-04, train_time=2.1"
            for n, f in zip((1, 2, 3), NOISE, strict=True)
        ]
        lines.append(
            f"{at} results: [train] iter_time=0.1, loss_ctc=50.1, loss={TRAIN[k]:.4f}, time=10 minutes and 5.2 seconds, "
            f"[valid] loss_ctc=40.1, acc=0.6, wer=0.5, loss={VAL[k]:.4f}, time=20 seconds, total_count=30"
        )
    return lines


def coqui() -> list[str]:
    """Differences to the evaluation before stand where others print means."""
    lines = []
    for k in range(EPOCHS):
        lines += [f" > EPOCH: {k}/{EPOCHS}", " > TRAINING (2022-01-01 10:00:00) "]
        for n in (0, 25, 49):
            lines += [
                f"   --> STEP: {n}/50 -- GLOBAL_STEP: {50 * k + n}",
                f"     | > loss: {TRAIN[k]:.4f}  ({TRAIN[k]:.4f})",
            ]
            lines += ["     | > step_time: 0.5012  (0.512)"]
        lines += [" > EVALUATION ", "   --> STEP: 0", f"     | > loss: {VAL[k] * 1.1:.4f}  ({VAL[k] * 1.1:.4f})"]
        lines += ["  --> EVAL PERFORMANCE", f"     | > avg_loss: {VAL[k]:.4f} (-0.1)"]
    return lines


def word_language_model() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines += [
            f"| epoch {k + 1:3d} | {1000 * n:5d}/ 3000 batches | lr 20.00 | ms/batch 10.12 | loss {TRAIN[k] * f:.4f} | ppl 300.12"
            for n, f in zip((1, 2, 3), NOISE, strict=True)
        ]
        lines += [
            "-" * 89,
            f"| end of epoch {k + 1:3d} | time: 40.12s | valid loss {VAL[k]:.4f} | valid ppl 150.12",
            "-" * 89,
        ]
    return [*lines, "=" * 89, "| End of training | test loss  2.30 | test ppl 10.12"]


def quickstart(named: bool = True) -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines += [f"Epoch {k + 1}", "-------------------------------"] if named else []
        lines += [f"loss: {TRAIN[k] * f:.6f}  [{n:>5d}/60000]" for n, f in zip((64, 6464, 12864), NOISE, strict=True)]
        lines += ["Test Error: ", f" Accuracy: {100 * ACCURACY[k]:.1f}%, Avg loss: {VAL[k]:.6f} ", ""]
    return lines


def quickstart_without_epochs() -> list[str]:
    return quickstart(named=False)


def batches_and_summary() -> list[str]:
    lines = []
    for k in range(EPOCHS):
        lines += [f"Epoch {k + 1}, Batch {n}, Loss: {TRAIN[k] * f:.4f}" for n, f in zip((1, 2, 3), NOISE, strict=True)]
        lines += [f"Epoch {k + 1} - Train Loss: {TRAIN[k]:.4f}, Val Loss: {VAL[k]:.4f}, Val Acc: 0.6"]
    return lines


def cifar_tutorial() -> list[str]:
    return [
        f"[{k + 1}, {2000 * n:5d}] loss: {TRAIN[k] * f:.3f}"
        for k in range(EPOCHS)
        for n, f in zip((1, 2, 3), NOISE, strict=True)
    ]


def appended() -> list[str]:
    return [*transfer_tutorial(), *transfer_tutorial()]


Sample = Callable[[], Sequence[str]]
BOTH: dict[str, Sample] = {
    sample.__name__: sample
    for sample in (
        imagenet_example, mnist_example, timm, mxnet, megatron, keras_bars, lightning_bar, bar_of_epochs, printed_behind_a_bar,
        fairseq, opennmt, caffe, fastai, skorch, headings, named_afterwards, transfer_tutorial, bare_splits,
        steps_and_evaluations, estimator, lightgbm, two_bars, two_bars_without_epochs, espnet, coqui, word_language_model,
        quickstart, quickstart_without_epochs, batches_and_summary,
    )
}  # fmt: skip
TRAINING_ALONE: dict[str, Sample] = {
    sample.__name__: sample
    for sample in (
        detection_model_garden,
        mmdetection,
        detectron2,
        paddle,
        one_bar,
        dl4j,
        darknet,
        ultralytics,
        gluon,
        cifar_tutorial,
    )
}
BATCHES = {
    "imagenet_example",
    "mnist_example",
    "timm",
    "mmdetection",
    "word_language_model",
    "quickstart",
    "quickstart_without_epochs",
    "cifar_tutorial",
    "coqui",
}
"""Programs that print batches alone: three an epoch."""
