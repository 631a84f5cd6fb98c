"""Faults of data, targets, sequences and metrics, each to be named by its own code, and sound ones beside them.

Step 1 runs in this process; the pieces stand in planted_readings.py and planted_sequences.py.
"""

import pytest
from inline_run import first_step, spoken

from tests.conftest import every_other_day

R, S, T = "planted_readings:", "planted_sequences:", "planted_tokens:"
L, A = "planted_losses:", "planted_axes:"
FLAT_LOSS = {"loss": S + "flat_loss"}
MLP = {"features": 8, "outputs": 1}
WIDE = {"vocabulary": 60}


def case(model, data, **recipe):
    return {"model": model, "data": data, **recipe}


def masks(transform, **more):
    return case(R + "pixels", R + "scenes", task="binary", data_args={"transform": transform}, **more)


def labelled(transform):
    return case("dense", R + "drawn_clouds", data_args={"transform": transform})


def labels_in_table(**args):
    data_args = {"classes": 3, **args}
    return case("dense", R + "with_target", data_args=data_args, model_args={"features": 8, "outputs": 3})


def windows(**args):
    features = args.get("length", 16) * args.get("features", 1)
    return case(R + "flat", R + "windows", task="regression", data_args=args, model_args={"features": features})


def regression(data="columns", model="dense", outputs=1, **recipe):
    args = recipe.pop("model_args", {**MLP, "outputs": outputs})
    return case(model, data if ":" in data else R + data, task="regression", model_args=args, **recipe)


def axes(model, how):
    data = "pictures" if model == "Pictures" else "steps"
    return case(A + model, A + data, model_args={"how": how})


def points(kind, loss, **recipe):
    task = {"task": "binary" if kind in ("signs", "bits") else "regression", **recipe}
    outputs = 4 if kind == "shares" else 1
    model_args = {"features": 6, "outputs": outputs}
    return case("dense", L + "points", data_args={"kind": kind}, model_args=model_args, loss=L + loss, **task)


def tokens(model, data="next_tokens", **recipe):
    return case(S + model, S + data, **recipe)


def tagged(model, **recipe):
    data_args = {"tags": True, **recipe.pop("data_args", {})}
    return tokens(model, "sentences", data_args=data_args, **recipe)


def words(model, data="words_only", **recipe):
    return case(T + model, data if ":" in data else S + data, **recipe)


def tagged_words(model, **args):
    return words(model, S + "sentences", model_args={"outputs": 3, **args}, data_args={"tags": True}, **FLAT_LOSS)


def rows_weighed(how):
    return case(T + "Weighed", T + "rows_of_numbers", model_args={"how": how})


