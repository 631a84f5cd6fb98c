import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from tunekit.cli import app
from tunekit.pipeline import read_recipe as load
from tunekit.pipeline import schema
from tunekit.recipe import as_yaml
from tunekit.recipe.faults import ELSEWHERE
from tunekit.recipe.faults import _paths as keys
from tunekit.recipe.schema import check
from tunekit.recipe.text import ALIASES, SHORT
from tunekit.steps.coarse_grid.plan import moves_rate
from tunekit.vocabulary import UNKNOWN, Facts, UserError

GOOD = "name: digits\ndata: digits\nmodel: mlp\n"
SMALL = {"name": "r", "data": {"target": "digits"}, "model": {"target": "mlp"}}


@pytest.fixture
def write(tmp_path):
    def write(text, name="r.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def faults_of(path, *overrides):
    with pytest.raises(UserError) as caught:
        load(path, overrides)
    return str(caught.value).replace(f"{path}, ", "").splitlines()


def test_a_recipe_of_the_least_has_defaults_for_the_rest(write):
    loaded = load(write("name: r\ndata: {target: digits}\nmodel: {target: mlp}\n"))
    recipe = loaded.recipe
    assert (recipe.task, recipe.loss.target, recipe.metric.target, recipe.batch_size) == (
        "classification",
        "auto",
        "auto",
        64,
    )
    assert (recipe.optimizer.target, recipe.optimizer.lr, recipe.optimizer.weight_decay) == ("adam", 1e-3, 0.0)
    assert recipe.schedule.name == "auto"
    sweep, grid = recipe.settings("lr-sweep"), recipe.settings("coarse-grid")
    assert (sweep.low, sweep.high) == (None, None)  # what is usual
    assert grid.lr_factors == (0.5, 1.0, 2.0)
    assert grid.weight_decays is None  # the optimizer's own
    assert loaded.folder == loaded.path.parent.resolve()


@pytest.mark.parametrize(
    ("key", "name", "inner"),
    [
        ("data", "digits", "target"),
        ("model", "mlp", "target"),
        ("loss", "focal", "target"),
        ("metric", "max my:callable", "target"),
        ("optimizer", "adamw", "target"),
        ("optimizer", "prodigy", "target"),
        ("schedule", "cosine", "name"),
    ],
)
def test_a_name_alone_is_what_is_built_of_it(key, name, inner):
    short, long = ({**SMALL, key: value} for value in (name, {inner: name}))
    assert schema().model_validate(short) == schema().model_validate(long)
    assert schema().model_validate(short).as_dict() == schema().model_validate(long).as_dict()


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("warmup", "schedule.args.warmup"),
        ("momentum", "optimizer.args.momentum"),
        ("droput", "model.args.dropout"),
        ("lr", "optimizer.lr"),
        ("val_fraction", "data.val_fraction"),
        ("patience", "train.patience"),
        ("grad_clip", "clip_grad_norm"),
        ("batchsize", "batch_size"),
        ("nothing_like_it", None),
    ],
)
def test_a_key_that_stands_elsewhere_or_is_written_alike_is_named(write, key, near):
    known = f" (did you mean {near!r}?)" if near else ""
    assert faults_of(write(f"{HEAD}{key}: 1\n")) == [f"line 4: unknown key {key!r}{known}"]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("num_workers", "it is no key but an option: --readers of `tunekit run`"),
        ("learning_rate", "did you mean 'optimizer.lr'?"),
        ("num_epochs", "did you mean 'train.epochs'?"),
        ("epochs", "did you mean 'train.epochs'?"),
        ("scheduler", "did you mean 'schedule'?"),
        ("lr-scheduler", "did you mean 'schedule'?"),
        ("GPU", "did you mean 'device'?"),
    ],
)
def test_words_of_other_frameworks_are_known(write, key, told):
    assert faults_of(write(HEAD), f"{key}=1") == [f"--set: unknown key {key!r} ({told})"]


