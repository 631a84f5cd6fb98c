"""What step 1 measures on a sound network, by hand, and single changes to it that must or must not be minded."""

import math
from dataclasses import replace

from tunekit.measured import (
    Conflicts,
    Decay,
    Dependence,
    Duplicates,
    Expectation,
    Frozen,
    Gradient,
    Gradients,
    InitialMeasured,
    Inputs,
    Labels,
    LossMeasured,
    NotFinite,
    Outputs,
    Samples,
    Shared,
    Shift,
    Split,
    Stretched,
    Targets,
    Units,
)


def flow(*sizes):
    return tuple(Gradient(str(i), size) for i, size in enumerate(sizes))


def expectations(**losses):
    return tuple(Expectation(knowledge, loss) for knowledge, loss in losses.items())


def changed(value, **changes):
    """The value with fields at dotted paths replaced (`a__b=1`)."""
    for path, item in changes.items():
        first, _, rest = path.partition("__")
        value = replace(value, **{first: changed(getattr(value, first), **{rest: item}) if rest else item})
    return value


CLASSES = dict.fromkeys(range(10), 100)
TRAIN = Split(
    size=1000,
    seen=1000,
    not_finite=NotFinite(0, ()),
    targets_not_finite=0,
    inputs=Inputs(mean=0.0, std=1.0, features=64, constant_features=3),
)
SAMPLES = Samples(
    train=TRAIN,
    val=replace(TRAIN, size=250, seen=250),
    shift=Shift(mean=0.02, scale=1.02, feature=7, feature_shift=0.2, feature_z=3.0, shifted_features=0.0),
    labels=Labels(lowest=0.0, highest=9.0, train=CLASSES, val=dict.fromkeys(range(10), 25)),
    duplicates=Duplicates(
        kinds=None,
        repeated=0.0,
        largest_group=0.001,
        diversity=None,
        conflicts=Conflicts(0.0, ()),
        shared=Shared(0.0, 0, ()),
    ),
)
INITIAL = InitialMeasured(
    kind="classification",
    outputs=Outputs(
        shape=(10,),
        lowest=-1.0,
        highest=1.1,
        rms=0.3,
        std=0.3,
        zeros=0.0,
        finite=True,
        row_sum_off=2.0,
        column_sum_off=9.0,
    ),
    targets=Targets(lowest=0.0, highest=9.0, low=0.0, high=9.0),
    loss=LossMeasured(
        train_mode=2.35,
        eval_mode=2.34,
        expected=expectations(zero=math.log(10), prior=2.29),
        over_halves=1.0,
        takes_logits=True,
        gradients=Gradients(
            weights=flow(0.01, 0.01, 0.01, 0.01),
            flow=flow(0.05, 0.05, 0.05, 0.05),
            unreached=(),
            unreached_share=0.0,
            finite=True,
        ),
        units=(Units("1", 64, dead=0.05, varies=0.8),),
    ),
    stretched=Stretched(lowest=-900.0, highest=1200.0, at_bounds=0.01),
    dependence=Dependence(own=0.5, others=0.0),
    frozen=Frozen(),
    normalizes_input=False,
    decay=None,
)


