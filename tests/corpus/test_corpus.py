"""The corpus: subjects that are the same always, pairs, and logs that are read as they were written."""

from dataclasses import fields, replace

import numpy as np
import pytest

from tests.benchmarks.subjects import MNIST
from tests.corpus import farm, problems
from tests.corpus.forms import FORMS, write_log
from tests.corpus.settings import BESIDE, SUBJECTS, TRAINED, Subject, subject
from tests.corpus.training import Curves, Logging, rate_at, train
from tests.corpus.truth import Effect, effects_of
from tunekit.logs import read

QUICK = next(
    number
    for number in range(SUBJECTS)
    if subject(number).settings.problem == "spirals" and subject(number).settings.epochs < 5
)


def test_a_third_is_no_mlp_short_or_logged_by_iterations_and_halves_are_alike():
    every = [subject(number) for number in range(SUBJECTS)]
    assert sum(one.settings.family != "mlp" for one in every) > SUBJECTS / 3
    assert sum(one.settings.epochs <= 10 for one in every) > SUBJECTS / 3
    assert sum(one.by_iterations for one in every) > SUBJECTS / 3
    seen = [one.settings.problem in problems.SEEN for one in every]
    assert sum(seen) == SUBJECTS / 2
    assert not set(problems.SEEN) & set(problems.UNSEEN)
    assert len(problems.PROBLEMS) == len(problems.SEEN) + len(problems.UNSEEN) >= 8


def test_a_subject_is_the_same_always():
    assert subject(17) == subject(17) != subject(18)


@pytest.mark.parametrize("name", TRAINED)
def test_an_intervention_changes_what_it_is_called_by(name):
    changes = {
        "longer": {"epochs"},
        "lower_rate": {"lr"},
        "higher_rate": {"lr"},
        "wider": {"width"},
        "narrower": {"width"},
        "regularised": {"dropout", "weight_decay"},
        "larger_batch": {"batch"},
        "warm_up": {"warmup"},
        "clipped": {"clip"},
        "decayed": {"schedule"},
        "mended": {"fault"},
    }
    changed = [(one, TRAINED[name](one)) for one in (subject(number).settings for number in range(100))]
    differing = [
        {field.name for field in fields(one) if getattr(one, field.name) != getattr(other, field.name)}
        for one, other in changed
        if other is not None
    ]
    assert differing
    assert all(different and different <= changes[name] for different in differing)


def test_interventions_change_by_what_their_words_say():
    one = subject(QUICK).settings
    assert TRAINED["longer"](one).epochs == 2 * one.epochs
    assert TRAINED["lower_rate"](one).lr == one.lr / 3
    assert TRAINED["higher_rate"](one).lr == 3 * one.lr
    assert TRAINED["wider"](one).width == 4 * one.width
    assert TRAINED["narrower"](one).width == one.width // 4
    assert TRAINED["regularised"](one).dropout > one.dropout
    assert TRAINED["regularised"](one).weight_decay > one.weight_decay
    assert TRAINED["larger_batch"](replace(one, batch=8, size=500)).batch == 32


@pytest.mark.parametrize("name", sorted({*problems.PROBLEMS} - {"digits"}))
def test_no_test_sample_is_trained_on(name):
    if name.startswith("mnist") and not MNIST.is_dir():
        pytest.skip("no MNIST beside the checkout")
    pool = problems.pool_of(name)
    splits = problems.splits_of(name, problems.PROBLEMS[name].sizes[-1], 3)
    tested = len(splits.test[0])
    assert tested >= 1000
    assert np.array_equal(splits.test[0], pool.x[-tested:])
    before = {row.tobytes() for row in pool.x[:-tested]}
    drawn = np.concatenate([splits.train[0], splits.val[0], *([splits.large[0]] if splits.large else [])])
    assert all(row.tobytes() in before for row in drawn)
    assert len(splits.train[0]) == problems.PROBLEMS[name].sizes[-1]
    assert splits.large is None or np.array_equal(splits.large[0][: len(splits.val[0])], splits.val[0])


def test_a_rate_warms_up_and_falls_as_its_schedule_says():
    one = subject(QUICK).settings
    cosine = TRAINED["decayed"](one) or one
    assert rate_at(cosine, 0.0) == pytest.approx(cosine.lr if not cosine.warmup else 0.01 * cosine.lr)
    assert rate_at(cosine, 1.0) == pytest.approx(0.0, abs=1e-12)


def test_the_farm_goes_on_where_it_was_stopped_and_pairs_have_one_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(farm, "SEEDS", 2)
    monkeypatch.setattr("tests.corpus.truth.SEEDS", 2)
    made = farm.raise_subject(tmp_path, QUICK, np.inf)
    names = {name for name, _ in farm.variants(subject(QUICK).settings)}
    assert made == 2 * len(names)
    gone = farm.file_of(tmp_path, QUICK, "longer", 1)
    before = farm.read(gone).losses["last"]
    gone.unlink()
    assert farm.raise_subject(tmp_path, QUICK, np.inf) == 1
    assert np.array_equal(farm.read(gone).losses["last"], before)
    effects = {one.intervention: one for one in effects_of(tmp_path, QUICK)}
    assert effects.keys() == {*names - {"subject"}, *BESIDE}
    own, other = (
        np.stack([farm.read(farm.file_of(tmp_path, QUICK, name, seed)).losses["last"] for seed in (0, 1)])
        for name in ("subject", "longer")
    )
    assert effects["longer"].d_loss == pytest.approx(float((other.astype(float) - own).mean()), rel=1e-6)


def test_a_training_without_a_log_is_the_same():
    one = subject(QUICK).settings
    told = train(one, 0, Logging())
    assert np.array_equal(told.losses["last"], train(one, 0).losses["last"])
    assert not np.array_equal(told.losses["last"], train(one, 1).losses["last"])


@pytest.mark.parametrize(
    ("d_loss", "d_error", "word"),
    [
        (-0.2, 0.0, "helps"),
        (0.0, -0.05, "helps"),
        (-0.2, 0.05, "nothing"),
        (0.2, 0.0, "harms"),
        (-0.005, 0.0, "nothing"),
        (-0.2, -0.05, "helps"),
    ],
)
def test_an_effect_is_sure_and_large_enough(d_loss, d_error, word):
    effect = Effect(0, "longer", 4, 1.2, 1.0, 0.3, d_loss, 0.01, d_error, 0.004)
    assert effect.word == word
    assert Effect(0, "longer", 4, 1.2, 1.0, 0.3, d_loss, 0.2, d_error, 0.1).word == "nothing"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("by_iterations", [False, True])
@pytest.mark.parametrize("tells", [(), ("val_metric", "train_metric", "lr")])
def test_a_log_is_read_as_it_was_written(tmp_path, form, by_iterations, tells):
    curves = Curves()
    for k in range(1, 31):
        values = {"train_loss": 2.5 / k, "lr": 0.01 / k, "train_metric": 1 - 1 / k}
        if not by_iterations or k % 5 == 0:
            values |= {"val_loss": 3.0 / k, "val_metric": 0.9 - 0.9 / k}
        curves.add(10 * k if by_iterations else k, **values)
    one = Subject(0, subject(QUICK).settings, by_iterations, form, 60, tells)
    [log] = read(write_log(one, curves, tmp_path))
    train_loss, val_loss = (
        [value for value in curves.columns[name] if value is not None] for name in ("train_loss", "val_loss")
    )
    assert list(log.train.y) == pytest.approx(train_loss, rel=5e-4)
    assert list(log.val.y) == pytest.approx(val_loss, rel=5e-4)
    assert bool(log.metrics) == bool(tells)