def test_what_they_mean_is_there():
    """Keys of a recipe, arguments that a recipe has a short name for, or options of a run; none is a key itself."""
    known = {*keys(schema()), *SHORT.values(), "optimizer.args.betas"}
    options = {option for one in get_command(app).commands["run"].params for option in one.opts}
    assert set(ELSEWHERE) <= known | options
    words = [word for line in ELSEWHERE.values() for word in line.split()]
    assert len(words) == len(set(words))
    assert not set(words) & ({path.rpartition(".")[2] for path in known} | set(SHORT) | set(ALIASES))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "steps: {coarse-grid: {sampler: gird}}",
            "one of grid, random, tpe, not the text 'gird' (did you mean 'grid'?)",
        ),
        (
            "train: {test_time: five_crop}",
            "one of single, five-crop, not the text 'five_crop' (did you mean 'five-crop'?)",
        ),
        ("precision: 16", "precision: one of auto, fp32, bf16, not 16"),
        ("steps: {coarse-grid: {weight_decays: 0.1}}", "weight_decays must be a list, such as [0.1], not 0.1"),
        ("steps: {overfit-tiny: {rates: []}}", "steps.overfit-tiny.rates must hold a value or more"),
        ("device: gpu", "device: auto, cpu, mps, cuda or one of several, such as cuda:1, not 'gpu'"),
        ("schedule: no", "schedule: no schedule 'no'; one of auto"),
        ("ema: off", "ema must be a number, not the text 'off'"),
    ],
)
def test_a_value_that_none_knows_is_told_with_those_that_are_known(write, line, told):
    [fault] = faults_of(write(f"{HEAD}{line}\n"))
    assert told in fault


def test_short_forms_and_auto_mean_their_long_forms():
    recipe = schema().model_validate({**SMALL, "loss": "focal", "schedule": "cosine", "threads": "auto"})
    assert recipe.loss.target == "focal"
    assert recipe.schedule.name == "cosine"
    assert recipe.threads is None


def test_all_faults_are_told_at_once_with_line_key_and_nearest_key(write):
    path = write(
        "name: ../escape\n"
        "task: clasification\n"
        "data:\n"
        "  target: digits\n"
        "  val_fracton: 0.3\n"
        "model: {target: mlp}\n"
        "optimiser: {lr: 1}\n"
        "optimizer:\n"
        "  lr: fast\n"
        "batch_size: 2.5\n"
        "steps:\n"
        "  lr-sweep:\n"
        "    iteration: 5\n"
        "seed: -1\n"
        "search: {batch_size: 3}\n"
    )
    faults = faults_of(path)
    allowed = "name may hold letters, digits, '.', '_' and '-' and begins with a letter or digit"
    assert set(faults) == {
        f"line 1: {allowed}, not '../escape'",
        "line 2: unknown task 'clasification' (did you mean 'classification'?); one of classification, binary, "
        "multilabel, regression or module:Class",
        "line 5: unknown key 'data.val_fracton' (did you mean 'val_fraction'?)",
        "line 7: unknown key 'optimiser' (did you mean 'optimizer'?)",
        "line 9: optimizer.lr must be a number, not the text 'fast'",
        "line 10: batch_size must be a whole number, not 2.5",
        "line 13: unknown key 'steps.lr-sweep.iteration' (did you mean 'iterations'?)",
        "line 14: seed: input should be greater than or equal to 0, not -1",
        "line 15: search.batch_size must be a list, such as [3], not 3",
    }


