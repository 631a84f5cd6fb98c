"""Following a log that grows: each change of the verdict once, and an end when nothing comes any more."""

import itertools
import subprocess
import sys
import time

import pytest

from tunekit.diagnosis.watch import follow
from tunekit.vocabulary import UserError


def rows(losses):
    return "epoch,loss,val_loss\n" + "".join(f"{k},{a},{b}\n" for k, (a, b) in enumerate(losses))


SOUND = [(2.3 * 0.8**k + 0.2, 2.3 * 0.8**k + 0.22) for k in range(40)]
BLOWN = [*SOUND, *[("nan", "nan")] * 4]


def written_between_looks(monkeypatch, log, *texts):
    """Each time that `follow` would wait, the next text stands in the log."""
    rest = iter(texts)
    monkeypatch.setattr(time, "sleep", lambda seconds: [log.write_text(text) for text in itertools.islice(rest, 1)])


def test_each_change_of_the_verdict_is_told_once(tmp_path, monkeypatch):
    log = tmp_path / "log.csv"
    log.write_text(rows(SOUND[:2]))
    written_between_looks(monkeypatch, log, rows(SOUND), rows([*SOUND, SOUND[-1]]), rows(BLOWN))
    codes = [diagnosis.code for _, diagnosis in follow(log, None, None, None, idle_s=0.0)]
    assert codes == ["insufficient_data", "good_fit", "diverged"]


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path, monkeypatch):
    log = tmp_path / "log.csv"
    written_between_looks(monkeypatch, log, rows(SOUND))
    assert [diagnosis.code for _, diagnosis in follow(log, None, None, None, idle_s=0.0)] == ["good_fit"]


def test_it_ends_when_nothing_was_written_for_the_time_given_and_no_sooner(tmp_path, monkeypatch):
    log = tmp_path / "log.csv"
    log.write_text(rows(SOUND))
    clock = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    assert len(list(follow(log, None, None, None, idle_s=10, poll_s=3))) == 1
    assert waits == [3] * 11


def test_one_that_never_comes_is_said(tmp_path):
    with pytest.raises(UserError, match=r"never\.csv"):
        list(follow(tmp_path / "never.csv", None, None, None, idle_s=0.2, poll_s=0.05))


@pytest.mark.parametrize(("codes", "code"), [("overfit", 0), ("overfit,diverged", 1)])
def test_fail_on_is_the_exit_code_for_scripts(tmp_path, codes, code):
    (tmp_path / "log.csv").write_text(rows(BLOWN))
    words = ["diagnose", "log.csv", "--watch", "--idle", "0.1s", "--fail-on", codes]
    done = subprocess.run([sys.executable, "-m", "tunekit.cli", *words], cwd=tmp_path, capture_output=True)
    assert done.returncode == code, done.stderr
    assert b"diverged" in done.stdout
    unknown = [sys.executable, "-m", "tunekit.cli", "diagnose", "log.csv", "--fail-on", "overfitt"]
    done = subprocess.run(unknown, cwd=tmp_path, capture_output=True)
    assert done.returncode == 2
    assert b"did you mean 'overfit'" in done.stderr
