"""How the words of other log checkers are read, in the shapes that they print."""

import json
import sys

import pytest

from tests.corpus import peers
from tests.corpus.forms import FORMS
from tests.corpus.peers import NOTHING, UNREAD, healthy, judge_of, said_in
from tests.corpus.score import Judged, totals
from tests.corpus.settings import INTERVENTIONS


def losslint(*findings):
    """Check, severity and message of each."""
    keys = ("check", "severity", "message")
    return json.dumps({"runs": [{}], "findings": [dict(zip(keys, one, strict=True)) for one in findings]})


def runmedic(*findings):
    """Check, severity and fixes of each."""
    keys = ("check", "severity", "fixes")
    return json.dumps([{"run": "log", "findings": [dict(zip(keys, one, strict=True)) for one in findings]}])


def trainproof(*findings):
    """Id, level and evidence of each."""
    keys = ("id", "level", "evidence")
    found = [{**dict(zip(keys, one, strict=True)), "message": "What is wrong."} for one in findings]
    return json.dumps({"reports": [{"findings": found}]})


SAID = [
    (losslint(("nan_inf", "error", "NaN, all after it is suspect")), "nan_inf", ""),
    (losslint(("divergence", "error", "twice the first")), "divergence", ""),
    (losslint(("loss_spike", "warning", "data shard or LR bug?")), "loss_spike", ""),
    (losslint(("step_backtrack", "warning", "check resume")), "step_backtrack", ""),
    (losslint(("parse", "warning", "skipped")), "parse", ""),
    (losslint(("overfit_onset", "info", "best checkpoint is behind")), "overfit_onset (info)", "earlier_stop"),
    (losslint(("stagnation", "info", "stopping or raising the LR")), "stagnation (info)", "higher_rate"),
    (losslint(), NOTHING, ""),
    (runmedic(("non_finite", "critical", ["Check a batch", "Clip gradients"])), "non_finite", "mended"),
    (runmedic(("non_finite", "critical", ["Log the ids", "Clip gradients", "Lower"])), "non_finite", "clipped"),
    (runmedic(("divergence", "warning", ["Use a decaying schedule", "Clip gradients"])), "divergence", "decayed"),
    (runmedic(("loss_spikes", "warning", ["Log sample ids", "Clip gradients"])), "loss_spikes", "clipped"),
    (runmedic(("grad_spikes", "warning", ["Clip gradients", "Add warmup"])), "grad_spikes", "clipped"),
    (runmedic(("no_learning", "warning", ["Overfit a single batch first"])), "no_learning", "mended"),
    (runmedic(("overfitting", "info", ["and add early stopping"])), "overfitting (info)", "earlier_stop"),
    (runmedic(("val_below_train", "info", ["if so, check the split"])), "val_below_train (info)", "mended"),
    (runmedic(("constant_lr_plateau", "info", ["Add a decaying schedule"])), "constant_lr_plateau (info)", "decayed"),
    (runmedic(), NOTHING, ""),
    *((trainproof((f"TP-{one}", "FAIL", "")), f"TP-{one}", "") for one in ("NAN", "DIVERGE", "FLAT", "DEAD-RUN")),
    (trainproof(("TP-ZERO-LR", "FAIL", "lr <= 0")), "TP-ZERO-LR", ""),
    (trainproof(("TP-ZERO-LOSS", "FAIL", "so check the collator")), "TP-ZERO-LOSS", "mended"),
    (trainproof(("TP-OVERFIT", "WARN", "best checkpoint was near")), "TP-OVERFIT", "earlier_stop"),
    (trainproof(("TP-THROUGHPUT", "INFO", ""), ("TP-PASS", "PASS", "")), "TP-THROUGHPUT (info)", ""),
    (trainproof(("TP-PASS", "PASS", "60 steps")), NOTHING, ""),
    (json.dumps({"reports": [], "error": "no readable log"}), UNREAD, ""),
    ("", UNREAD, ""),
]


@pytest.mark.parametrize(("printed", "said", "first"), SAID)
def test_a_finding_is_its_name_and_the_first_intervention_of_its_advice(printed, said, first):
    assert said_in(printed) == (said, first)


def test_of_findings_the_gravest_is_said_and_of_those_the_first():
    parse, spike, nan = (("parse", "warning", ""), ("loss_spike", "warning", ""), ("nan_inf", "error", ""))
    assert said_in(losslint(parse, spike, nan))[0] == "nan_inf"
    assert said_in(losslint(spike, parse))[0] == "loss_spike"


def test_advice_names_interventions_that_there_are_in_words_that_are_found():
    assert {*peers.ADVICE.values()} <= {*INTERVENTIONS}
    assert all(words == words.lower() for words in peers.ADVICE)
    assert {first for _, _, first in SAID if first} == {*peers.ADVICE.values()}
    assert peers.FORM in FORMS


def test_a_healthy_training_is_told_so_by_silence_or_a_note():
    cases = [Judged(n, said, "", {}) for n, said in enumerate([NOTHING, "stagnation (info)", "TP-FLAT", UNREAD])]
    assert totals(cases, healthy(cases))["nothing helps, and told so"].startswith("2 of 4, ")


CHECKER = """
import sys
def main():
    *words, path = sys.argv[1:]
    if "broken" in path:
        raise ValueError(path)
    if "empty" in path:
        sys.exit("no log")
    print('{"findings": [{"check": "%s", "severity": "error"}]}' % " ".join(words))
    sys.exit(1)
"""


def test_one_process_judges_all_logs_and_outlives_those_that_it_cannot_read(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "losslint").mkdir()
    (tmp_path / "losslint" / "cli.py").write_text(CHECKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with judge_of("losslint", tmp_path) as judge:
        said = [judge(0, tmp_path / name)[0] for name in ("one.csv", "broken.csv", "empty.csv", "two words.csv")]
    assert said == ["check --format json", UNREAD, UNREAD, "check --format json"]
