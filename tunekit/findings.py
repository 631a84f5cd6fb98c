"""The catalogue: the codes of steps 1 to 5, what each means, how it is measured and what to do. No judging here."""

from __future__ import annotations

from dataclasses import dataclass

from tunekit.citations import GLOROT, KARPATHY, LECTURE, NOTES, PLAYBOOK
from tunekit.vocabulary import Code, Finding, Severity, Values


@dataclass(frozen=True)
class Entry:
    """What `tunekit explain CODE` prints. `severity` is the one a finding has unless its step says otherwise."""

    steps: tuple[str, ...]
    severity: Severity
    meaning: str
    measured: str
    causes: str
    advice: tuple[str, ...]
    source: str

    @property
    def symptom(self) -> bool:
        """Whether a fault that an earlier step names would explain it."""
        return self.steps[0] != "check-init-loss"

    @property
    def causes_later(self) -> bool:
        """Whether it explains what goes wrong in later steps."""
        return self.steps[0] == "check-init-loss" and self is not CATALOGUE["class_imbalance"]


_INIT = ("check-init-loss",)
_TINY = ("overfit-tiny",)
_SWEEP = ("lr-sweep",)
_GRID = ("coarse-grid",)
_FINE = ("fine-run",)

CATALOGUE: dict[str, Entry] = {
    "initial_loss_high": Entry(
        _INIT,
        "fail",
        "The untrained network's loss lies above what a network without knowledge has.",
        "Mean loss over several initialisations, weight decay left out, against the value expected for this loss "
        "(ln C for cross-entropy, ln 2 for binary, E[y^2] for squared error); more than 15 % above, and more than "
        "the spread of the initialisations explains.",
        "The last layer starts too large, labels and outputs do not belong together, or the loss is not the one meant.",
        (
            "look at the last layer's initialisation: its outputs should start near zero",
            "check that the labels are the classes that the outputs stand for",
        ),
        f"{LECTURE} (step 1); {NOTES}",
    ),
    "initial_loss_low": Entry(
        _INIT,
        "fail",
        "The untrained network's loss lies below what a network without knowledge can have.",
        "The same mean loss, more than 15 % below both the uniform value and the entropy of the labels.",
        "Trained weights were loaded, the label leaks into the input, or the loss is averaged over too much.",
        (
            "if the weights are pretrained on purpose, say `pretrained: true` under `model` in the recipe",
            "look for the label, or something made from it, among the inputs",
            "check what the loss divides by",
        ),
        f"{LECTURE} (step 1)",
    ),
    "outputs_are_probabilities": Entry(
        _INIT,
        "fail",
        "The model ends in softmax or sigmoid, and the loss applies it again.",
        "Outputs of real batches: all within [0, 1] and every row summing to 1 (softmax), or all within [0, 1] "
        "(sigmoid), while the loss takes logits. The initial loss alone looks right.",
        "A Softmax or Sigmoid layer at the end of the model.",
        ("return the logits: remove the Softmax or Sigmoid at the end of the model",),
        "torch.nn.CrossEntropyLoss and BCEWithLogitsLoss, which take logits",
    ),
    "outputs_clipped": Entry(
        _INIT,
        "fail",
        "The outputs cannot take all the values that the loss needs.",
        "Outputs of real batches: none below zero and a good part exactly zero (ReLU), or pressed against bounds by "
        "inputs a thousand times as large, where the loss takes logits or a twentieth of the targets lies beyond.",
        "An activation (ReLU, tanh, sigmoid, hard clipping) after the last linear layer.",
        ("remove the activation after the last layer",),
        KARPATHY,
    ),
    "logits_too_large": Entry(
        _INIT,
        "warn",
        "The outputs start so large that the network is sure of wrong answers.",
        "Standard deviation of the logits at initialisation above 2 (3 costs about 2.8 of loss at ten classes, 10 "
        "about 13).",
        "Inputs that are not normalised, or a last layer initialised too large.",
        ("make the last layer's initial weights smaller", "normalise the inputs"),
        f"{GLOROT}; {KARPATHY}",
    ),
    "loss_not_averaged": Entry(
        _INIT,
        "fail",
        "The loss grows with the size of the batch.",
        "The loss of a batch against that of its two halves: their ratio is 2 where the loss is a sum, 1 for a mean.",
        "reduction='sum', or a sum where a mean was meant.",
        ("average the loss over the batch (reduction='mean'): otherwise the rate depends on the batch size",),
        f"{LECTURE} (step 1)",
    ),
    "class_count_mismatch": Entry(
        _INIT,
        "fail",
        "The model has another number of outputs than the data has classes.",
        "The last dimension of the outputs against the classes found in the labels.",
        "A head left over from another data set.",
        ("set the last layer's outputs to the number of classes in the data",),
        f"{NOTES}",
    ),
    "labels_out_of_range": Entry(
        _INIT,
        "fail",
        "Labels lie outside what the loss can take.",
        "Smallest and largest label against the outputs; binary and multi-label targets against [0, 1].",
        "Labels counted from 1, or a marker such as -1 or 255 for 'unknown'.",
        ("number the classes from 0", "remove or mask samples without a label"),
        "torch.nn.CrossEntropyLoss",
    ),
    "input_not_finite": Entry(
        _INIT,
        "fail",
        "Inputs or targets hold NaN or infinity.",
        "Every value of the training and the validation split (a stated sample where they are too large).",
        "Missing values, a division by a zero standard deviation, the logarithm of zero.",
        ("find the named samples and repair or drop them",),
        f"{KARPATHY} (become one with the data)",
    ),
    "input_constant": Entry(
        _INIT,
        "fail",
        "The inputs carry nothing: they are the same for every sample.",
        "Standard deviation over all samples, per feature; the share of identical samples.",
        "A reader that returns empty images, a transform that destroys the input.",
        ("look at a few samples as the model gets them: `tunekit inspect`",),
        f"{KARPATHY} (become one with the data)",
    ),
    "input_not_normalized": Entry(
        _INIT,
        "warn",
        "The inputs are far from zero mean and unit scale.",
        "Mean and standard deviation of the inputs as the model gets them: a scale above 10 or below 0.01, or a mean "
        "more than 10 standard deviations from zero, unless the model begins with a normalisation layer.",
        "Raw pixel values (0 to 255) or features in their own units.",
        ("subtract the training mean and divide by the training standard deviation",),
        "CS231n course notes, neural-networks-2 (data preprocessing)",
    ),
    "class_imbalance": Entry(
        _INIT,
        "warn",
        "Some classes are far rarer than others.",
        "The most frequent class more than 10 times the rarest.",
        "The data are so; accuracy then says little.",
        (
            "judge by a metric that sees the rare classes",
            "weigh the loss or sample by class",
        ),
        "Amazon SageMaker Debugger, ClassImbalance (threshold 10)",
    ),
    "conflicting_labels": Entry(
        _INIT,
        "warn",
        "Identical inputs carry different labels.",
        "Samples grouped by the hash of their input; groups whose labels differ, above 1 % of the samples.",
        "Labels shifted against the inputs, a join gone wrong, annotators who disagree.",
        ("look at the named pairs and mend the labels: no network can learn both",),
        KARPATHY,
    ),
    "split_leak": Entry(
        _INIT,
        "fail",
        "Validation samples stand in the training split too.",
        "Hashes of the validation inputs found among the training inputs: above 1 % of the validation split.",
        "A split made after augmenting or duplicating, or overlapping slices.",
        (
            "split before duplicating or augmenting, and by group where samples belong together (`split: group`)",
            "until then validation numbers are too good",
        ),
        "Goodfellow et al., 'Deep Learning', 2016, section 5.3",
    ),
    "split_mismatch": Entry(
        _INIT,
        "fail",
        "Training and validation inputs are not prepared alike.",
        "Mean and scale of the inputs of both splits: a shift above half a standard deviation, or scales that "
        "differ by more than a half; or classes of one split that the other lacks.",
        "Normalisation applied to one split only, or other transforms for validation.",
        ("apply the same deterministic transforms, with the training split's statistics, to both splits",),
        "CS231n course notes, neural-networks-2 (data preprocessing, common pitfall)",
    ),
    "frozen_parameters": Entry(
        _INIT,
        "warn",
        "Some parameters do not train.",
        "Parameters with requires_grad off.",
        "A freeze meant for fine-tuning, or left over.",
        ("if it is meant, say `pretrained: true` under `model`; otherwise set requires_grad to True",),
        KARPATHY,
    ),
    "unused_parameters": Entry(
        _INIT,
        "fail",
        "Parameters get no gradient from the loss.",
        "One backward pass over a real batch: gradients that are None.",
        "detach(), no_grad() or .item() on the way, or layers that forward() never calls.",
        ("look for detach, no_grad or a layer that forward() leaves out, before the named parameters",),
        KARPATHY,
    ),
    "vanishing_gradients": Entry(
        _INIT,
        "fail",
        "Gradients die on their way to the first layers.",
        "Norm of the loss's gradient with respect to the first layer's outputs over that with respect to the "
        "network's: below 1e-5 (a warning below 2e-4). Weights that start at exactly zero are stirred for it.",
        "Saturating activations in depth, or initial weights that are too small.",
        (
            "use ReLU-like activations with He initialisation, normalisation layers or skip connections",
            "use fewer layers",
        ),
        f"{GLOROT}; thresholds from 36 networks trained for 150 iterations at three rates",
    ),
    "exploding_gradients": Entry(
        _INIT,
        "fail",
        "Gradients grow on their way to the first layers, or are huge.",
        "The same ratio above 1000, not by a single layer's step; or a gradient that is not finite.",
        "Initial weights that are too large in depth, or inputs that are not normalised.",
        (
            "use He or Xavier initialisation or normalisation layers",
            "clip the gradient: `clip_grad_norm: 1.0`",
        ),
        f"{GLOROT}; Pascanu et al., ICML 2013",
    ),
    "dead_units": Entry(
        _INIT,
        "fail",
        "Units of a layer are off for every sample.",
        "Outputs of every activation module and function over real samples: zero (ReLU-like) for all of them in "
        "more than half of a layer's units.",
        "A strongly negative bias, weights that are too large, inputs that are not normalised.",
        ("look at the bias and scale of the named layer", "normalise the inputs"),
        "CS231n course notes, neural-networks-1 (ReLU); Amazon SageMaker Debugger, DeadRelu (50 %)",
    ),
    "batch_leak": Entry(
        _INIT,
        "fail",
        "A sample's output depends on the other samples of its batch.",
        "In eval mode, the gradient of one sample's outputs with respect to every input of the batch: it must be "
        "zero but for its own.",
        "A view or reshape where a transpose was meant, or a sum over the wrong dimension.",
        ("look for reshape, view, mean or softmax over the batch dimension in forward()",),
        f"{KARPATHY} (use backprop to chart dependencies)",
    ),
    "input_ignored": Entry(
        _INIT,
        "fail",
        "The outputs do not depend on the inputs.",
        "The gradient of the outputs with respect to the inputs is zero, and other inputs give the same outputs.",
        "The input is overwritten, multiplied by zero or detached in forward().",
        ("follow the input through forward()",),
        f"{KARPATHY} (input-independent baseline)",
    ),
    "regularization_not_added": Entry(
        _INIT,
        "fail",
        "The regularisation that the recipe asks for changes nothing.",
        "A loss-side penalty must raise the loss; with weight decay in the optimizer, one step at zero gradient "
        "must shrink the weights.",
        "The optimizer drops the argument, or its parameter groups set their own weight decay of zero.",
        ("pass weight_decay on to the optimizer's parameter groups",),
        f"{LECTURE} (step 1: turn on weight decay, the loss must go up)",
    ),
    "cannot_overfit": Entry(
        _TINY,
        "fail",
        "The model does not learn a handful of samples by heart.",
        "Training accuracy below 100 % (regression: residual above 1 % of the variance; few parameters: below the "
        "best linear map) after all rates tried, with every regulariser off.",
        "Capacity, a broken gradient path, conflicting labels or outputs that cannot reach the targets.",
        ("mend what the evidence names, before any tuning",),
        f"{LECTURE} (step 2)",
    ),
    "loss_flat": Entry(
        _TINY,
        "fail",
        "The loss on the tiny set does not move at any rate.",
        "Best drop of the loss over all rates below 2 %.",
        "No gradient reaches the weights, the optimizer holds other parameters, or the outputs are saturated.",
        ("check that the optimizer got model.parameters() and that gradients are not zero",),
        f"{LECTURE} (step 2: loss not going down)",
    ),
    "loss_not_finite": Entry(
        _TINY,
        "fail",
        "The loss becomes NaN or infinite on the tiny set at every rate.",
        "The first iteration whose loss is not finite.",
        "Inputs that are not finite, log or division by zero in the loss, or an exploding start.",
        ("look for log, sqrt and division in the loss and the model", "check the inputs for NaN"),
        f"{LECTURE} (step 2: loss goes to Inf or NaN)",
    ),
    "overfit_slow": Entry(
        _TINY,
        "warn",
        "The tiny set is learned, but slowly.",
        "Passes over the tiny set needed, above 200; some tens is usual.",
        "Inputs on a bad scale, poor initialisation, or a very small model.",
        ("normalise the inputs and look at the initialisation",),
        f"{LECTURE} (step 2)",
    ),
    "eval_mode_differs": Entry(
        _TINY,
        "warn",
        "What was learned in train mode is not there in eval mode.",
        "Accuracy on the same samples in both modes, after BatchNorm's statistics were recomputed: more than 10 "
        "points apart.",
        "A layer that behaves differently in the two modes beyond BatchNorm and dropout.",
        ("look for code that asks self.training",),
        "Ioffe and Szegedy, 'Batch Normalization', ICML 2015, section 3.1",
    ),
    "memorizes_without_input": Entry(
        _TINY,
        "warn",
        "The tiny set is learned just as well with its inputs zeroed.",
        "Control training on zeroed inputs: it must not reach the target.",
        "The label is reachable by another way than the input, for example by the position in the batch.",
        ("look for state that the model keeps between samples",),
        f"{KARPATHY} (input-independent baseline)",
    ),
    "no_learning_rate_works": Entry(
        _SWEEP,
        "fail",
        "No rate lowers the loss by more than its noise.",
        "Drop of the smoothed training loss from its start, for each rate, against twice its standard error.",
        "A fault in the model or the data rather than the rate: step 2 tells which.",
        ("run `tunekit overfit-tiny` and mend what it names",),
        f"{LECTURE} (step 3)",
    ),
    "all_diverged": Entry(
        _SWEEP,
        "fail",
        "Every rate makes the loss diverge.",
        "Loss not finite, or above its start by more than three times its scale, at all rates.",
        "A loss that is summed, inputs on a huge scale, or an exploding start.",
        ("run `tunekit check-init-loss` and mend what it names",),
        f"{LECTURE} (step 3)",
    ),
    "best_at_edge": Entry(
        ("lr-sweep", "coarse-grid"),
        "warn",
        "The best value is the last one tried: a better one may lie beyond.",
        "The best rate (or cell) is the first or last of its axis after the extensions that the step makes itself.",
        "A scale far from usual: inputs, loss or optimizer.",
        ("widen the range in the recipe under `steps`",),
        f"{NOTES} (careful with best values on border)",
    ),
    "narrow_range": Entry(
        _SWEEP,
        "warn",
        "Only one rate works; its neighbours fail.",
        "Rates whose drop is at least 80 % of the best: a single one, while a neighbour diverges.",
        "Training that is hardly stable: no normalisation, no clipping, a poor initialisation.",
        ("try `clip_grad_norm: 1.0`, a warm-up or normalisation layers",),
        PLAYBOOK,
    ),
    "cells_diverged": Entry(
        _GRID,
        "note",
        "Some cells of the grid diverged.",
        "Loss not finite or far above its start; such cells are never scored.",
        "The rate is too high there.",
        ("nothing to do where the best cell lies well away from them",),
        LECTURE,
    ),
    "cells_failed": Entry(
        _GRID,
        "warn",
        "Some cells of the grid raised an error, twice.",
        "The error that the model, the loss or the data raised.",
        "Out of memory, or a value on a `search:` axis that the model cannot take.",
        ("read the error in result.json and run the step again: failed cells are tried anew",),
        "",
    ),
    "within_noise": Entry(
        _GRID,
        "note",
        "Several cells are as good as the best.",
        "Paired differences of the losses of the same validation samples: within two standard errors of zero.",
        "The validation split is too small, or the values matter little here.",
        ("prefer the simpler or the more regularised of them; the fine run looks at the best few",),
        "Dietterich, 'Approximate Statistical Tests', Neural Computation 1998 (paired comparison)",
    ),
    "unstable_across_seeds": Entry(
        _FINE,
        "warn",
        "The winner's result depends on the seed more than on what was tuned.",
        "Spread (standard deviation) of the validation metric over seeds against the gain over the runner-up.",
        "A small validation split or training that is hardly stable.",
        ("report mean and spread; try a smaller rate, a warm-up or clipping",),
        "Bouthillier et al., 'Accounting for Variance in Machine Learning Benchmarks', MLSys 2021",
    ),
    "fine_run_diverged": Entry(
        _FINE,
        "fail",
        "Every run of the fine step diverged.",
        "Loss not finite or far above its start.",
        "A rate that is only just stable in short runs.",
        ("take a smaller rate: `--set steps.coarse-grid.lr_factors=[0.1,0.3,1]`",),
        LECTURE,
    ),
    "still_improving": Entry(
        _FINE,
        "note",
        "The best run was still getting better when it ended.",
        "The best validation value lies in the last tenth of the run and the smoothed curve still falls.",
        "The run was short.",
        ("train longer: `--set steps.fine-run.epochs=40`",),
        f"{PLAYBOOK} (is the run still improving at its end?)",
    ),
    "not_repeatable": Entry(
        _FINE,
        "note",
        "The data come from an iterable or a sampler of the person's own: runs start anew instead of going on.",
        "The source has no length or brings its own order.",
        "An IterableDataset or a custom sampler.",
        ("return a map-style dataset to have runs continued and reused",),
        "",
    ),
}


def finding(
    code: str,
    message: str,
    evidence: Values | None = None,
    *,
    advice: tuple[str, ...] | None = None,
    severity: Severity | None = None,
) -> Finding:
    """A finding with the catalogue's severity and advice, unless the caller knows better."""
    entry = CATALOGUE[code]
    return Finding(
        code=code,
        severity=severity or entry.severity,
        message=message,
        evidence=dict(evidence or {}),
        advice=entry.advice if advice is None else advice,
    )


def codes_of(step: str) -> list[Code]:
    return [
        Code(
            n,
            e.severity,
            e.meaning,
            e.measured,
            e.causes,
            e.advice,
            e.source,
            symptom=e.symptom,
            explains_later=e.causes_later,
        )
        for n, e in CATALOGUE.items()
        if step in e.steps
    ]