HEAD = "name: r\ndata: {target: digits}\nmodel: {target: mlp}\n"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("batch_size: true", "batch_size"),
        ("batch_size: yes", "batch_size"),
        ("batch_size: '64'", "batch_size"),
        ("seed: false", "seed"),
        ("threads: true", "threads"),
        ("ema: true", "ema"),
        ("clip_grad_norm: on", "clip_grad_norm"),
        ("optimizer: {lr: true}", "optimizer.lr"),
        ("optimizer: {lr: '1e-3'}", "optimizer.lr"),
        ("optimizer: {weight_decay: false}", "optimizer.weight_decay"),
        ("steps: {fine-run: {epochs: yes}}", "steps.fine-run.epochs"),
        ("steps: {fine-run: {lr_factors: [0.5, true]}}", "steps.fine-run.lr_factors.1"),
        ("steps: {lr-sweep: {extend: true}}", "steps.lr-sweep.extend"),
        ("steps: {overfit-tiny: {rates: ['1e-3']}}", "steps.overfit-tiny.rates.0"),
        ("steps: {check-init-loss: {tolerance: true}}", "steps.check-init-loss.tolerance"),
    ],
)
def test_what_is_no_number_is_none_wherever_one_is_wanted(write, text, key):
    [fault] = faults_of(write(f"{HEAD}{text}\n"))
    assert re.fullmatch(rf"line 4: {re.escape(key)} must be a (whole )?number, not (true|false|the text '.*')", fault)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("batch_size: 1000000000000000", "batch_size: .* equal to 1,000,000,000, not 1,000,000,000,000,000"),
        ("threads: 1000000", "threads: .* equal to 4,096, not 1,000,000"),
        ("optimizer: {lr: 1e7}", "optimizer.lr: .* equal to 1e.06, not 1e.07"),
        ("steps: {fine-run: {epochs: 1000000000000}}", "steps.fine-run.epochs: .* equal to 1,000,000, not 1,000,000,0"),
        ("steps: {fine-run: {seeds: 1000000000}}", "steps.fine-run: asks for 1,000,000,005 trials; .* most 10,000"),
        ("steps: {check-init-loss: {initializations: 1000000000}}", "steps.check-init-loss: asks for 1,000,000,000 "),
        ("steps: {coarse-grid: {sampler: tpe, trials: 1000000000}}", "steps.coarse-grid: asks for 1,000,000,000 "),
        ("steps: {lr-sweep: {low: 1e-300}}", "steps.lr-sweep.low: .* equal to 1e-15, not 1e-300"),
        ("steps: {lr-sweep: {high: 1e300}}", "steps.lr-sweep.high: .* equal to 1e.06, not 1e.300"),
    ],
)
def test_what_no_run_could_carry_out_is_refused_with_its_number_and_the_limit(write, text, told):
    [fault] = faults_of(write(f"{HEAD}{text}\n"))
    assert re.match(f"line 4: {told}", fault), fault


def test_a_grid_of_a_billion_cells_is_counted_and_not_built(write):
    many = ", ".join(["1"] * 1000)
    grid = f"steps: {{coarse-grid: {{lr_factors: [{many}], weight_decays: [{many}]}}}}\n"
    [fault] = faults_of(write(f"{HEAD}{grid}search: {{batch_size: [{', '.join(map(str, range(1, 1001)))}]}}\n"))
    assert fault == "line 4: steps.coarse-grid: asks for 1,000,000,000 trials; a step takes at most 10,000"


def test_as_many_rates_as_a_text_can_hold_are_refused(write):
    [fault] = faults_of(write(f"{HEAD}steps: {{overfit-tiny: {{rates: [{', '.join(['1e-3'] * 40_000)}]}}}}\n"))
    assert fault == "line 4: steps.overfit-tiny: asks for 40,000 trials; a step takes at most 10,000"


def test_a_whole_number_may_be_written_with_an_exponent(write):
    assert load(write(f"{HEAD}batch_size: 1e3\noptimizer: {{lr: 1}}\n")).recipe.batch_size == 1000


def test_a_tolerance_below_what_sound_networks_need_is_refused_with_its_reason(write):
    head = "name: r\ndata: {target: digits}\nmodel: {target: mlp}\nsteps:\n  check-init-loss:\n"
    why = "at least 0.15, since sound networks start up to 11 % off theory"
    assert faults_of(write(f"{head}    tolerance: 0.1\n")) == [
        f"line 5: steps.check-init-loss.tolerance: {why}; not 0.1"
    ]


