"""Augmentation on whole batches, drawn per sample from the default generator, which the loop seeds from the iteration.

Training batches alone come here, normalised as the model gets them. What speaks of black, white or colours works in
units of the image, found once from the training split (units.py), and its result is normalised again: as if it stood
before the normalisation, so that a black border is black.

Why not a library: on 128 images of 3x32x32 and one CPU thread kornia 0.9 takes 2.4 times as long for crop and flip, 2.1
times for resized crop, flip, jitter with hue and erasing, 2.7 for mixup and 5.6 for cutmix; torchvision's v2, which
draws once a call and so is called once an image, 9 and 13 times for the two chains (the bar was twice; measured by
`python -m tests.benchmarks augmentation`). Alone, kornia's rotation, affine map, erasing, noise and jitter without hue
lie within 1.2 to 1.6, but they do not fill with the mean, erase with mean or noise, or shift by whole pixels.
"""

from tunekit.training.augmentations.chain import AUGMENTATIONS, Augmentation, Chain, build_augmentation, links_of
from tunekit.training.augmentations.mixing import training_loss

__all__ = ["AUGMENTATIONS", "Augmentation", "Chain", "build_augmentation", "links_of", "training_loss"]
