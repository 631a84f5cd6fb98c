import pytest
from hand_made import codes, context_of, exploding, failed, falling, found, trained

from tunekit.findings import catalogue, finding
from tunekit.steps import Context, check_init_loss, fine_run, lr_sweep, overfit_tiny
from tunekit.vocabulary import UserError


def after(*causes, step="check-init-loss", **tiny):
    """A context in which an earlier step found these codes."""
    kept = {step: {"handoff": {}, "codes": list(causes), "verdict": "fail"}}
    if tiny:
        kept["overfit-tiny"] = {"handoff": {}, "codes": [], **tiny}
    return context_of(kept)


def swept(context: Context):
    records = [trained(request, exploding(2.3, request.until)) for request in lr_sweep.plan(context, [])]
    return lr_sweep.judge(context, records)


def test_a_fail_that_follows_from_an_earlier_cause_is_a_note_that_names_it_while_the_verdict_stays():
    result = swept(after("loss_not_averaged"))
    told = found(result, "all_diverged")
    assert result.verdict == "fail"
    assert told.severity == "note"
    assert "this follows from loss_not_averaged, found before" in told.message
    assert told.advice == ("mend loss_not_averaged first: `tunekit explain loss_not_averaged`",)


def test_without_a_cause_it_stays_a_fail():
    told = found(swept(after()), "all_diverged")
    assert told.severity == "fail"
    assert "follows" not in told.message


@pytest.mark.parametrize("code", ["class_imbalance"])
def test_what_explains_nothing_later_is_no_cause(code):
    assert found(swept(after(code)), "all_diverged").severity == "fail"


@pytest.mark.parametrize(("step", "code"), [("overfit-tiny", "cannot_overfit"), ("overfit-tiny", "loss_flat")])
def test_a_symptom_is_no_cause_of_another(step, code):
    assert found(swept(after(code, step=step)), "all_diverged").severity == "fail"


def test_several_causes_are_named_in_their_order_three_at_most():
    causes = ["input_not_normalized", "dead_units", "frozen_parameters", "batch_leak"]
    told = found(swept(after(*causes)), "all_diverged")
    assert "from input_not_normalized, dead_units, frozen_parameters, found before" in told.message
    assert "explain input_not_normalized" in told.advice[0]


def test_warnings_keep_their_severity():
    context = after("dead_units")
    records = [
        trained(r, falling(2.3, 0.5, r.until, 0.01) if r.config.lr == 1e-3 else exploding(2.3, r.until))
        for r in lr_sweep.plan(context, [])
    ]
    assert found(lr_sweep.judge(context, records), "narrow_range").severity == "warn"


def test_a_step_does_not_excuse_itself():
    """Findings of step 1 are causes, not symptoms, and later steps' codes do not reach back."""
    kept = {"fine-run": {"handoff": {}, "codes": ["fine_run_diverged"], "verdict": "fail"}}
    context = context_of(kept)
    assert context.causes("lr-sweep") == []
    told = context.result("check-init-loss", "", [finding("dead_units", "message")])
    assert (told.findings[0].severity, told.verdict) == ("fail", "fail")


def test_a_symptom_can_be_found_in_every_later_step():
    context = after("loss_not_averaged")
    for step, code in (
        ("overfit-tiny", "cannot_overfit"),
        ("lr-sweep", "no_learning_rate_works"),
        ("fine-run", "fine_run_diverged"),
        ("diagnose", "not_learning"),
    ):
        result = context.result(step, "", [finding(code, "message")])
        assert (result.findings[0].severity, result.verdict) == ("note", "fail")


def test_results_name_the_next_command():
    context = context_of()
    assert context.result("lr-sweep", "", []).next == "tunekit coarse-grid runs/hand-made"
    assert context.result("diagnose", "", []).next == ""


def test_fine_runs_that_diverge_after_a_cause_name_it():
    context = after("exploding_gradients")
    records = [trained(r, exploding(2.3, r.until)) for r in fine_run.plan(context, [])]
    result = fine_run.judge(context, records)
    assert codes(result) == ["fine_run_diverged"]
    assert (result.findings[0].severity, result.verdict) == ("note", "fail")


def test_faults_of_step_1_explain_later_ones_and_follow_from_none():
    step_1 = {code.name for code in check_init_loss.CODES}
    assert len(step_1) == 24
    explaining = {name for name, entry in catalogue().items() if entry.explains_later}
    assert explaining == step_1 - {"class_imbalance", "not_repeatable"}
    symptoms = {name for name, entry in catalogue().items() if entry.symptom}
    assert symptoms == set(catalogue()) - explaining - {"class_imbalance"}


def test_a_step_that_cannot_run_for_a_known_cause_names_it():
    context = after("labels_out_of_range")
    records = [failed(request, "IndexError: Target 4 is out of bounds") for request in overfit_tiny.plan(context, [])]
    with pytest.raises(UserError, match=r"out of bounds; this follows from labels_out_of_range, found before"):
        overfit_tiny.judge(context, records)
