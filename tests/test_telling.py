"""What a person is told in one line: an exception with their own file and line, a remedy as a command to paste."""

import json
import shlex
import subprocess

import pytest
import torch
import yaml

from tunekit.cli import app
from tunekit.diagnosis.verdicts import verdicts
from tunekit.layout import RECIPE
from tunekit.pipeline import schema
from tunekit.rundir import OWN_KEYS
from tunekit.telling import CALLING, command, is_persons, pasted, raised, refused, spelled, visible
from tunekit.training.data import Batch
from tunekit.vocabulary import Remedy


def caught(function, *args):
    with pytest.raises(Exception) as error:
        function(*args)
    return error.value


def code_of(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    names = {}
    exec(compile(text, str(path), "exec"), names)
    return names


class TestRaised:
    def test_the_innermost_line_of_the_persons_own_code_is_named(self, tmp_path):
        names = code_of(
            tmp_path / "net.py", "import json\n\ndef f(x):\n    return g(x)\ndef g(x): return json.loads(x)\n"
        )
        assert raised(caught(names["f"], "{")).endswith("(net.py, line 5)")

    @pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
    def test_installed_code_is_not_the_persons(self, tmp_path, folder):
        names = code_of(tmp_path / folder / "lib.py", "def f(): raise ValueError('deep')\n")
        mine = code_of(tmp_path / "mine.py", "def f(g):\n    g()\n")
        assert raised(caught(mine["f"], names["f"])) == "ValueError: deep (mine.py, line 2)"

    def test_a_persons_folder_may_be_called_as_we_are(self, tmp_path):
        names = code_of(tmp_path / "tunekit" / "net.py", "def f(): raise ValueError('mine')\n")
        assert raised(caught(names["f"])) == "ValueError: mine (net.py, line 1)"

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (ValueError("first\nsecond"), "ValueError: first"),
            (ValueError(), "ValueError"),
            (ValueError("a" * 100_000), f"ValueError: {'a' * 500}…"),
            (SyntaxError("bad", ("/home/a/net.py", 3, 1, "x")), "SyntaxError: bad (net.py, line 3)"),
        ],
    )
    def test_one_line_and_the_type_alone_where_there_is_no_more(self, error, text):
        assert raised(error).startswith(text)
        assert "\n" not in raised(error)

    def test_what_a_reader_of_torchs_raised_is_told_and_not_that_it_was_caught(self):
        trace = (
            "Caught KeyError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
            '  File "/x/site-packages/torch/utils/data/_utils/worker.py", line 309, in _worker_loop\n'
            "  File \"/home/a/sets.py\", line 12, in __getitem__\nKeyError: 'y'\n"
        )
        assert raised(RuntimeError(trace)) == "KeyError: 'y' (sets.py, line 12)"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: dict.fromkeys(), "fromkeys expected at least 1 argument, got 0"),
        (lambda: (lambda a: a)(b=1), "got an unexpected keyword argument 'b'"),
        (lambda: int("x (y) z"), "invalid literal for int() with base 10: 'x (y) z'"),
        (lambda: 1 % 0, "integer modulo by zero"),
    ],
)
def test_a_refusal_is_told_whole_and_without_the_name_of_the_function(call, text):
    assert refused(caught(call)) == text


def test_a_refusal_without_a_word_is_told_by_its_type():
    assert refused(ValueError()) == "ValueError"


@pytest.mark.parametrize("file", ["<string>", json.__file__, pytest.__file__, raised.__code__.co_filename])
def test_what_is_pythons_installed_or_ours_is_nobodys(file):
    assert not is_persons(file)