FAULTS = {
    # Axes.
    "channels brought first by a view": ("axes_mixed_up", axes("Pictures", "view")),
    "features brought before time by a view": ("axes_mixed_up", axes("Steps", "view")),
    "directions laid beside each other by a view": ("batch_leak", axes("LastStates", "view")),
    # Losses of torch.
    "a divergence of probabilities": ("loss_misused", points("shares", "kl_of_probabilities")),
    "softmax before cross_entropy": (
        "loss_misused",
        case("dense", "clouds", loss=L + "softmax_before"),
    ),
    "sigmoid before its own": ("loss_misused", points("bits", "sigmoid_before")),
    "probabilities by cutting off": ("loss_misused", points("bits", "cut_off")),
    "outputs where targets belong": ("loss_misused", points("bits", "exchanged")),
    "rates where logarithms belong": ("loss_misused", points("counts", "poisson_of_rates")),
    "labels of 0 and 1 where signs belong": ("loss_misused", points("bits", "soft_margin", task="regression")),
    "each output with each target": ("loss_misused", points("numbers", "each_with_each")),
    # Readings.
    "an own random.Random": ("not_reproducible", labelled("own generator")),
    "an own NumPy generator": ("not_reproducible", labelled("own numpy")),
    "a counter of readings": ("not_reproducible", labelled("counter")),
    "pictures flipped without their masks": ("data_random", masks("flip")),
    "pictures turned without their masks": ("data_random", masks("turn")),
    "pictures shifted without their masks": ("data_random", masks("shift")),
    "picture and mask flipped each for itself": ("data_random", masks("flip apart")),
    "pictures flipped without their classes a pixel": (
        "data_random",
        case(
            R + "pixels",
            R + "scenes",
            data_args={"transform": "flip", "classes": True},
            model_args={"outputs": 2},
        ),
    ),
    "labels drawn at each reading": ("data_random", labelled("redrawn")),
    # Splits.
    "windows divided at random": ("windows_overlap", windows()),
    "windows divided at random by their maker": ("windows_overlap", windows(how="random", stride=2)),
    "windows of two series, channels first": (
        "windows_overlap",
        windows(features=2, channels_first=True, stride=3),
    ),
    "windows of letters": (
        "windows_overlap",
        case(R + "letters", R + "text_windows"),
    ),
    "persons on both sides": ("groups_overlap", case("dense", R + "grouped")),
    "persons on both sides by their maker": (
        "groups_overlap",
        case("dense", R + "grouped", data_args={"how": "random"}),
    ),
    "sentences on both sides": ("split_leak", tokens("Bag", "short_words", data_args={"length": 12, "copies": 30})),
    "a class that training lacks": (
        "split_mismatch",
        case("dense", R + "rare_class", model_args={"outputs": 40}, data_args={"count": 8}),
    ),
    "skewed classes": ("class_imbalance", case("dense", R + "skewed")),
    # Targets and metrics.
    "mean 92 and deviation 44": ("targets_not_standardized", regression(data_args={"stds": [44.0], "means": [92.0]})),
    "mean 50 and deviation 10": ("targets_not_standardized", regression(data_args={"stds": [10.0], "means": [50.0]})),
    "deviation 0.05, where outputs start small": (
        "targets_not_standardized",
        regression(model="zero_head", data_args={"stds": [0.05]}),
    ),
    "deviations of 8 and 0.12": ("targets_not_standardized", regression(outputs=2, data_args={"stds": [8.0, 0.12]})),
    "an error under max": (
        "metric_direction",
        regression(data_args={"stds": [1.0]}, metric=f"max {R}rms_error"),
    ),
    "misses under max": ("metric_direction", case("dense", "clouds", metric=f"max {R}misses")),
    "hits under min": ("metric_direction", case("dense", "clouds", metric=f"min {R}hits")),
    "overlap under min": ("metric_direction", {**masks("flip both"), "metric": f"min {R}overlap"}),
    "a metric that is never a number": ("metric_not_finite", case("dense", "clouds", metric=f"max {R}no_number")),
    "a metric of targets that vary": (
        "metric_not_finite",
        case("dense", "clouds", metric=f"max {R}over_nothing"),
    ),
    "a single class": ("single_class", case("dense", R + "one_class", model_args={"outputs": 2})),
    "a single value": ("single_class", regression("one_value")),
    "halves for classes": ("labels_out_of_range", case("dense", R + "halves")),
    "whole numbers without their task": (
        "labels_out_of_range",
        case("dense", R + "counts", model_args=MLP, data_args={"whole": True}),
    ),
    # Sequences.
    "a transformer without its mask": (
        "sees_later_tokens",
        tokens("Decoder", model_args={"fault": "no mask"}, **FLAT_LOSS),
    ),
    "a mask one off": ("sees_later_tokens", tokens("Decoder", model_args={"fault": "one off"}, **FLAT_LOSS)),
    "a mean over time": ("sees_later_tokens", tokens("Decoder", model_args={"fault": "mean"}, **FLAT_LOSS)),
    "a recurrent layer in both directions": (
        "sees_later_tokens",
        tokens("RecurrentDecoder", model_args={"both": True}),
    ),
    "a loss that shifts, without a mask": (
        "sees_later_tokens",
        tokens(
            "Decoder",
            model_args={"fault": "no mask"},
            data_args={"shifted": False},
            loss=S + "shifting_loss",
        ),
    ),
    "centred convolutions of numbers one step ahead": (
        "sees_later_tokens",
        tokens("Convolutions", "series_ahead", task="regression", model_args={"causal": False}),
    ),
    "logits of a causal transformer reshaped": (
        "axes_mixed_up",
        tokens("Decoder", model_args={"fault": "reshape"}),
    ),
    "numbers reshaped before causal convolutions": (
        "axes_mixed_up",
        tokens("Convolutions", "series_ahead", task="regression", model_args={"view": True}),
    ),
    "a decoder that looks ahead": (
        "sees_later_tokens",
        tokens("Translator", "translations", model_args={"causal": False}, **FLAT_LOSS),
    ),
    "targets that are not shifted": (
        "target_among_inputs",
        tokens("Decoder", data_args={"shifted": False}, **FLAT_LOSS),
    ),
    "padded targets that are not shifted": (
        "target_among_inputs",
        tokens("RecurrentDecoder", "padded_next_tokens", model_args=WIDE, data_args={"shifted": False}),
    ),
    "a decoder that is given its targets": (
        "target_among_inputs",
        tokens("Translator", "translations", data_args={"begin": False}, **FLAT_LOSS),
    ),
    "a table that holds its classes": (
        "target_among_inputs",
        labels_in_table(),
    ),
    "a mask that is not passed on": ("input_unused", tokens("Reader", "sentences", model_args={"how": "nothing"})),
    "kinds that are dropped": (
        "input_unused",
        tokens("Reader", "sentences", data_args={"extra": "kinds"}),
    ),
    "the second table is not used": (
        "input_unused",
        tokens("Pair2", "two_tables", task="regression", model_args={"uses": "a"}),
    ),
    "padding in a mean": ("padding_not_masked", tokens("Reader", "words_only", model_args={"how": "nothing"})),
    "padding before the last state": ("padding_not_masked", tokens("LastState", "sentences")),
    "a mask of the real words before a mean": ("mask_inverted", words("Attending", model_args={"mask": "inverted"})),
    "a mask of the real words before the first state": (
        "mask_inverted",
        words("Attending", model_args={"mask": "inverted", "head": "first"}),
    ),
    "tags by a mask of the real words": (
        "mask_inverted",
        tagged_words("Attending", mask="inverted", head="tags"),
    ),
    "words cut to the size of an embedding": ("tokens_merged", words("Recurrent", model_args={"how": "clamp"})),
    "words cut to the size of an encoder's embedding": ("tokens_merged", words("Encoder", model_args={"how": "clamp"})),
    "words laid over each other": ("tokens_merged", words("Recurrent", model_args={"how": "hash"})),
    "words laid over each other in an own table": (
        "tokens_merged",
        words("Recurrent", model_args={"how": "own table"}),
    ),
    "a softmax over queries": (
        "attention_axis",
        words("Attending", S + "sentences", model_args={"axis": 1}, data_args={"full": True}),
    ),
    "a softmax over queries of two heads": ("attention_axis", rows_weighed("queries")),
    "a softmax over two heads": ("attention_axis", rows_weighed("heads")),
    "much padding before the last state": (
        "padding_not_masked",
        tokens("LastState", "words_only", data_args={"width": 60}),
    ),
    "padded tokens as targets": (
        "padding_in_loss",
        tokens("Decoder", "padded_next_tokens", model_args=WIDE, data_args={"marker": None}, **FLAT_LOSS),
    ),
    "padded tags as targets": (
        "padding_in_loss",
        tagged("Tagger", data_args={"counted": True}, **FLAT_LOSS),
    ),
    "nearly all classes of no weight": (
        "targets_mostly_ignored",
        case("dense", "clouds", loss={"target": "cross_entropy", "args": {"weight": [0.0, 0.0, 0.0, 1.0]}}),
    ),
    "nearly all pixels marked": (
        "targets_mostly_ignored",
        case(
            R + "pixels",
            S + "mostly_ignored",
            model_args={"outputs": 2},
            data_args={"share": 0.985},
            loss={"target": "cross_entropy", "args": {"ignore_index": 255}},
        ),
    ),
    "three classes of pixels for two outputs": (
        "labels_out_of_range",
        case(R + "pixels", S + "mostly_ignored", model_args={"outputs": 2}, data_args={"share": 0.2}),
    ),
    "one pixel in three hundred": (
        "class_imbalance",
        case(R + "pixels", S + "skewed_pixels", model_args={"outputs": 2}, data_args={"share": 0.003}),
    ),
}

