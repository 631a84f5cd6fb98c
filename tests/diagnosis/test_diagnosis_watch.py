"""Following a log that grows: each change of the verdict once, and an end when nothing comes any more."""

import subprocess
import sys
import threading
import time

import pytest

from tunekit.diagnosis.watch import follow
from tunekit.vocabulary import UserError


def rows(losses):
    return "epoch,loss,val_loss\n" + "".join(f"{k},{a},{b}\n" for k, (a, b) in enumerate(losses))


SOUND = [(2.3 * 0.8**k + 0.2, 2.3 * 0.8**k + 0.22) for k in range(40)]
BLOWN = [*SOUND, *[("nan", "nan")] * 4]


def test_each_change_of_the_verdict_is_told_once(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(rows(SOUND[:2]))
    stages = [rows(SOUND), rows([*SOUND, SOUND[-1]]), rows(BLOWN)]

    def write():
        for text in stages:
            time.sleep(0.3)
            log.write_text(text)

    writer = threading.Thread(target=write)
    writer.start()
    told = [diagnosis.code for _, diagnosis in follow(log, None, None, None, idle_s=1.0, poll_s=0.05)]
    writer.join()
    assert told == ["insufficient_data", "good_fit", "diverged"]


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path):
    log = tmp_path / "log.csv"
    threading.Timer(0.3, lambda: log.write_text(rows(SOUND))).start()
    assert [d.code for _, d in follow(log, None, None, None, idle_s=1.0, poll_s=0.05)] == ["good_fit"]


def test_one_that_never_comes_is_said(tmp_path):
    with pytest.raises(UserError, match=r"never\.csv"):
        list(follow(tmp_path / "never.csv", None, None, None, idle_s=0.2, poll_s=0.05))


@pytest.mark.parametrize(("codes", "code"), [("overfit", 0), ("overfit,diverged", 1)])
def test_fail_on_is_the_exit_code_for_scripts(tmp_path, codes, code):
    (tmp_path / "log.csv").write_text(rows(BLOWN))
    words = ["diagnose", "log.csv", "--watch", "--idle", "0.1s", "--fail-on", codes]
    done = subprocess.run([sys.executable, "-m", "tunekit.cli", *words], cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert b"diverged" in done.stdout
    unknown = [sys.executable, "-m", "tunekit.cli", "diagnose", "log.csv", "--fail-on", "overfitt"]
    done = subprocess.run(unknown, cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == 2
    assert b"did you mean 'overfit'" in done.stderr
