"""Files made to cost a reader the square of their size, in every format. Used by the tests beside it; no test here."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from log_samples import event, message

SIZE = 8_000_000

Shape = Callable[[int], bytes]
Shapes = dict[str, Shape]
"""Name -> what gives about so many bytes."""


def repeat(piece: str | bytes, ending: str | bytes = b"", start: str | bytes = b"") -> Callable[[int], bytes]:
    """The piece over and over between a start and an ending."""
    first, again, last = (part.encode() if isinstance(part, str) else part for part in (start, piece, ending))
    return lambda size: first + again * max(1, (size - len(first) - len(last)) // len(again)) + last


def counted(
    row: Callable[[int], str | bytes], start: str = "", width: int = 16, ending: str = ""
) -> Callable[[int], bytes]:
    """Rows made of their number, of `width` bytes or so, between a start and an ending."""

    def made(size: int) -> bytes:
        rows = (row(k) for k in range(size // width))
        return (
            start.encode()
            + b"".join(item.encode() if isinstance(item, str) else item for item in rows)
            + ending.encode()
        )

    return made


def lines_of(piece: str, ending: str = "", start: str = "", length: int = 3990) -> Callable[[int], bytes]:
    """Lines just short enough to be looked at, each a repetition."""
    line = start + piece * ((length - len(start) - len(ending)) // len(piece)) + ending + "\n"
    return repeat(line)


ANY_TEXT: Shapes = {
    "one line of letters": repeat("a"),
    "one line of words": repeat("loss "),
    "line ends": repeat("\n", start="x"),
    "carriage returns": repeat("\r", start="x"),
    "states of a bar": repeat("loss 1\r"),
    "escapes that are not ended": repeat("\x1b]"),
    "escapes that are begun": repeat("\x1b[", start="x\n" * 40_000),
    "opening brackets": repeat("["),
    "opening braces": repeat('{"a":'),
    "zeros behind the beginning": repeat(b"\0", start="epoch 1 loss 1\n" * 6000),
    "digits": repeat("1"),
}

TEXT: Shapes = ANY_TEXT | {
    "pieces": lines_of("a_", "x"),
    "snake case": lines_of("some_word/", " x"),
    "short words": lines_of("a "),
    "blanks": lines_of(" ", "x", "loss"),
    "digits of a number": lines_of("1", "/", "loss "),
    "digits of a step": lines_of("1", "%", "step "),
    "digits, points": lines_of("1.", "x", "loss "),
    "pairs": lines_of("loss:1 "),
    "means": lines_of("loss 1 (1) "),
    "bars": lines_of("1%|"),
    "equals signs": lines_of("[=", "x"),
    "epochs": lines_of("epoch "),
    "not numbers": lines_of("loss nan "),
    "fractions": lines_of("1/"),
    "capitals": lines_of("aA", " loss 1"),
    "losses": repeat("loss 1\n"),
    "epochs of a loss": counted(lambda k: f"epoch {k} loss 1\n"),
    "names": counted(lambda k: f"v{k}_loss 1\n"),
}

NANOGPT: Shapes = ANY_TEXT | {
    "digits of an estimate": repeat("1", "x\n", "step 1: train loss "),
    "digits of a step": repeat("1", "x\n", "step "),
    "digits of a build": repeat("1", "x\n", "1 val "),
    "steps that fall": counted(lambda k: f"iter {9999999 - k}: loss 1\n", width=22),
    "steps": counted(lambda k: f"iter {k}: loss 1\n", width=19),
}


def tables(header: str) -> Shapes:
    """Tables below a header, whose first columns are an epoch and a loss."""
    count = header.count(",") + 1
    head = header + "\n"
    first = head + ",".join("1" * count) + "\n"
    rest = ",1" * (count - 2)
    wide = header + "".join(f",c{k}" for k in range(2500)) + "\n"
    return {
        "line ends": repeat("\n", start=first),
        "carriage returns": repeat("\r", start=first),
        "commas": repeat(",", start=first),
        "commas and line ends": repeat(",\n", start=first),
        "one line of digits": repeat("1", start=first),
        "short rows of many columns": repeat("a,b\n", start=wide + "1,1,1,1,1," * 500 + "1\n"),
        "rows of many columns": repeat(",".join("1" * (count + 2500)) + "\n", start=wide),
        "quotation marks": repeat('"', start=first),
        "quoted rows": repeat('"1","1"\n', start=first),
        "open quotation marks": repeat('"1,\n', start=first),
        "the header again": repeat(head, start=first),
        "brackets": repeat("[", start=first + "1,"),
        "brackets in rows": repeat("1,[[[[[[[[[[[[[[[[\n", start=first),
        "nothing but nan": repeat(",".join(["nan"] * count) + "\n", start=first),
        "huge numbers": repeat("1e308,-1e308" + rest + "\n", start=first),
        "epochs that go back now and then": counted(lambda k: f"{k // 5 + 2 * (k % 5)},1{rest}\n", first, 14),
        "epochs that begin anew": counted(lambda k: f"{k % 6},1{rest}\n", first, 6),
        "words": repeat("x,y" + rest + "\n", start=first),
        "zeros behind the beginning": repeat(b"\0", start=first + ("1,1" + rest + "\n") * 20_000),
    }


def objects(first: str) -> Shapes:
    """JSON lines behind a first record that is of the format."""
    head = first + "\n"
    return {
        "empty objects": repeat("{}\n", start=head),
        "numbers": repeat("1\n", start=head),
        "opening braces": repeat('{"a":', start=head),
        "opening brackets": repeat("[", start=head),
        "deep lines": repeat("[" * 3000 + "\n", start=head),
        "deep objects": repeat('{"a":' * 500 + "1" + "}" * 500 + "\n", start=head),
        "line ends": repeat("\n", start=head),
        "losses": repeat('{"loss":1}\n', start=head),
        "names": counted(lambda k: f'{{"a{k}":1}}\n', head, 14),
        "names of one object": lambda size: (
            head.encode() + json.dumps({f"a{k}": 1 for k in range(size // 14)}).encode()
        ),
        "names in a long name": lambda size: (
            head + json.dumps({"a" * (size // 2): {str(k): 1 for k in range(size // 26)}})
        ).encode(),
        "a long name": repeat("a", '":1}\n', head + '{"loss'),
        "epochs": counted(lambda k: f'{{"mode":"train","epoch":{k},"iter":{k},"loss":1}}\n', head, 50),
        "digits": repeat('{"loss":' + "1" * 4000 + "}\n", start=head),
        "escapes": repeat("\\u0000", '":1}\n', head + '{"'),
        "numbers as words": repeat('{"epoch":"1e400","loss":"nan"}\n', start=head),
        "zeros behind the beginning": repeat(b"\0", start=head * 3000),
    }


def _lists(size: int) -> bytes:
    """Many keys beside one long list."""
    keys = {f"k{k}_loss": [1] for k in range(5000)}
    return json.dumps(keys | {"loss": [1] * (size // 3)}).encode()


JSON: Shapes = objects('{"loss": 1, "epoch": 1}') | {
    "keys beside a list": _lists,
    "short lists": lambda size: json.dumps({"loss": [1, 1], **{f"k{k}": [1] for k in range(size // 14)}}).encode(),
    "a list of objects": repeat('{"loss":1},', "{}]", "["),
    "a list of lists": repeat("[],", "[]]", "["),
    "a list of numbers": repeat("1,", "1]}", '{"loss":['),
    "history in history": repeat('{"history":', "1"),
    "opening brackets alone": repeat("["),
}

HUGGINGFACE: Shapes = {
    "entries": repeat('{"loss":1},', "{}]}", '{"log_history":['),
    "empty entries": repeat("{},", "{}]}", '{"log_history":['),
    "deep": repeat("[", start='{"log_history":['),
    "deep objects": repeat('{"a":' * 500 + "1" + "}" * 500 + ",", "{}]}", '{"log_history":['),
    "names": counted(lambda k: f'{{"a{k}":1}},', '{"log_history":[', 14, "{}]}"),
    "zeros": repeat(b"\0"),
    "steps": counted(lambda k: f'{{"step":{k},"loss":1}},', '{"log_history":[', 26, "{}]}"),
}
MLFLOW: Shapes = ANY_TEXT | {
    "values": counted(lambda k: f"1700000000000 1 {k}\n", width=24),
    "values of one step": repeat("1 1 0\n"),
    "words of one line": repeat("1 "),
    "torn lines": repeat("x y z\n"),
    "huge steps": repeat("1 1 1e308\n"),
}


def framed(body: bytes) -> bytes:
    return struct.pack("<Q", len(body)) + bytes(4) + body + bytes(4)


def nested(depth: int, piece: bytes) -> Callable[[int], bytes]:
    """Fields in fields: an event's summary's value's tensor."""

    def made(size: int) -> bytes:
        body = piece * (size // len(piece))
        for number in (5, 1, 8)[:depth][::-1]:
            body = message(number, body)
        return framed(body)

    return made


TENSORBOARD: Shapes = {
    "zeros": repeat(b"\0"),
    "records of a byte": repeat(framed(b"\0")),
    "records of an empty field": repeat(framed(b"\x2a\0")),
    "a length that lies": repeat(struct.pack("<Q", 1 << 63) + bytes(4)),
    "lengths that lie": repeat(b"\xff"),
    "tags": counted(lambda k: event(1, f"a{k}", 1.0, tensor=False), width=52),
    "points": counted(lambda k: event(k, "loss", 1.0, tensor=False), width=50),
    "steps that fall": counted(lambda k: event(1 << 40 - k % 40, "loss", 1.0, tensor=False), width=50),
    **{f"empty fields {depth} deep": nested(depth, b"\x0a\0") for depth in range(4)},
    "a long tag": lambda size: event(1, "a" * size, 1.0, tensor=False),
    "tags of one value": lambda size: framed(message(5, message(1, message(1, b"a" * 100) * (size // 102)))),
}


def fragments(kind: int, piece: bytes) -> Callable[[int], bytes]:
    """A .wandb file of fragments of one type."""
    fragment = struct.pack("<IHB", 0, len(piece), kind) + piece
    block = fragment * (32768 // len(fragment))

    def made(size: int) -> bytes:
        start = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
        rest = fragment * ((32768 - 7) // len(fragment))
        return (start + rest).ljust(32768, b"\0") + block.ljust(32768, b"\0") * (size // 32768)

    return made


def item(key: bytes, value: bytes) -> bytes:
    return message(1, message(1, key) + message(16, value))


def _rows(row: bytes, start: int = 1, end: int = 4) -> Callable[[int], bytes]:
    """One record of so many bytes, in a first, middle and last fragments."""

    def made(size: int) -> bytes:
        data, first = bytearray(b":W&B" + struct.pack("<HB", 0xBEE1, 0)), True
        rest = memoryview(message(2, row * (size // len(row))))
        while rest:
            room = 32768 - len(data) % 32768 - 7
            if room < 0:
                data += bytes(room + 7)
                continue
            kind = start if first and len(rest) <= room else 2 if first else end if len(rest) <= room else 3
            data += struct.pack("<IHB", 0, min(room, len(rest)), kind) + rest[:room]
            rest, first = rest[room:], False
        return bytes(data)

    return made


WANDB: Shapes = {
    "zeros": repeat(b"\0", start=b":W&B\xe1\xbe\0"),
    "empty records": fragments(1, b""),
    "empty middles": fragments(3, b""),
    "middles": fragments(3, b"x"),
    "lengths that lie": repeat(b"\xff", start=b":W&B\xe1\xbe\0"),
    "losses": fragments(1, message(2, item(b"loss", b"1"))),
    "deep values": fragments(1, message(2, item(b"loss", b"[" * 2000))),
    "long numbers": fragments(1, message(2, item(b"loss", b"1" * 4000))),
    "items of one row": _rows(item(b"loss", b"1")),
    "empty items of one row": _rows(b"\x0a\0"),
    "fields of one item": lambda size: _rows(message(1, b"\x12\0" * (size // 2 - 5)))(size),
    "rows of a record": fragments(1, message(2, b"") * 2000),
}

PRINTED: Shapes = ANY_TEXT | {
    "braces and quotation marks": repeat("{'"),
    "open dictionaries": lines_of("{'loss': 1, ", start="{'epoch': 1, 'loss': 1}\n"),
    "dictionaries": repeat("{'epoch': 1, 'loss': 1}"),
    "keys": lines_of("'a", "}", "{'"),
    "digits of a value": repeat("1", "x}\n", "{'epoch': 1, 'loss': 1}\n" * 3 + "{'loss': "),
    "rounds": counted(lambda k: f"[{k}]\ttrain-rmse:1\teval-rmse:1\n", width=38),
    "brackets of a round": lines_of("[1] ", "x"),
    "names of sets": lines_of("a-", "x", "[1]\ttrain-rmse:1\n[2]\t"),
    "names of one round": lambda size: (
        ("[1]\t" + "\t".join(f"s{k}-a:1" for k in range(size // 10)) + "\n").encode() * 2
    ),
    "blanks in a set": lines_of(" ", "'s l2: x", "[1]\ta"),
    "epochs of bars": counted(lambda k: f"Epoch {k}/9\n9/9 [=] - 1s - loss: 1\n", width=38),
    "states of a bar of Keras": lambda size: b"Epoch 1/9\n" + b"1/9 [=] - ETA: 1s - loss: 1\r" * (size // 29),
    "names of a state": lines_of(" - a: 1", "x", "Epoch 1/9\n9/9 [=] - 1s - loss: 1"),
    "places": lines_of("1/", "x", "Epoch 1/9\n"),
    "headers": repeat("epoch  loss\n"),
    "other headers": counted(lambda k: f"epoch  loss  v{'abcdefghij'[k % 10]}{k % 97}\n1 2 3\n", width=24),
    "rows": counted(lambda k: f"{k}  1\n", "epoch  loss\n", 8),
    "rows of spaCy": counted(lambda k: f"0  {k}  1  1\n", "E  #  LOSS NER  ENTS_F\n", 14),
    "bars of a table": repeat("|"),
    "blanks of a table": repeat(" ", start="epoch  loss\n"),
    "iterations of Darknet": counted(lambda k: f"{k}: 1, 1 avg loss, 1 rate,\n", width=32),
    "digits of Darknet": lines_of("1", " rate,", "1: "),
    "epochs of fairseq": counted(lambda k: f"| epoch {k} | loss 1 | ppl 1\n", width=28),
    "parts of fairseq": lines_of("loss 1 | ", "x", "| epoch 1 | "),
    "states of fairseq": repeat("| epoch 1:   1 / 9 loss=1,\r"),
    "epochs of YOLO": counted(lambda k: f"{k}/9 1G 1 1\n", "Epoch GPU_mem box_loss cls_loss\n", 16),
    "words of YOLO": lines_of("1 ", "x", "Epoch GPU_mem box_loss cls_loss\n1/9 1G "),
    "scores": counted(lambda k: f"Score at iteration {k} is 1\n", width=32),
}

NOTEBOOKS: Shapes = {
    "empty cells": repeat("{},", "{}]}", '{"cells":['),
    "numbers for cells": repeat("1,", "1]}", '{"cells":['),
    "outputs": repeat("{},", "{}]}]}", '{"cells":[{"outputs":['),
    "deep": repeat("[", start='{"cells":'),
    "cells of a line": repeat('{"outputs":[{"text":"loss 1"}]},', "{}]}", '{"cells":['),
    "lines of one cell": repeat('"loss 1\\n",', '""]}]}]}', '{"cells":[{"outputs":[{"text":['),
    "cells of a table": repeat("<td>", '"}}]}]}', '{"cells":[{"outputs":[{"data":{"text/html":"<table><tr>'),
    "rows of a table": repeat("<tr><td>1", '"}}]}]}', '{"cells":[{"outputs":[{"data":{"text/html":"<table>'),
    "tags that are not ended": repeat("<t", '"}}]}]}', '{"cells":[{"outputs":[{"data":{"text/html":"'),
    "attributes": repeat("a=", '"}}]}]}', '{"cells":[{"outputs":[{"data":{"text/html":"<td '),
    "comments": repeat("<!--", '"}}]}]}', '{"cells":[{"outputs":[{"data":{"text/html":"<td>'),
    "entities": repeat("&#", '"}}]}]}', '{"cells":[{"outputs":[{"data":{"text/html":"<td>'),
    "zeros": repeat(b"\0"),
}

PAGES: Shapes = ANY_TEXT | {
    "fences": repeat("```\n"),
    "blocks": repeat("```\nepoch 1 loss 1\n```\n"),
    "quoted lines": repeat("> loss 1\n"),
    "quotation marks": lines_of("> ", "x"),
    "indented lines and others": repeat("    epoch 1 loss 1\nx\n"),
    "one block": repeat("epoch 1 loss 1\n", start="```\n"),
}


def tabbed(header: str, shape: Shape) -> Shape:
    return lambda size: header.encode() + shape(size).replace(b",", b"\t")


def pieces(header: str) -> Shapes:
    """Tables of one metric over its step."""
    head = header + "\n"
    return {
        "rows": counted(lambda k: f"{k}\t1\n", head, 9),
        "steps that go back": counted(lambda k: f"{-k}\t1\n", head, 10),
        "tabs": repeat("\t", start=head),
        "line ends": repeat("\n", start=head + "1\t1\n"),
        "blanks": repeat(" ", start=head + "1\t1\n"),
        "brackets": repeat("[", start=head + "1\t"),
        "the header again": repeat(head, start=head + "1\t1\n"),
        "zeros behind the beginning": repeat(b"\0", start=head + "1\t1\n" * 20_000),
    }


FLAIR = "EPOCH\tTIMESTAMP\tBAD_EPOCHS\tLEARNING_RATE\tTRAIN_LOSS\tDEV_LOSS"

DOCUMENT: Shapes = {
    "opening brackets": repeat("[", start='{"training": {"a": {"loss": '),
    "short lists": lambda size: json.dumps({"training": {f"f{k}": {"loss": [1]} for k in range(size // 24)}}).encode(),
    "measures": lambda size: json.dumps({"training": {"f": {f"m{k}": [1] for k in range(size // 14)}}}).encode(),
    "splits": lambda size: json.dumps({f"train_{k}": {"f": {"loss": [1]}} for k in range(size // 40)}).encode(),
    "a list of numbers": repeat("1,", "1]}}}", '{"training": {"f": {"loss": ['),
    "one digit": repeat("1", start='{"training": {"f": {"loss": ['),
}


def database(*statements: str) -> Callable[[int], bytes]:
    """An SQLite file that such statements make; `?` is the size."""

    def made(size: int) -> bytes:
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            for statement in statements:
                connection.execute(statement, (size,) if "?" in statement else ())
            connection.commit()
            return bytes(connection.serialize())

    return made


_COUNT = "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < ? / {width}) "


def databases(table: str, row: str, width: int) -> Shapes:
    long = row.replace("1.0", "zeroblob(?)")
    many = f"{_COUNT.format(width=width)} INSERT INTO metrics SELECT {row} FROM n"
    return {
        "rows": database(table, many),
        "a row of many kinds": database(table, many.replace("1.0", "CASE k % 3 WHEN 0 THEN x'00' WHEN 1 THEN 'a' END")),
        "one long cell": database(table, f"INSERT INTO metrics SELECT {long} FROM (SELECT 1 AS k)"),
        "damaged pages": lambda size: database(table, many)(size)[:-4096].replace(b"\r\0", b"\xff\xff"),
        "zeros": repeat(b"\0", start="SQLite format 3\0"),
    }


MLFLOW_DB = databases(
    "CREATE TABLE metrics (run_uuid, key, value, step, timestamp, is_nan)",
    "k % 99, 'loss' || k % 99, 1.0, k, k, 0",
    40,
)
TRACKIO = databases(
    "CREATE TABLE metrics (id INTEGER PRIMARY KEY, run_name, step, metrics)",
    """k, k % 99, k, '{"loss":' || 1.0 || '}'""",
    40,
)

TUNEKIT_HEADER = "iteration,epoch,lr,train_loss,train_accuracy,val_loss,val_accuracy"

FILES: dict[str, tuple[str, Shapes]] = {
    "tunekit": ("metrics.csv", tables(TUNEKIT_HEADER)),
    "lightning": ("metrics.csv", tables("epoch,step,train_loss,val_loss")),
    "huggingface": ("trainer_state.json", HUGGINGFACE),
    "keras": ("training.log", tables("epoch,loss,val_loss")),
    "ultralytics": ("results.csv", tables("epoch,train/box_loss,val/box_loss,metrics/mAP50(B)")),
    "fastai": ("history.csv", tables("epoch,train_loss,valid_loss")),
    "timm": ("summary.csv", tables("epoch,train_loss,eval_loss")),
    "openmmlab": ("scalars.json", objects('{"data_time": 0.1, "loss": 1, "epoch": 1, "iter": 1, "step": 1}')),
    "detectron2": ("metrics.json", objects('{"iteration": 1, "total_loss": 1}')),
    "deit": ("log.txt", objects('{"train_lr": 1, "train_loss": 1, "epoch": 1}')),
    "nanogpt": ("train.out", NANOGPT),
    "text": ("train.log", TEXT),
    "csv": ("log.csv", tables("epoch,train_loss") | {"blanks": repeat(" ", start="epoch loss\n1 1\n")}),
    "json": ("log.json", JSON),
    "mlflow": ("run/metrics/loss", MLFLOW),
    "tensorboard": ("events.out.tfevents.1.host", TENSORBOARD),
    "wandb": ("run.wandb", WANDB),
    "notebook": ("a.ipynb", NOTEBOOKS),
    "markdown": ("a.md", PAGES),
    **dict.fromkeys(("dictionaries", "boosting", "keras-output", "tables", "spacy"), ("a.out", PRINTED)),
    **dict.fromkeys(("darknet", "dl4j", "fairseq", "ultralytics-output"), ("a.out", PRINTED)),
    "catboost": ("catboost_info/learn_error.tsv", pieces("iter\tLogloss")),
    "dvclive": ("plots/metrics/loss.tsv", pieces("step\tloss")),
    "allennlp": ("metrics_epoch_0.json", objects('{"training_loss": 1}')),
    "ludwig": ("training_statistics.json", DOCUMENT),
    "flair": ("loss.tsv", {name: tabbed(FLAIR + "\n", shape) for name, shape in tables("0,1,2,3,4,5").items()}),
    "mlflow-db": ("mlflow.db", MLFLOW_DB),
    "trackio": ("project.db", TRACKIO),
    "wandb-csv": ("export.csv", tables("Step,a - loss,a - loss__MIN,a - loss__MAX")),
    "tensorboard-csv": ("loss.csv", tables("Wall time,Step,Value")),
}
"""Reader -> the name of its file and what may stand in it."""


def written(reader: str, folder: Path, names: set[str] | None = None, size: int = SIZE) -> Iterator[tuple[str, Path]]:
    """Each of a reader's files, one after the other in the same place."""
    file, shapes = FILES[reader]
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if reader == "mlflow":
        (path.parent.parent / "meta.yaml").write_text("run_name: run\n")
    for name, made in shapes.items():
        if names is None or name in names:
            path.write_bytes(made(size))
            yield name, path