SOUND = {
    # Axes.
    "channels brought first": axes("Pictures", "permute"),
    "features brought before time": axes("Steps", "transpose"),
    "steps as samples and back": axes("Steps", "flat and back"),
    "heads": axes("Steps", "heads"),
    "an axis of one moved by a view": axes("Steps", "one in between"),
    "directions laid beside each other": axes("LastStates", "transpose"),
    # Losses of torch.
    "a divergence of logarithms": points("shares", "kl_of_logarithms"),
    "a divergence of logarithms, both": points("shares", "kl_both_logarithms"),
    "sigmoid where it belongs": points("bits", "sigmoid_where_it_belongs"),
    "rates, and it is said": points("counts", "poisson_of_rates_said"),
    "signs": points("signs", "soft_margin", task="regression"),
    "each output with its own target": points("numbers", "each_with_its_own"),
    "a penalty of the mean": points("numbers", "against_one"),
    "a correlation": points("numbers", "not_correlated"),
    # Readings.
    "picture and mask flipped together": masks("flip both"),
    "picture and mask turned together": masks("turn both"),
    "picture and mask cropped together": masks("crop both"),
    "noise, brightness and contrast on pictures with masks": masks("noise"),
    "pictures of one class flipped": case(
        R + "picture_class", R + "scenes", data_args={"transform": "flip", "whole": True}
    ),
    "noise on a table": labelled("noise"),
    # Splits.
    "windows divided in time with a gap": windows(how="time", gap=16),
    "windows divided in time without a gap": windows(how="time", stride=4),
    "windows that do not overlap": windows(stride=16),
    "windows of letters divided in time": case(R + "letters", R + "text_windows", data_args={"how": "time"}),
    "a sparse table": case("dense", R + "sparse_table", model_args={"features": 90, "outputs": 2}),
    "persons on one side each": case("dense", R + "grouped", data_args={"how": "apart"}),
    "a person a row": case("dense", R + "grouped", data_args={"size": 1}),
    "persons numbered from zero in each split": case("dense", R + "grouped", data_args={"how": "local numbers"}),
    "short words that come again": tokens("Bag", "short_words"),
    "pairs of numbers that come again": tokens("Rating", "ratings", task="regression"),
    "bags of words, one behind the other": tokens("Bags", "bags"),
    "likenesses of all pairs of a batch": case(S + "Likenesses", S + "two_views", loss=S + "each_its_own"),
    "rare classes of which validation has one": case("dense", R + "rare_class", model_args={"outputs": 40}),
    "classes that the loss weighs": case(
        "dense", R + "skewed", loss={"target": "cross_entropy", "args": {"weight": [0.1, 1.0, 1.0, 1.0]}}
    ),
    # Targets and metrics.
    "deviations of 0.5 and 3": regression(outputs=2, data_args={"stds": [0.5, 3.0], "means": [0.2, 2.0]}),
    "the mean in the last bias": regression(
        model="planted_near:mean_bias", model_args={}, data_args={"stds": [10.0], "means": [50.0]}
    ),
    "columns in units of their own under a loss that weighs them": regression(
        outputs=2, model="zero_head", data_args={"stds": [8.0, 0.12]}, loss=R + "weighed"
    ),
    "whole numbers as they come": regression("counts", data_args={"whole": True}, loss=R + "poisson"),
    "counts under their likelihood": regression("counts", loss=R + "poisson"),
    "an error under min": regression(data_args={"stds": [1.0]}, metric=f"min {R}rms_error"),
    "a negative error under max": regression(data_args={"stds": [1.0]}, metric=f"max {R}closeness"),
    "misses under min": case("dense", "clouds", metric=f"min {R}misses"),
    "hits under max": case("dense", "clouds", metric=f"max {R}hits"),
    "a metric that is no number of wrong answers": case("dense", "clouds", metric=f"max {R}log_of_hits"),
    "a metric that is the same for all": case("dense", "clouds", metric=f"max {R}mean_output"),
    # Sequences.
    "a causal transformer": tokens("Decoder", **FLAT_LOSS),
    "a causal transformer, classes second": tokens("Decoder", model_args={"last": False}),
    "a recurrent language model": tokens("RecurrentDecoder"),
    "a loss that shifts": tokens("Decoder", data_args={"shifted": False}, loss=S + "shifting_loss"),
    "padded walks": tokens("Decoder", "padded_next_tokens", model_args=WIDE, **FLAT_LOSS),
    "causal convolutions of numbers one step ahead": tokens("Convolutions", "series_ahead", task="regression"),
    "a translator": tokens("Translator", "translations", **FLAT_LOSS),
    "a translator of sources without padding": tokens("Translator", "summaries", **FLAT_LOSS),
    "a code of a whole sentence, read back": tokens("CodeOfSentence", data_args={"shifted": False}),
    "words to be found again": tokens("Decoder", "corrupted", **FLAT_LOSS),
    "a table with a column close to its target": regression(R + "with_target", data_args={"off": 0.01}),
    "a table with a column close to its classes": labels_in_table(off=0.01),
    "a reader with a mask": tokens("Reader", "sentences"),
    "a reader that makes its own mask": tokens("Reader", "words_only"),
    "a mask of ones": tokens("Reader", "sentences", model_args={"how": "nothing"}, data_args={"full": True}),
    "kinds that are all zero": tokens(
        "Reader", "sentences", model_args={"dropped": True}, data_args={"extra": "zeros"}
    ),
    "numbers of the samples": tokens("Reader", "sentences", data_args={"extra": "number"}),
    "a tagger in both directions, packed": tagged("Tagger", **FLAT_LOSS),
    "a tagger in both directions that runs through padding": tagged(
        "Tagger", model_args={"packed": False}, **FLAT_LOSS
    ),
    "a tagger by attention": tagged("Reader", model_args={"outputs": 3, "tags": True}, **FLAT_LOSS),
    "own attention with its mask": words("Attending"),
    "own attention that is read at the first word": words("Attending", model_args={"head": "first"}),
    "tags by own attention": tagged_words("Attending", head="tags"),
    "an encoder with its mask": words("Encoder"),
    "words by two hashes": words("Recurrent", model_args={"how": "two hashes"}),
    "rare words made one": words("Recurrent", model_args={"how": "rare unknown"}),
    "capitals as small letters": words("Recurrent", T + "mixed_case", model_args={"how": "case", "vocabulary": 31}),
    "a softmax over keys of two heads": rows_weighed("keys"),
    "a softmax over slots that are divided by their sums": rows_weighed("slots"),
    "a softmax over keys that stand before queries": rows_weighed("turned"),
    "attention in both ways": rows_weighed("both ways"),
    "counts of words": words("Counts"),
    "maxima of kernels over padded words": tokens("TextCnn", "words_only"),
    "a second table behind a gate of zero": tokens(
        "Pair2", "two_tables", task="regression", model_args={"uses": "behind a gate"}
    ),
    "a second table in training alone": tokens(
        "Pair2", "two_tables", task="regression", model_args={"uses": "in training"}
    ),
    "a third of the pixels marked": case(
        R + "pixels",
        S + "mostly_ignored",
        model_args={"outputs": 2},
        data_args={"share": 0.3},
        loss={"target": "cross_entropy", "args": {"ignore_index": 255}},
    ),
    "a pixel in twenty": case(R + "pixels", S + "skewed_pixels", model_args={"outputs": 2}, data_args={"share": 0.05}),
}