def test_missing_keys_are_told_with_the_line_of_their_mapping(write):
    assert faults_of(write("\nname: r\ndata:\n  val_fraction: 0.5\n")) == [
        "line 3: data.target is missing",
        "line 2: model is missing",
    ]


@pytest.mark.parametrize("lr", [".nan", ".inf", "0", "-1", "-.inf", "[1]", "'x'"])
def test_a_rate_is_a_positive_finite_number(write, lr):
    [fault] = faults_of(
        write(
            GOOD.replace(": digits\nm", ": {target: digits}\nm")[:-11] + "model: {target: mlp}\n"
            f"optimizer: {{lr: {lr}}}\n"
        )
    )
    assert fault.startswith("line 4: optimizer.lr")


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc", "..", ".hidden", "", "a b", "a\n", "x" * 101, "ä"])
def test_a_name_cannot_leave_the_runs_folder(name):
    with pytest.raises(UserError, match="name"):
        check(schema(), {**SMALL, "name": name}, {}, "r.yaml")


@pytest.mark.parametrize("name", ["a", "resnet-18_v1.2", "0", "x" * 100])
def test_ordinary_names_are_taken(name):
    assert check(schema(), {**SMALL, "name": name}, {}, "r.yaml").name == name


@pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:1"])
def test_devices_are_taken_by_name(device):
    assert check(schema(), {**SMALL, "device": device}, {}, "r").device == device


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cpu\n", ""])
def test_other_devices_are_refused(device):
    with pytest.raises(UserError, match="device"):
        check(schema(), {**SMALL, "device": device}, {}, "r")


def test_overrides_change_the_recipe_and_their_faults_are_told_as_theirs(write):
    path = write("name: r\ndata: {target: digits}\nmodel: {target: mlp}\nschedule: cosine\n")
    recipe = load(path, ["lr=1e-2", "weight_decay=1E-4", "schedule.args.total=7", "steps.lr-sweep.iterations=5"]).recipe
    assert (recipe.optimizer.lr, recipe.optimizer.weight_decay) == (0.01, 1e-4)
    assert (recipe.schedule.name, recipe.schedule.args) == ("cosine", {"total": 7})
    assert recipe.settings("lr-sweep").iterations == 5
    assert faults_of(path, "optimizer.lr=fast") == ["--set: optimizer.lr must be a number, not the text 'fast'"]
    assert faults_of(path, "optimiser.lr=1") == ["--set: unknown key 'optimiser' (did you mean 'optimizer'?)"]
    assert faults_of(path, "batch_sise=1") == ["--set: unknown key 'batch_sise' (did you mean 'batch_size'?)"]