SPEAKS = {
    "nan in inputs": (
        "input_not_finite",
        {
            "train__not_finite": NotFinite(
                2,
                (
                    3,
                    8,
                ),
            )
        },
        {},
    ),
    "nan in targets": ("input_not_finite", {"val__targets_not_finite": 1}, {}),
    "every input the same": ("input_constant", {"train__inputs__constant_features": 64, "train__inputs__std": 0.0}, {}),
    "most inputs one sample": ("input_constant", {"duplicates__largest_group": 0.6}, {}),
    "pixels 0 to 255": ("input_not_normalized", {"train__inputs__mean": 78.0, "train__inputs__std": 96.0}, {}),
    "a mean far from zero": ("input_not_normalized", {"train__inputs__mean": 20.0}, {}),
    "values far too small": ("input_not_normalized", {"train__inputs__mean": 0.0, "train__inputs__std": 0.005}, {}),
    "eleven to one": ("class_imbalance", {"labels__train": {**CLASSES, 3: 10, 4: 110}}, {}),
    "conflicting labels": (
        "conflicting_labels",
        {"duplicates__conflicts": Conflicts(0.02, ((1, 2),))},
        {},
    ),
    "leak": ("split_leak", {"duplicates__shared__share": 0.05, "duplicates__shared__count": 12}, {}),
    "validation moved": ("split_mismatch", {"shift__mean": 0.7}, {}),
    "validation of another scale": ("split_mismatch", {"shift__scale": 0.5}, {}),
    "one feature moved": ("split_mismatch", {"shift__feature_shift": 2.0, "shift__feature_z": 30.0}, {}),
    "a class never trained": ("split_mismatch", {"labels__val": {0: 5, 11: 3}}, {}),
    "loss above": ("initial_loss_high", {}, {"loss__train_mode": 3.2, "outputs__std": 1.6}),
    "loss not finite": ("initial_loss_not_finite", {}, {"loss__train_mode": math.nan}),
    "loss below": ("initial_loss_low", {}, {"loss__train_mode": 1.2, "loss__eval_mode": 1.2}),
    "trained weights with large outputs": (
        "initial_loss_low",
        {},
        {"loss__train_mode": 0.1, "loss__eval_mode": 0.1, "outputs__std": 8.0},
    ),
    "softmax": (
        "outputs_are_probabilities",
        {},
        {
            "outputs__lowest": 0.05,
            "outputs__highest": 0.2,
            "outputs__row_sum_off": 1e-6,
            "stretched": Stretched(0.0, 1.0, 0.0),
        },
    ),
    "sigmoid": (
        "outputs_are_probabilities",
        {},
        {"outputs__lowest": 0.3, "outputs__highest": 0.7, "stretched": Stretched(0.0, 1.0, 0.0)},
    ),
    "relu": ("outputs_clipped", {}, {"outputs__lowest": 0.0, "outputs__zeros": 0.5, "stretched__lowest": 0.0}),
    "tanh": (
        "outputs_clipped",
        {},
        {"outputs__lowest": -0.5, "outputs__highest": 0.5, "stretched": Stretched(-1.0, 1.0, 0.9)},
    ),
    "large logits": ("logits_too_large", {}, {"outputs__std": 3.0, "loss__train_mode": 5.0, "loss__eval_mode": 5.0}),
    "summed": ("loss_not_averaged", {}, {"loss__over_halves": 2.0}),
    "too many outputs": ("class_count_mismatch", {}, {"outputs__shape": (100,)}),
    "too few outputs": ("class_count_mismatch", {}, {"outputs__shape": (7,), "loss": None}),
    "labels from one": ("labels_out_of_range", {}, {"loss": None, "targets__lowest": 1.0, "targets__highest": 10.0}),
    "a marker of minus one": ("labels_out_of_range", {}, {"loss": None, "targets__lowest": -1.0}),
    "frozen": ("frozen_parameters", {}, {"frozen": Frozen(("0.weight",), acting=("0.weight",), drawn=("0.weight",))}),
    "unused": (
        "unused_parameters",
        {},
        {"loss__gradients__unreached": ("0.weight",), "loss__gradients__unreached_share": 0.4},
    ),
    "vanishing": ("vanishing_gradients", {}, {"loss__gradients__flow": flow(1e-9, 1e-6, 1e-3, 0.1)}),
    "exploding": ("exploding_gradients", {}, {"loss__gradients__flow": flow(1e4, 500.0, 10.0, 0.1)}),
    "gradient not finite": ("exploding_gradients", {}, {"loss__gradients__finite": False}),
    "dead": ("dead_units", {}, {"loss__units": (Units("1", 64, 0.9, 0.1),)}),
    "batch leak": ("batch_leak", {}, {"dependence": Dependence(0.5, 0.01)}),
    "rows lost": ("batch_leak", {}, {"dependence": Dependence(1.0, 1.0, rows=1)}),
    "ignored": ("input_ignored", {}, {"dependence": Dependence(0.0, 0.0)}),
    "decay dropped": ("regularization_not_added", {}, {"decay": Decay(4.0, 4.0)}),
    "no weight for l1": ("regularization_not_added", {}, {"l1": 0.0}),
}