@pytest.mark.parametrize("name", every_other_day(FAULTS))
def test_step_1_names_the_fault_and_no_other(name):
    code, recipe = FAULTS[name]
    result = first_step(recipe)
    assert list(spoken(result)) == [code], [item.message for item in result.findings]


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("a mean over time", "add"),  # of the mean, which has no time any more
        ("a recurrent layer in both directions", "gru"),
        ("centred convolutions of numbers one step ahead", "conv1d"),
    ],
)
def test_what_first_looks_ahead_is_named(name, operation):
    [finding] = [item for item in first_step(FAULTS[name][1]).findings if item.code == "sees_later_tokens"]
    assert finding.evidence["operation"] == operation
    assert finding.evidence["place"].startswith("planted_sequences.py, line ")


@pytest.mark.parametrize("name", every_other_day(SOUND))
def test_step_1_stays_silent(name):
    result = first_step(SOUND[name])
    assert spoken(result) == {}, [item.message for item in result.findings]


@pytest.mark.parametrize(
    ("recipe", "code"),
    [
        (case("dense", "clouds", batch_size=5000), "batch_is_everything"),
        (regression("with_target"), "target_among_inputs"),
        (regression("one_value", loss="planted_models:own_mean_squares"), "single_class"),
    ],
)
def test_what_is_no_fault_is_a_note(recipe, code):
    result = first_step(recipe)
    assert (spoken(result), [item.code for item in result.findings]) == ({}, [code])


