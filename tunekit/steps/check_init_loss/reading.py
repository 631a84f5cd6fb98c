"""Samples that are read again: the same from one seed, and targets that go along with their inputs?"""

from __future__ import annotations

from tunekit.measured import Reading
from tunekit.steps.check_init_loss.settings import fault
from tunekit.vocabulary import Finding

LEFT_BEHIND = 0.25  # share of the movements that masks did not go along with; drawn apart, half of them do by chance
MOVEMENTS = 2  # below so many nothing is said
REDRAWN = 0.1  # share of the pairs with equal inputs and other targets

NOT_REPRODUCIBLE = fault(
    "not_reproducible",
    "warn",
    "A sample reads differently a second time, though the seed is the same.",
    "Training samples read twice after torch, NumPy and random were seeded alike: any that differ.",
    "A generator of the dataset's own that nothing seeds anew, a counter, the time.",
    (
        "draw from the global generators of torch, NumPy or random: they are seeded for every batch",
        "or seed a generator of your own from the sample's index at each reading",
    ),
    "PyTorch documentation, 'Reproducibility'",
)
DATA_RANDOM = fault(
    "data_random",
    "warn",
    "Inputs and targets of a sample do not belong together: one is drawn at random without the other.",
    "Training samples read under several seeds: pictures that are flipped, turned, shifted or resized against another "
    f"reading while more than {100 * LEFT_BEHIND:g} % of their masks do not go along; or equal inputs with other "
    f"targets in more than {100 * REDRAWN:g} % of the pairs.",
    "A random transform applied to the picture alone, or drawn apart for picture and mask.",
    ("draw once for each sample and apply the same flip, turn or crop to input and target",),
    "torchvision documentation, 'Transforming and augmenting images' (v2 transforms of images with masks and boxes)",
)
CODES = (NOT_REPRODUCIBLE, DATA_RANDOM)


def judge(reading: Reading | None) -> list[Finding]:
    if reading is None:
        return []
    findings = []
    if reading.differ:
        message = (
            f"{reading.differ} of {reading.samples} training samples read differently a second time under the same "
            f"seed (sample {reading.example})"
        )
        findings.append(NOT_REPRODUCIBLE.finding(message, {"differ": reading.differ, "samples": reading.samples}))
    left = reading.moved - reading.followed
    if reading.moved >= MOVEMENTS and left > LEFT_BEHIND * reading.moved:
        message = (
            f"in {reading.moved} pairs of readings the picture is {reading.how} at random, and in {left} of them its "
            "target is not"
        )
        evidence = {"moved": reading.moved, "left_behind": left, "how": reading.how}
        findings.append(DATA_RANDOM.finding(message, evidence))
    elif not reading.differ and reading.pairs and reading.redrawn > REDRAWN * reading.pairs:
        message = f"in {reading.redrawn} of {reading.pairs} pairs of readings inputs are equal and targets are not"
        evidence = {"redrawn": reading.redrawn, "pairs": reading.pairs}
        advice = ("draw targets once, when the data are made, or draw what they depend on into the inputs",)
        findings.append(DATA_RANDOM.finding(message, evidence, advice=advice))
    return findings