class TestSearch:
    def test_axes_are_dotted_paths_with_lists_of_fitting_values(self):
        search = {"batch_size": [32, 64], "optimizer.target": ["sgd", "adam"], "model.args.hidden": [[8], [8, 8]]}
        assert check(schema(), {**SMALL, "search": search}, {}, "r").search == search

    @pytest.mark.parametrize(
        ("axis", "values", "message"),
        [
            ("batch_size", [], "the list of values is empty"),
            ("seed", [1], "cannot be searched"),
            ("name", ["a"], "cannot be searched"),
            ("steps.fine-run.top", [1], "cannot be searched"),
            ("search.lr", [1], "cannot be searched"),
            ("batch_size", [32, "many"], "batch_size must be a whole number, not the text 'many'"),
            ("batch_sise", [32], "unknown key 'batch_sise'"),
            ("lr", [0.1], "rates and weight decays have axes of their own"),
            ("weight_decay", [0.1], "rates and weight decays have axes of their own"),
            ("optimizer.lr", [0.1], "rates and weight decays have axes of their own"),
            ("optimizer.weight_decay", [0.1], "rates and weight decays have axes of their own"),
            ("data.val_fraction", [0.1, 0.2], "values on other data, or by another metric, cannot be compared"),
            ("data.args.noise", [0.1, 0.2], "values on other data, or by another metric, cannot be compared"),
            ("metric", ["accuracy", "balanced_accuracy"], "cannot be compared"),
            ("precision", ["fp32", "bf16"], "it is one for the whole run"),
            ("schedule", ["constant", "cosine"], "'constant' and 'cosine' are the same training"),
            ("batch_size", [32, "32"], "search.batch_size: batch_size must be a whole number, not the text '32'"),
            ("optimizer", ["SGD", "torch.optim:SGD"], "'SGD' and 'torch.optim:SGD' are the same training"),
            ("model.args.dropout", [0, 0.0], "0 and 0.0 are the same training"),
            ("batch_size", [32, 64, 32], "32 and 32 are the same training"),
            ("batch_size.x", [1], "batch_size"),
        ],
    )
    def test_an_axis_that_does_not_fit_is_told_with_file_and_line(self, write, axis, values, message):
        path = write(f"name: r\ndata: {{target: digits}}\nmodel: {{target: mlp}}\nsearch: {{{axis}: {values}}}\n")
        with pytest.raises(UserError) as caught:
            load(path)
        assert message in str(caught.value)
        assert str(caught.value).startswith(f"{path}, line 4")

    def test_short_names_are_paths(self, write):
        path = write(
            f"{HEAD}search: {{optimizer: [sgd, adam], dropout: [0, 0.5], augment: [[], [flip]], width: [1, 2]}}\n"
        )
        search = load(path, ["search.momentum=[0.5, 0.9]", "search.model.args.dropout=[0.1]", "dropout=0.2"]).recipe
        assert search.model.args == {"dropout": 0.2}
        assert search.search == {
            "optimizer.target": ["sgd", "adam"],
            "data.augment": [[], ["flip"]],
            "model.args.width": [1, 2],
            "optimizer.args.momentum": [0.5, 0.9],
            "model.args.dropout": [0.1],
        }

    @pytest.mark.parametrize(
        ("axis", "values", "path"),
        [
            ("model", ["mlp", "cnn"], "model.target"),
            ("loss", ["auto", "focal"], "loss.target"),
            ("model", ["mlp", {"target": "cnn"}], "model"),
            ("loss", [{"target": "auto"}, {"target": "focal", "args": {"gamma": 1}}], "loss"),
        ],
    )
    def test_a_part_by_its_name_alone_is_its_target_and_of_mappings_the_whole(self, axis, values, path):
        read = check(schema(), {**SMALL, "search": {axis: values}}, {}, "r")
        assert read.search == {path: values}
        assert moves_rate(path)

    def test_a_part_and_its_target_are_one_axis(self):
        search = {"model": ["mlp"], "model.target": ["cnn"]}
        with pytest.raises(UserError, match=r"the same axis as search\.model"):
            check(schema(), {**SMALL, "search": search}, {}, "r")

    def test_every_short_name_means_a_path_that_can_be_searched(self):
        values = {"optimizer": ["sgd"], "augment": [["flip"]]}
        search = {name: values.get(name, [1]) for name in SHORT}
        assert list(check(schema(), {**SMALL, "search": search}, {}, "r").search) == list(SHORT.values())

    @pytest.mark.parametrize(
        ("axis", "told"),
        [
            ("droput: [0, 0.5]", "search.droput: unknown key 'droput' (did you mean 'dropout'?)"),
            ("optimiser: [sgd]", "search.optimiser: unknown key 'optimiser' (did you mean 'optimizer'?)"),
            (
                "augment_strenth: [1]",
                "search.augment_strenth: unknown key 'augment_strenth' (did you mean 'augment_strength'?)",
            ),
            ("clip: [1]", "search.clip: unknown key 'clip' (did you mean 'clip_grad_norm'?)"),
            ("epochs: [1]", "search.epochs: unknown key 'epochs' (did you mean 'train.epochs'?)"),
            ("augment: [flip]", "search.augment: each value searched is a list itself, such as [['flip']], not 'flip'"),
            ("batchsize: [32]", "search.batchsize: unknown key 'batchsize' (did you mean 'batch_size'?)"),
            ("dropout: 0.5", "search.dropout must be a list, such as [0.5], not 0.5"),
            ("dropout: []", "search.dropout: the list of values is empty"),
            ("dropout: [0.5, 0.5]", "search.dropout: 0.5 and 0.5 are the same training"),
            ("model.args.hidden: [[8], [8]]", "search.model.args.hidden: [8] and [8] are the same training"),
            ("optimizer: [{target: sgd}]", "search.optimizer: optimizer.target must be text, not a mapping"),
            ("model.arg.dropout: [0]", "search.model.arg.dropout: unknown key 'model.arg' (did you mean 'args'?)"),
        ],
    )
    def test_a_wrong_axis_is_told_on_its_own_line_as_it_was_written(self, write, axis, told):
        path = write(f"{HEAD}search:\n  batch_size: [32, 64]\n  {axis}\n  ema: [0.9, 0.99]\n")
        [fault] = faults_of(path)
        assert fault.startswith(f"line 6: {told}")

    def test_an_axis_stands_once(self, write):
        path = write(f"{HEAD}search:\n  dropout: [0, 0.5]\n  model.args.dropout: [0, 0.1]\n")
        [fault] = faults_of(path)
        assert fault == "line 6: search.model.args.dropout: is the same axis as search.dropout"

    @pytest.mark.parametrize("value", ["true", "'32'", ".nan"])
    def test_a_value_that_is_no_number_is_told_with_its_axis(self, write, value):
        path = write(f"name: r\ndata: {{target: digits}}\nmodel: {{target: mlp}}\nsearch: {{batch_size: [{value}]}}\n")
        [fault] = faults_of(path)
        assert fault.startswith("line 4: search.batch_size: batch_size")

    def test_with_values_sets_tuned_values_and_refuses_wrong_ones(self):
        recipe = check(schema(), SMALL, {}, "r").with_values({"lr": 0.5, "weight_decay": 0.1, "model.args.hidden": [3]})
        assert (recipe.optimizer.lr, recipe.optimizer.weight_decay) == (0.5, 0.1)
        assert recipe.model.args == {"hidden": [3]}
        assert recipe.get("lr") == 0.5
        assert recipe.get("model.args.hidden") == [3]
        assert recipe.get("model.nothing.here") is None
        with pytest.raises(UserError, match="batch_size must be a whole number"):
            recipe.with_values({"batch_size": "x"})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# nothing\n",
        b"- a\n- b\n",
        b"text",
        b"3",
        b"\xff\xfe\x00\x01",
        b"a: \xff",
        b"\x00",
        bytes(range(256)),
        b"[" * 5000,
        b"name: r\n\tdata: x\n",
        b"name: {a: 1}\ndata: 3\nmodel: [1]\n",
        b"a: &a [*a]",
        b"? [a]\n: b\n",
        b"1: 2\ntrue: 3\nnull: 4\n",
        b"steps: {lr-sweep: 3, lr_sweep: {}}\n",
        b"data: {target: {}, args: []}\n",
        b"search: {'': [1], a..b: [2], .: [3]}\n",
        b"model: ~\ndata: ~\nloss: ~\nschedule: ~\noptimizer: ~\n",
        b"\xef\xbb\xbfname: \xc3\xa4\n",
        b"name: r\r\ndata: 1\r\n",
    ],
    ids=lambda content: repr(content[:16]),
)
def test_a_file_that_is_no_recipe_is_told_with_its_path(write, content):
    path = write(content)
    with pytest.raises(UserError) as caught:
        load(path)
    assert all(str(path) in line for line in str(caught.value).splitlines())