def test_a_loss_that_is_not_finite_is_told_with_what_it_does_not_take():
    result = first_step(points("shares", "kl_logarithms_as_shares"))
    assert [item.code for item in result.findings] == ["initial_loss_not_finite", "loss_misused"]
    assert "takes targets within 0 and 1, and gets -" in result.findings[1].message


@pytest.mark.parametrize(
    ("recipe", "ignored"),
    [
        (words("Attending", model_args={"placed": False}), True),
        (tokens("Reader", "sentences"), True),
        (tagged("Reader", model_args={"outputs": 3, "tags": True}, **FLAT_LOSS), True),
        (tagged_words("Encoder", how="no places"), True),
        (tagged_words("Encoder"), False),
        (words("Attending"), False),
        (words("Counts"), False),
        (tokens("Bag", "short_words"), False),
        (tokens("Decoder", **FLAT_LOSS), False),
    ],
)
def test_attention_without_places_is_a_note(recipe, ignored):
    result = first_step(recipe)
    assert spoken(result) == {}
    assert ("order_ignored" in [item.code for item in result.findings]) == ignored


def test_a_mask_that_hides_whole_sequences_is_told_with_what_it_makes():
    result = first_step(words("Encoder", model_args={"how": "inverted"}))  # a softmax over nothing
    assert list(spoken(result)) == ["initial_loss_not_finite", "mask_inverted"]
    assert len(result.findings) == 2


def test_bytes_are_divided_by_255_first():
    finding, *_ = first_step(case("dense", "raw_images", model_args={"features": 64, "outputs": 10})).findings
    assert finding.code == "input_not_normalized"
    assert finding.advice[0].startswith("divide by 255, then subtract the mean (0.3")
