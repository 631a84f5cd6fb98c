import pytest
from hand_made import codes, context_of, exploding, failed, falling, found, judged, left, trained, trainings

from tunekit.steps import conclude, get_step, step_names
from tunekit.steps.step import Judgement
from tunekit.vocabulary import Remedy, UserError


def after(*causes, step="lr-sweep", **facts):
    """A step's context, when step 1 has named these causes."""
    return context_of(step, {"check-init-loss": left("check-init-loss", verdict="fail", causes=causes)}, facts)


def swept(context):
    records = [trained(request, exploding(2.3, request.until)) for request in context.step.plan(context, [])]
    return judged(context, records)


def test_a_fail_that_follows_from_an_earlier_cause_is_a_note_that_names_it_while_the_verdict_stays():
    result = swept(after("loss_not_averaged"))
    symptom = found(result, "all_diverged")
    assert result.verdict == "fail"
    assert symptom.severity == "note"
    assert "this follows from loss_not_averaged, found before" in symptom.message
    assert symptom.advice == ("mend loss_not_averaged first: `tunekit explain loss_not_averaged`",)


def test_without_a_cause_it_stays_a_fail():
    fail = found(swept(after()), "all_diverged")
    assert fail.severity == "fail"
    assert "follows" not in fail.message


def test_several_causes_are_named_in_their_order_three_at_most():
    causes = ["input_not_normalized", "dead_units", "frozen_parameters", "batch_leak"]
    symptom = found(swept(after(*causes)), "all_diverged")
    assert "from input_not_normalized, dead_units, frozen_parameters, found before" in symptom.message
    assert "explain input_not_normalized" in symptom.advice[0]


def test_warnings_keep_their_severity():
    context = after("dead_units")
    records = [
        trained(r, falling(2.3, 0.5, r.until, 0.01) if r.config.lr == 1e-3 else exploding(2.3, r.until))
        for r in context.step.plan(context, [])
    ]
    assert found(judged(context, records), "narrow_range").severity == "warn"


def test_a_code_that_the_recipe_accepts_is_a_note_and_stays_in_the_result():
    context = context_of("lr-sweep", accept=["all_diverged"])
    result = swept(context)
    finding = found(result, "all_diverged")
    assert (finding.severity, result.verdict) == ("note", "pass")
    assert finding.message.endswith("; accepted in the recipe")
    assert not finding.decides
    assert result.handoff == {}


def test_what_is_accepted_must_be_a_code_that_exists():
    with pytest.raises(ValueError, match=r"no finding is called 'class_imbalanc' \(did you mean 'class_imb"):
        context_of("lr-sweep", accept=["class_imbalanc"])


def said(step, code, context):
    """The result of a step that says this code alone."""
    (spoken,) = (other for other in get_step(step).codes() if other.name == code)
    return conclude(context, Judgement("", [spoken.finding("message")]))


def test_findings_of_step_1_are_causes_not_symptoms():
    result = said("check-init-loss", "dead_units", after("loss_not_averaged", step="check-init-loss"))
    assert (result.findings[0].severity, result.verdict) == ("fail", "fail")


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("overfit-tiny", "cannot_overfit"),
        ("lr-sweep", "no_learning_rate_works"),
        ("fine-run", "fine_run_diverged"),
        ("diagnose", "not_learning"),
    ],
)
def test_a_symptom_can_be_found_in_every_later_step(step, code):
    result = said(step, code, after("loss_not_averaged", step=step))
    assert (result.findings[0].severity, result.verdict) == ("note", "fail")


def test_results_name_what_to_do_next():
    for step, following in zip(step_names()[:-1], step_names()[1:], strict=True):
        assert conclude(context_of(step), Judgement("")).remedies == (Remedy(following),)
    assert conclude(context_of("diagnose"), Judgement("")).remedies == ()


def test_fine_runs_that_diverge_after_a_cause_name_it():
    context = after("exploding_gradients", step="fine-run")
    records = [trained(r, exploding(2.3, r.until)) for r in trainings(context.step.plan(context, []))]
    result = judged(context, records)
    assert codes(result) == ["fine_run_diverged"]
    assert (result.findings[0].severity, result.verdict) == ("note", "fail")


CAUSES_OF_STEP_2 = {"loss_misaligned", "weights_not_saved"}


def test_the_codes_of_step_1_and_a_few_of_step_2_explain_what_goes_wrong_later():
    first = {code.name for code in get_step("check-init-loss").codes()}
    for code in (code for step in map(get_step, step_names()) for code in step.codes()):
        if code.severity == "note":
            continue  # neither
        assert code.symptom == (code.name not in first), code.name
        explains = code.name in first - {"class_imbalance"} | CAUSES_OF_STEP_2
        assert code.explains_later == explains, code.name


def test_a_step_that_cannot_run_for_a_known_cause_names_it():
    context = after("labels_out_of_range", step="overfit-tiny")
    records = [failed(request, "IndexError: Target 4 is out of bounds") for request in context.step.plan(context, [])]
    with pytest.raises(UserError, match=r"out of bounds; this follows from labels_out_of_range, found before"):
        judged(context, records)