def test_paths_that_cannot_be_read_are_told(tmp_path):
    with pytest.raises(UserError, match="no such recipe file or run; `tunekit recipes`"):
        load(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="is a folder"):
        load(tmp_path)


WORDS = st.text("abcdefgh_", min_size=1, max_size=6)
NUMBERS = st.floats(1e-9, 1e3) | st.integers(1, 1000).map(float)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
ARGS = st.dictionaries(WORDS, PLAIN, max_size=3)
SCHEDULES = st.sampled_from(["auto", "constant", "cosine", "plateau"])
WARMUPS = st.fixed_dictionaries({}, optional={"warmup": st.integers(0, 500) | st.sampled_from(["2 epochs", "5 %"])})
RECIPES = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
        "data": st.fixed_dictionaries({"target": WORDS, "args": ARGS, "val_fraction": st.floats(0.01, 0.99)}),
        "model": st.fixed_dictionaries({"target": WORDS, "args": ARGS}),
    },
    optional={
        "task": st.sampled_from(["classification", "regression", "my_tasks:Ranking"]),
        "loss": WORDS | st.fixed_dictionaries({"target": WORDS, "args": ARGS}),
        "optimizer": st.fixed_dictionaries({"target": WORDS, "lr": NUMBERS, "weight_decay": NUMBERS, "args": ARGS}),
        "schedule": SCHEDULES | st.fixed_dictionaries({"name": SCHEDULES, "args": WARMUPS}),
        "batch_size": st.integers(1, 4096),
        "clip_grad_norm": st.none() | NUMBERS,
        "ema": st.none() | st.floats(0.1, 0.999),
        "threads": st.sampled_from(["auto", 1, 4]),
        "seed": st.integers(0, 2**31 - 1),
        "steps": st.fixed_dictionaries({"lr-sweep": st.fixed_dictionaries({"iterations": st.integers(1, 500)})}),
        "search": st.fixed_dictionaries(
            {"batch_size": st.lists(st.integers(1, 64), min_size=1, max_size=3, unique=True)}
        ),
    },
)