@pytest.mark.parametrize(
    ("remedy", "run", "words"),
    [
        (Remedy("lr-sweep"), "runs/r", "tunekit lr-sweep runs/r"),
        (Remedy("train"), "my runs/r", "tunekit train 'my runs/r'"),
        (
            Remedy("coarse-grid", {"steps.coarse-grid.lr_factors": [0.1, 1.0]}),
            "runs/r",
            "tunekit coarse-grid runs/r --set 'steps.coarse-grid.lr_factors=[0.1,1.0]'",
        ),
        # A run takes no other keys: what changes them is another run of its recipe, beside it.
        (Remedy("run", {"ema": 0.999}), "runs/r", "tunekit run runs/r/recipe.yaml --set ema=0.999"),
        (
            Remedy("fine-run", {"optimizer.lr": 3e-5, "steps.fine-run.top": 2}),
            "/data/all/r",
            "tunekit run /data/all/r/recipe.yaml --runs-dir /data/all "
            "--set optimizer.lr=3e-5 --set steps.fine-run.top=2",
        ),
        (Remedy("inspect"), "runs/r", "tunekit inspect runs/r/recipe.yaml"),
    ],
)
def test_a_remedy_is_a_command_that_can_be_pasted(remedy, run, words):
    assert command(remedy, run, OWN_KEYS, RECIPE) == words
    assert shlex.join(shlex.split(words)) == words


@pytest.mark.parametrize(
    "value",
    [
        3e-5,
        0.1,
        1.0,
        0.0123456,
        400.0,
        7,
        True,
        None,
        [0.5, 2],
        "adam",
        "1e-3",
        "null",
        "true",
        "a: b",
        "x # y",
        "m:Net",
        ["on"],
    ],
)
def test_what_is_spelled_for_set_is_read_back_as_it_was(value):
    from tunekit.recipe.text import parse_yaml

    assert parse_yaml(spelled(value), "")[0] == value
    assert "\n" not in spelled(value)


def test_the_remedies_of_every_verdict_name_commands_and_keys_that_there_are():
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    recipe = schema()(name="r", data={"target": "digits"}, model={"target": "mlp"})
    static = [
        remedy for verdict in verdicts().values() if not callable(verdict.remedies) for remedy in verdict.remedies
    ]
    assert len(static) > 8
    for remedy in static:
        assert remedy.command in commands
        assert recipe.with_values({key: yaml.safe_load(spelled(value)) for key, value in remedy.set.items()})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, größer, 漢字, ☃", "plain, größer, 漢字, ☃"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\u202egnp.exe", "\\u202egnp.exe"),  # read from right to left
        ("\udcff", "\\udcff"),  # a byte of a file name that is no UTF-8
        ("a\u00a0b", "a\u00a0b"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "with blank",
        "a\x1b[31mb",
        "two\nlines",
        "bell\x07",
        "\u202eevil",
        "it's\x07",
        "back\\slash\x01",
        "\udcff",
        "$x\t`y`",
    ],
)
def test_a_word_that_is_told_is_read_back_by_a_shell(name):
    told = visible(pasted("printf", "%s", name))
    done = subprocess.run(["bash", "-c", told], capture_output=True, env={"LC_ALL": "C.UTF-8"})
    assert done.stdout.decode(errors="surrogateescape") == name


def test_a_path_that_begins_with_a_dash_is_no_option():
    assert command(Remedy("lr-sweep"), "-r", OWN_KEYS, RECIPE) == "tunekit lr-sweep ./-r"


def test_an_index_that_points_at_nothing_is_told_with_what_the_data_give(tmp_path):
    source = tmp_path / "net.py"
    code = compile("import torch\nnn = torch.nn.Embedding(5, 2)\ndef look(x): return nn(x)\n", str(source), "exec")
    source.write_text("")
    held = {}
    exec(code, held)
    batch = Batch((torch.tensor([[1, 7]]),), {}, None)
    error = caught(held["look"], *batch.args)
    error.add_note(f"{CALLING} with what the data give: {batch.told}")
    told = raised(error)
    assert "num_embeddings must be more than the largest" in told
    assert told.endswith("[1, 2] of 1 to 7")