SILENT = {
    "sigmoids within, which bound the outputs at other values than 1": (
        {},
        {"outputs__lowest": -0.2, "outputs__highest": 0.3, "stretched": Stretched(-0.3, 0.4, 0.9)},
    ),
    "constant corner pixels": ({"train__inputs__constant_features": 20}, {}),
    "identical samples, a few": ({"duplicates__largest_group": 0.1}, {}),
    "scale of 9": ({"train__inputs__std": 9.0}, {}),
    "raw inputs before a normalisation layer": (
        {"train__inputs__mean": 78.0, "train__inputs__std": 96.0},
        {"normalizes_input": True},
    ),
    "ten to one": ({"labels__train": {**CLASSES, 3: 10}}, {}),
    "one conflict in two hundred": ({"duplicates__conflicts": Conflicts(0.005, ())}, {}),
    "two shared of 250": ({"duplicates__shared__share": 0.008, "duplicates__shared__count": 2}, {}),
    "a shift by chance": ({"shift__mean": 0.3, "shift__scale": 1.3}, {}),
    "the worst of many features": ({"shift__feature_shift": 0.7, "shift__feature_z": 5.0}, {}),
    "a far feature moved by little": ({"shift__feature_shift": 0.3, "shift__feature_z": 30.0}, {}),
    "ResNet-18 in train mode, 11 % above": ({}, {"loss__train_mode": 2.56, "outputs__std": 0.8}),
    "the prior in the last bias": (
        {},
        {"loss__expected": expectations(zero=math.log(10), prior=1.8), "loss__train_mode": 1.8, "loss__eval_mode": 1.8},
    ),
    "train mode low by dropout, eval mode as expected": ({}, {"loss__train_mode": 1.5}),
    "modest outputs that cost what they cost": ({}, {"loss__train_mode": 2.7, "outputs__std": 0.95}),
    "positive outputs that sum to other than one": ({}, {"outputs__lowest": 0.1, "outputs__highest": 3.0}),
    "probabilities for a loss that takes them": (
        {},
        {
            "loss__takes_logits": False,
            "outputs__lowest": 0.0,
            "outputs__highest": 1.0,
            "stretched": Stretched(0.0, 1.0, 0.0),
        },
    ),
    "one initialisation of three within 0 and 1": (
        {},
        [{"outputs__lowest": 0.3, "outputs__highest": 0.7, "stretched": None}, {}, {}],
    ),
    "outputs near zero from a zero last layer": (
        {},
        {
            "outputs__lowest": 0.0,
            "outputs__highest": 0.0,
            "outputs__zeros": 1.0,
            "outputs__std": 0.0,
            "stretched": None,
        },
    ),
    "bounded by LayerNorm": ({}, {"stretched": Stretched(-0.9, 0.9, 0.05)}),
    "a few exact zeros": ({}, {"outputs__lowest": 0.0, "outputs__zeros": 0.01, "stretched__lowest": 0.0}),
    "logits of scale 1.5": ({}, {"outputs__std": 1.5, "loss__train_mode": 2.6}),
    "a loss that leans on the batch": ({}, {"loss__over_halves": 1.2}),
    "shallow network with uneven gradients": (
        {},
        {"loss__gradients__weights": flow(0.01, 0.01), "loss__gradients__flow": flow(1e-6, 0.1)},
    ),
    "gradients a thousandth apart": ({}, {"loss__gradients__flow": flow(1e-4, 1e-3, 1e-2, 0.1)}),
    "one layer of large weights": ({}, {"loss__gradients__flow": flow(2000.0, 2000.0, 2000.0, 1.0)}),
    "half of a layer off": ({}, {"loss__units": (Units("1", 64, 0.5, 0.5),)}),
    "dead in one initialisation": (
        {},
        [{"loss__units": (Units("1", 8, 0.9, 0.5),)}, {}, {}],
    ),
    "rounding between samples": ({}, {"dependence": Dependence(0.5, 1e-9)}),
    "exchanged tokens within rounding": ({}, {"dependence": Dependence(0.5, 1e-6, noise=1e-5)}),
    "decay that acts": ({}, {"decay": Decay(4.0, 3.9)}),
}
