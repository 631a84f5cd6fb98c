"""Predictions for files: pictures, tables, arrays and the run's own samples; and the model that is loaded by itself."""

import csv
import io
import json
import math
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from tests.training.test_ragged import CODE
from tunekit.configuration import ModelSpec
from tunekit.deployed import load_model
from tunekit.measured import Input, Package, Scaling
from tunekit.predicting import ARRAYS, TABLES, _of_sample, _read, in_short
from tunekit.store import Store
from tunekit.training.data import Batch
from tunekit.training.decisions import Form, decide
from tunekit.training.deployed import Deployed
from tunekit.training.loop import Session
from tunekit.training.models import build_model
from tunekit.training.sources.images import ENDINGS
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import UserError

RUN = "runs/points-001"


def kept(told):
    path = Path(told["weights"]).parent
    return Store(path.parent).by_name(path.name)


class TestLoaded:
    def test_it_takes_what_the_data_give_and_answers_as_the_model_in_training(self, tunekit, fast, tmp_path):
        done = tunekit("train", fast, "--epochs", "2", "--json", "--set", "model.args.batch_norm=true")
        told = json.loads(done.out)
        entry = kept(told)
        session = Session(entry.config, Workbench(tmp_path, torch.device("cpu")))
        session.load_weights(entry.best_weights())
        session.model.eval()
        val = session.splits.val
        with torch.no_grad():
            wanted = session.answer(session.model, val.batch(torch.arange(50)))
            model = load_model(tmp_path / "runs" / "fast-001")
            assert not model.training
            raw = val.stored.args[0][:50]
            assert raw.dtype == torch.uint8
            torch.testing.assert_close(model(raw), wanted)
            torch.testing.assert_close(model(raw.float()), wanted)
        assert model.classes == tuple("0123456789")

    def test_a_file_by_itself_is_enough_and_holds_the_recipe(self, tunekit, fast, tmp_path):
        tunekit("train", fast, "--epochs", "1")
        file = tmp_path / "elsewhere.safetensors"
        shutil.copy("runs/fast-001/final/model.safetensors", file)
        shutil.rmtree("runs")
        x = torch.zeros(2, 1, 8, 8)
        assert load_model(file)(x).shape == (2, 10)
        from safetensors import safe_open

        with safe_open(file, "pt") as opened:
            assert json.loads(opened.metadata()["recipe"])["name"] == "fast"

    def test_numbers_come_in_the_targets_own_units(self, tunekit, tmp_path):
        draw = np.random.default_rng(0)
        x = draw.normal(size=(300, 3)).astype(np.float32)
        np.savez(
            "data.npz", x=x, y=(1000 + 50 * x[:, 0]).astype(np.float32), x_test=x[:60], y_test=1000 + 50 * x[:60, 0]
        )
        Path("units.yaml").write_text(
            "name: units\ntask: regression\nmodel: {target: mlp, args: {hidden: [32]}}\noptimizer: {lr: 1e-2}\n"
            "data: {target: arrays, args: {path: data.npz, standardize: true, standardize_target: true}}\n"
        )
        told = json.loads(tunekit("train", "units.yaml", "--epochs", "30", "--json").out)
        said = load_model("runs/units-001")(torch.from_numpy(x[:60])).detach().numpy().ravel()
        assert np.abs(said - (1000 + 50 * x[:60, 0])).mean() < 10
        np.savez("new.npz", x=x[:5])
        done = tunekit("predict", "runs/units-001", "new.npz", "--json")
        rows = json.loads(done.out)["predictions"]
        assert [row["prediction"] for row in rows] == pytest.approx(said[:5], rel=1e-5)
        assert told["worst"][0]["true"] > 500

    @pytest.mark.parametrize(("last", "loss"), [("[]", "auto"), ("softmax", "points:of_probabilities")])
    def test_crops_are_asked_about_as_the_test_split_was(self, tunekit, tmp_path, last, loss):
        draw = np.random.default_rng(0)
        x = draw.integers(0, 256, (160, 1, 8, 8)).astype(np.uint8)
        y = np.arange(160) % 3
        x[:, 0, 2:4, 2:4] = 80 * y[:, None, None]
        np.savez("data.npz", x=x[:100], y=y[:100], x_test=x[100:], y_test=y[100:])
        shutil.copy(Path(__file__).parent / "points.py", tmp_path)
        model = "mlp" if last == "[]" else "points:pictures"
        Path("crops.yaml").write_text(
            f"name: crops\nmodel: {{target: '{model}'}}\n"
            "data: {target: arrays, args: {path: data.npz, standardize: true}, augment: [flip]}\n"
            f"train: {{test_time: five-crop}}\nloss: '{loss}'\n"
        )
        test = json.loads(tunekit("train", "crops.yaml", "--epochs", "2", "--json").out)["test"]
        asked = json.loads(tunekit("predict", "runs/crops-001", "--split", "test", "--json").out)["predictions"]
        assert sum(int(row["class"]) != true for row, true in zip(asked, y[100:], strict=True)) == test["errors"]
        np.savez("new.npz", x=x[100:])
        files = json.loads(tunekit("predict", "runs/crops-001", "new.npz", "--json").out)["predictions"]
        assert [(row["class"], row["probability"]) for row in files] == [
            (row["class"], row["probability"]) for row in asked
        ]
        loaded, true = load_model("runs/crops-001", folder=tmp_path), torch.from_numpy(y[100:])
        said = loaded(torch.from_numpy(x[100:])).detach()
        shares = said.softmax(1) if loss == "auto" else said
        assert test["loss"] == pytest.approx(-float(shares[range(60), true].log().mean()), rel=1e-5)
        loaded.views = None
        assert not torch.allclose(loaded(torch.from_numpy(x[100:])), said, atol=1e-3)

    def test_code_that_changed_since_training_is_told(self, points, tunekit, tmp_path):
        points("--epochs", "2")
        asked = ("predict", RUN, "--split", "val", "--json")
        assert not json.loads(tunekit(*asked).out)["notes"]
        code = tmp_path / "points.py"
        code.write_text(f"{code.read_text()}\n# edited\n")
        done = tunekit(*asked)
        told = "points.py changed since `tunekit train`"
        assert (done.code, json.loads(done.out)["notes"][0][: len(told)]) == (0, told)
        assert told in done.err
        with pytest.warns(UserWarning, match="points.py changed since"):
            load_model(RUN, folder=tmp_path)

    def test_what_is_no_model_is_refused_in_a_line(self, tmp_path):
        with pytest.raises(UserError, match="tunekit train"):
            load_model(tmp_path)
        (tmp_path / "x.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
        with pytest.raises(UserError, match="is no model of tunekit"):
            load_model(tmp_path / "x.safetensors")


class TestPredict:
    def test_arrays_and_tables_of_numbers_and_a_bad_file_among_them(self, points, tunekit, tmp_path):
        points("--epochs", "4")
        import points as module

        x, _ = module.clouds(7, 9)
        np.savez(tmp_path / "new.npz", x=x.numpy().astype(">f4"))
        np.savetxt(tmp_path / "new.csv", x.numpy(), delimiter=",", header="a,b", comments="")
        (tmp_path / "bad.npz").write_bytes(b"no archive")
        np.savez(tmp_path / "wide.npz", x=np.zeros((2, 5), np.float32))
        done = tunekit("predict", RUN, "new.npz", "bad.npz", "wide.npz", "gone.npz", "new.csv", "--json")
        assert done.code == 2, done.err
        told = json.loads(done.out)
        scores = load_model(RUN, folder=".")(x).detach()
        wanted = [str(k) for k in scores.argmax(1).tolist()]
        assert [row["class"] for row in told["predictions"]] == wanted * 2
        sure = scores.softmax(1).max(1).values.tolist()
        assert [row["probability"] for row in told["predictions"][:7]] == pytest.approx(sure, rel=1e-5)
        assert [[row[f"probability {k}"] for k in range(3)] for row in told["predictions"][:7]] == [
            pytest.approx(one, rel=1e-5) for one in scores.softmax(1).tolist()
        ]
        assert [row["sample"] for row in told["predictions"][:7]] == [*range(7)]
        assert [row["row"] for row in told["predictions"][7:]] == [*range(1, 8)]
        assert len(told["faults"]) == 3
        errors = done.err.strip().splitlines()
        assert len(errors) == 3
        assert all(name in line for name, line in zip(("bad", "wide", "gone"), errors, strict=True))

    def test_sound_files_end_well_as_a_table_or_a_csv(self, points, tunekit, tmp_path):
        points("--epochs", "1")
        np.save(tmp_path / "one.npy", np.zeros((3, 2), np.float32))
        done = tunekit("predict", RUN, "one.npy")
        assert done.code == 0
        assert done.out.splitlines()[0].split() == ["file", "sample", "class", "probability"]
        assert tunekit("predict", RUN, "one.npy", "--out", "said.csv").code == 0
        rows = list(csv.DictReader(io.StringIO(Path("said.csv").read_text())))
        assert [row["sample"] for row in rows] == ["0", "1", "2"]
        assert [*rows[0]] == ["file", "sample", "class", "probability", *(f"probability {k}" for k in range(3))]

    def test_the_runs_own_samples(self, points, tunekit):
        points("--epochs", "1")
        told = json.loads(tunekit("predict", RUN, "--split", "test", "--json").out)
        assert len(told["predictions"]) == 40
        done = tunekit("predict", RUN)
        assert done.code == 2
        assert "--split" in done.err

    def test_without_a_final_model_the_command_that_makes_it_is_said(self, tunekit, fast):
        tunekit("check-init-loss", fast)
        done = tunekit("predict", "runs/fast-001", "--split", "val")
        assert done.code == 2
        assert "tunekit train" in done.err

    def test_questions_of_several_labels_have_a_column_each(self, points, tunekit, tmp_path):
        points("--epochs", "5", data="points:labels", text="task: multilabel", model="{target: mlp}")
        np.save(tmp_path / "x.npy", np.array([[3.0, -3.0]], np.float32))
        [row] = json.loads(tunekit("predict", RUN, "x.npy", "--json").out)["predictions"]
        assert row["probability 0"] > 0.5 > row["probability 1"]
        assert row["class"] == "0"

    def test_pictures_of_a_folder_with_classes_by_their_names(self, tunekit, tmp_path):
        draw = np.random.default_rng(0)
        for name, colour in (("cat", (220, 40, 40)), ("dog", (40, 40, 220))):
            (tmp_path / "pets" / name).mkdir(parents=True)
            for k in range(12):
                pixels = np.clip(np.array(colour) + draw.normal(0, 10, (10, 12, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{k}.png")
        Path("pets.yaml").write_text(
            "name: pets\ndata: {target: image-folder, args: {path: pets, size: 8}}\nmodel: {target: mlp}\n"
            "batch_size: 8\noptimizer: {lr: 1e-2}\n"
        )
        told = json.loads(tunekit("train", "pets.yaml", "--epochs", "6", "--json").out)
        assert told["confusion"]["classes"] == ["cat", "dog"]
        (tmp_path / "new").mkdir()
        for k, colour in enumerate([(40, 40, 220), (220, 40, 40)]):
            Image.new("RGB", (30, 20), colour).save(tmp_path / "new" / f"{k}.png")
        (tmp_path / "new" / "9.jpg").write_bytes(b"no picture")
        done = tunekit("predict", "runs/pets-001", "new", "--json")
        found = json.loads(done.out)
        assert done.code == 2
        assert [Path(row["file"]).name for row in found["predictions"]] == ["0.png", "1.png"]
        assert [row["class"] for row in found["predictions"]] == ["dog", "cat"]
        assert len(found["faults"]) == 1
        assert "9.jpg" in found["faults"][0]

    def test_a_table_with_texts_and_gaps_is_read_as_in_training(self, tunekit, tmp_path):
        draw = np.random.default_rng(0)
        lines = ["size,colour,kind"]
        for k in range(120):
            size, answer = "" if k % 10 == 0 else round(draw.normal(), 3), ("yes", "no")[k % 2]
            lines.append(f"{size},{('red', 'blue')[k % 2]},{answer}")
        Path("table.csv").write_text("\n".join(lines) + "\n")
        Path("table.yaml").write_text(
            "name: table\ndata: {target: table, args: {path: table.csv, target: kind}}\nmodel: {target: mlp}\n"
            "batch_size: 16\noptimizer: {lr: 1e-2}\n"
        )
        assert tunekit("train", "table.yaml", "--epochs", "8").code == 0
        Path("new.csv").write_text("colour,size\nblue,0.5\nred,many\n")
        Path("other.csv").write_text("colour\nblue\n")
        done = tunekit("predict", "runs/table-001", "new.csv", "other.csv", "--json")
        found = json.loads(done.out)
        assert [row["class"] for row in found["predictions"]] == ["no", "yes"]
        assert [row["row"] for row in found["predictions"]] == [1, 2]
        assert done.code == 2
        assert "no column 'size'" in found["faults"][0]
        [note] = found["notes"]
        assert (
            note
            == "new.csv: 'size' has 1 cell that is no number, first 'many' in row 2 below the header: taken as missing"
        )
        assert f"note: {note}" in tunekit("predict", "runs/table-001", "new.csv").err

    def test_columns_of_a_datasets_file_are_read_by_their_names(self, tunekit, tmp_path):
        pytest.importorskip("datasets")
        draw = np.random.default_rng(0)
        lines = [f"{x},{draw.normal():.4f},{x > 0},{'no' if x < 0 else 'yes'}" for x in draw.normal(size=100).round(4)]
        Path("signs.csv").write_text("\n".join(["a,b,up,label", *lines]) + "\n")
        Path("signs.yaml").write_text(
            "name: signs\ntask: classification\ndata: {target: 'datasets:csv', args: {path: signs.csv}}\n"
            "model: {target: mlp}\nbatch_size: 16\noptimizer: {lr: 1e-2}\n"
        )
        assert tunekit("train", "signs.yaml", "--epochs", "8").code == 0
        rows = [line.split(",") for line in lines]
        Path("turned.csv").write_text("\n".join(["note,up,b,a", *(f"x,{up},{b},{a}" for a, b, up, _ in rows)]) + "\n")
        Path("other.csv").write_text("foo,b,up\n1,2,True\n")
        done = tunekit("predict", "runs/signs-001", "signs.csv", "turned.csv", "other.csv", "--json")
        found = json.loads(done.out)
        same, turned = found["predictions"][:100], found["predictions"][100:]
        assert [row["probability"] for row in same] == [row["probability"] for row in turned]
        assert np.mean([row["class"] == label for row, (*_, label) in zip(same, rows, strict=True)]) > 0.9
        assert done.code == 2
        assert [fault.partition(",")[0] for fault in found["faults"]] == ["other.csv has no column 'a'"]


def test_what_no_reader_takes_is_told_with_all_that_they_take(points, tunekit):
    points("--epochs", "1")
    Path("notes.docx").write_text("words")
    [fault] = json.loads(tunekit("predict", RUN, "notes.docx", "--json").out)["faults"]
    named = fault.rpartition("by its name: ")[2]
    assert sorted(re.findall(r"\.\w+", named)) == sorted((*ENDINGS, *TABLES, *ARRAYS))
    for ending in (*TABLES, *ARRAYS):
        Path(f"new{ending}").write_bytes(b"")
        [fault] = json.loads(tunekit("predict", RUN, f"new{ending}", "--json").out)["faults"]
        assert "by its name" not in fault


@pytest.mark.parametrize("name", ["gone", "gone.csv", "gone.npz", "gone.png", "no/where"])
def test_a_file_that_is_not_there_is_told_as_such(name):
    package = Package("mlp", {}, 2, 0, (Input("", (2,), "float32"),), "classes", "arrays")
    with pytest.raises(UserError, match=f"^{re.escape(name)}: there is no such file$"):
        _read(Path(name), package)


def _row(outputs, answers, classes, axis=1):
    package = Package("mlp", {}, 2, 0, (), answers, "arrays", classes=tuple(classes))
    return _of_sample(Deployed(nn.Identity(), package, None, None), decide(outputs, Form(answers, axis)), 0)


def test_each_class_has_a_column_whatever_it_is_called():
    row = _row(torch.tensor([[0.0, math.log(3.0), -math.inf]]), "classes", ["", "class", "file"])
    assert row == {
        "class": "class",
        "probability": pytest.approx(0.75),
        "probability ": pytest.approx(0.25),
        "probability class": pytest.approx(0.75),
        "probability file": 0.0,
    }
    assert in_short([row]) == [{"class": "class", "probability": row["probability"]}]


@pytest.mark.parametrize(("score", "said"), [(-math.log(3.0), "no"), (math.log(3.0), "yes")])
def test_a_decision_has_the_probability_of_either_answer(score, said):
    row = _row(torch.tensor([[score]]), "decision", ["no", "yes"])
    yes = 0.75 if said == "yes" else 0.25
    assert row == {
        "class": said,
        "probability": pytest.approx(0.75),
        "probability no": pytest.approx(1 - yes),
        "probability yes": pytest.approx(yes),
    }


def test_of_many_classes_and_of_many_places_the_chosen_alone_is_told():
    assert [*_row(torch.zeros(1, 21), "classes", map(str, range(21)))] == ["class", "probability"]
    assert [*_row(torch.zeros(1, 3, 4), "classes", "abc")] == ["class", "probability"]
    assert len(_row(torch.zeros(1, 20), "classes", map(str, range(20)))) == 22


def test_a_file_alone_runs_no_code_unless_its_folder_is_given(tmp_path):
    package = Package("os:mkdir", {"path": str(tmp_path / "made")}, 2, 0, (), "classes", "points:data")
    save_file({"w": torch.zeros(1)}, tmp_path / "model.safetensors", {"tunekit": json.dumps(package.to_json())})
    with pytest.raises(UserError, match="os:mkdir is code of its own, which loading runs: if you trust it, name the"):
        load_model(tmp_path / "model.safetensors")
    assert not (tmp_path / "made").exists()


def test_a_run_runs_no_code_either_and_its_folder_is_told(points, tmp_path):
    points("--epochs", "1")
    (tmp_path / "points.py").write_text("raise SystemExit('run')\n")
    told = rf"code of its own.*load_model\(\.\.\., folder='{re.escape(str(tmp_path))}'\)"
    for path in (RUN, f"{RUN}/final/model.safetensors"):
        with pytest.raises(UserError, match=told):
            load_model(path)


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_numbers_that_float32_does_not_hold_go_in_and_come_out_in_double_precision(tmp_path, dtype):
    file = tmp_path / "model.safetensors"
    ms = 1_700_000_000_000 + torch.arange(50)
    scaling = Scaling((1,), (float(ms[0] + 25),), (1 / 15,))
    given = (Input("", (1,), str(dtype).partition(".")[2]),)
    package = Package("mlp", {"hidden": []}, 1, 0, given, "values", "arrays", normalize=scaling, units=scaling)
    network = build_model(
        ModelSpec("mlp", package.args), tmp_path, Batch((torch.zeros(2, 1),), {}, torch.zeros(2)), 1, 0
    )
    same = {name: torch.full_like(value, float(value.dim() > 1)) for name, value in network.state_dict().items()}
    save_file(same, file, {"tunekit": json.dumps(package.to_json())})
    answers = load_model(file)(ms[:, None].to(dtype))
    assert answers.flatten().tolist() == pytest.approx(ms.tolist(), abs=1e-3)


@pytest.mark.parametrize("name", ["float99", "nn", "__name__", ""])
@pytest.mark.parametrize("given", ["", "mask"])
def test_a_type_of_numbers_that_torch_lacks_is_one_line(tmp_path, name, given):
    file = tmp_path / "model.safetensors"
    package = Package("mlp", {}, 2, 0, (Input(given, (3,), name),), "classes", "digits")
    save_file({"w": torch.zeros(1)}, file, {"tunekit": json.dumps(package.to_json())})
    with pytest.raises(UserError) as caught:
        load_model(file)
    said = f"torch has no type {name!r}, which {given or 'an input'} is said to have; the file is damaged"
    assert str(caught.value) == f"{file}: {said}"


@pytest.mark.parametrize(("shape", "scaling"), [((-3,), None), ((3,), Scaling((2, 2), (0.0,), (1.0,)))])
def test_shapes_that_are_none_are_one_line(tmp_path, shape, scaling):
    file = tmp_path / "model.safetensors"
    package = Package("mlp", {}, 2, 0, (Input("", shape, "float32"),), "classes", "digits", normalize=scaling)
    network = build_model(ModelSpec("mlp"), tmp_path, Batch((torch.zeros(2, 3),), {}, torch.zeros(2)), 2, 0)
    save_file(network.state_dict(), file, {"tunekit": json.dumps(package.to_json())})
    with pytest.raises(UserError, match=r"^[^\n]*the file is damaged$"):
        load_model(file)


def test_weights_of_a_type_that_torch_lacks_are_one_line(tmp_path):
    file = tmp_path / "model.safetensors"
    for kind, size in (("F99", 4), ("F6_E2M3", 3)):
        header = json.dumps({"w": {"dtype": kind, "shape": [4], "data_offsets": [0, size]}}).encode()
        file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
        with pytest.raises(UserError, match=r"^[^\n]*is no model of tunekit, or is damaged[^\n]*$"):
            load_model(file)


@pytest.mark.parametrize("marker", [-100, 0])
def test_padding_of_a_split_is_no_answer(tunekit, tmp_path, marker):
    Path("ragged_tagger.py").write_text(CODE)
    Path("r.yaml").write_text(
        f"name: tagger\ndata: {{target: 'ragged_tagger:data', args: {{marker: {marker}}}}}\n"
        f"loss: {{target: cross_entropy, args: {{ignore_index: {marker}}}}}\n"
        "model: {target: 'ragged_tagger:Tagger'}\n"
        "optimizer: {target: adam, lr: 0.01}\nbatch_size: 32\n"
    )
    assert tunekit("train", "r.yaml", "--epochs", "1").code == 0
    rows = json.loads(tunekit("predict", "runs/tagger-001", "--split", "val", "--json").out)["predictions"]
    said = [len(row["class"].split()) for row in rows]
    assert said[:7] == [3, 4, 5, 6, 7, 8, 9]
    assert len(said) == 70
    assert max(said) < 40