@given(RECIPES)
def test_a_recipe_written_as_yaml_and_loaded_is_the_same_recipe(tmp_path_factory, data):
    recipe = schema().model_validate(data)
    path = tmp_path_factory.getbasetemp() / "round-trip.yaml"
    path.write_text(as_yaml(recipe.as_dict()), encoding="utf-8")
    assert load(path).recipe == recipe


def test_training_config_takes_over_what_changes_a_number():
    recipe = check(schema(), {**SMALL, "seed": 3, "ema": 0.9, "clip_grad_norm": 1.0, "optimizer": {"lr": 0.5}}, {}, "r")
    facts = Facts(10, 5, 1, "accuracy", True, 10, 100, 2, "bf16", "cpu", {"m.py": "abc"})
    config = recipe.training_config(facts)
    assert (config.seed, config.ema, config.clip_grad_norm, config.lr) == (3, 0.9, 1.0, 0.5)
    assert (config.precision, config.threads, config.sources) == ("bf16", 2, {"m.py": "abc"})
    assert config.data.seed == 3
    # The device and a step's settings change no number of a training.
    other = check(
        schema(),
        {
            **SMALL,
            "seed": 3,
            "ema": 0.9,
            "clip_grad_norm": 1.0,
            "optimizer": {"lr": 0.5},
            "device": "cpu",
            "steps": {"fine-run": {"top": 1}},
        },
        {},
        "r",
    )
    assert other.training_config(facts).key == config.key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"augment": []}, {"augment": [], "augment_strength": 2}),
        ({"augment": []}, {"augment": ["flip"], "augment_strength": 0}),
        ({"target": "adam"}, {"target": "torch.optim:Adam"}),
        ({"target": "AdamW"}, {"target": "adamw"}),
        ({"target": "momentum"}, {"target": "SGD", "args": {"momentum": 0.9}}),
        ({"target": "sgd", "args": {"momentum": 0}}, {"target": "momentum", "args": {"momentum": 0}}),
    ],
)
def test_what_comes_to_the_same_training_has_one_key(one, other):
    def config(values):
        own = {"data": {"target": "digits", **values}} if "augment" in values else {"optimizer": {"lr": 0.1, **values}}
        return check(schema(), {**SMALL, **own}, {}, "r").training_config(UNKNOWN)

    assert config(one).key == config(other).key


