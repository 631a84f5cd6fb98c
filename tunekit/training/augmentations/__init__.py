"""Augmentation on whole batches, drawn per sample from the default generator, which the loop seeds from the iteration.

Training batches alone come here, normalised as the model gets them. What speaks of black, white or colours works in
units of the image, found once from the training split (units.py), and its result is normalised again: as if it stood
before the normalisation, so that a black border is black.
"""

from tunekit.training.augmentations.chain import AUGMENTATIONS, Augmentation, Chain, build_augmentation, links_of
from tunekit.training.augmentations.mixing import training_loss

__all__ = ["AUGMENTATIONS", "Augmentation", "Chain", "build_augmentation", "links_of", "training_loss"]