def test_other_arguments_make_another_key():
    keys = {
        check(schema(), {**SMALL, "optimizer": optimizer}, {}, "r").training_config(UNKNOWN).key
        for optimizer in (
            {"target": "sgd"},
            {"target": "momentum"},
            {"target": "nesterov"},
            {"target": "momentum", "args": {"momentum": 0.5}},
            {"target": "my:SGD"},
            {"target": "adam"},
        )
    }
    assert len(keys) == 6


def test_the_rate_of_an_optimizer_that_finds_its_own_is_one_wherever_it_stands(write):
    [fault] = faults_of(write(f"{HEAD}optimizer:\n  target: prodigy\n  lr: 0.01\n"))
    assert fault.startswith(
        "line 6: optimizer.lr: prodigy finds its rate, which is multiplied by 1, not by 0.01: leave lr out or set"
    )
    assert faults_of(write(f"{HEAD}optimizer: {{target: prodigy}}\n"), "lr=0.1")[0].startswith(
        "--set: optimizer.lr: prod"
    )
    own = load(write(f"{HEAD}optimizer: {{target: prodigy, lr: 1}}\n")).recipe
    assert own.optimizer.lr == 1
    adam = check(schema(), {**SMALL, "optimizer": {"target": "adam", "lr": 0.02}}, {}, "r")
    assert adam.with_values({"optimizer.target": "prodigy"}).optimizer.lr == 1
    assert adam.with_values({"optimizer.target": "sgd"}).optimizer.lr == 0.02
    assert own.with_values({"optimizer.target": "adam"}).optimizer.lr == 1e-3
    assert own.with_values({"optimizer.target": "adam", "lr": 0.5}).optimizer.lr == 0.5


def test_the_best_recipe_has_its_optimizer_as_it_was_written():
    recipe = check(schema(), {**SMALL, "optimizer": {"target": "sgd", "args": {"momentum": 0.9}}}, {}, "r")
    assert recipe.with_training(recipe.training_config(UNKNOWN)).optimizer == recipe.optimizer
    other = recipe.with_values({"optimizer.target": "adam", "optimizer.args": {}}).training_config(UNKNOWN)
    assert recipe.with_training(other).optimizer.target == "adam"


def test_a_strength_without_augmentation_is_nothing_to_search():
    data = {**SMALL, "search": {"data.augment_strength": [0, 1]}}
    with pytest.raises(UserError, match=r"search\.data\.augment_strength: there is nothing to scale"):
        check(schema(), data, {(): 1}, "r.yaml")
    data["data"] = {**data["data"], "augment": ["crop"]}
    assert check(schema(), data, {(): 1}, "r.yaml").search == {"data.augment_strength": [0, 1]}


@pytest.mark.parametrize(
    ("value", "told"),
    [(-1, "-1"), (1.5, "1.5"), (True, "true"), ("sometimes", "the text 'sometimes'"), ([1], "a list")],
)
def test_what_is_neither_epochs_nor_always_is_told_in_one_line(value, told):
    recipe = {"name": "r", "data": {"target": "digits"}, "model": {"target": "mlp", "freeze": value}}
    with pytest.raises(UserError) as caught:
        check(schema(), recipe, {(): 1, ("model",): 2, ("model", "freeze"): 3}, "r.yaml")
    epochs = "model.freeze must be a number of epochs (0, 1, 2, ...) or always"
    assert str(caught.value) == f"r.yaml, line 3: {epochs}, not {told}"
