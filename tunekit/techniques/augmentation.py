"""The augmentations, told: one entry each of tunekit.training.augmentations."""

from __future__ import annotations

from tunekit.techniques.technique import Technique

HELD = "tests/training/test_augmentations.py::"
MIXED = "tests/training/test_mixing.py::"
NOTES = "CS231n course notes, neural-networks-2 and lecture slides 'Training neural networks' (data augmentation)"


def _augmentation(name: str, told: tuple[str, str, str, str], recipe: str, proof: str, formula: str = "") -> Technique:
    what, helps, costs, source = told
    line = f"data: {{augment: [{recipe}]}}"
    return Technique(name, "augmentation", what, line, proof, formula, helps, costs, source)


AUGMENTATIONS = (
    _augmentation(
        "flip",
        (
            "Mirrors images left to right, each with probability p.",
            "Wherever a mirrored picture could be taken in the world: animals, cars, rooms.",
            "Nearly no time. Wrong for digits, letters and signs, whose mirror image is another or none; step 1 warns.",
            NOTES,
        ),
        "flip",
        f"{HELD}test_each_image_is_turned_with_its_probability",
    ),
    _augmentation(
        "vertical_flip",
        (
            "Mirrors images top to bottom, each with probability p.",
            "Pictures without an up: from above, through a microscope, of tissue or galaxies.",
            "Nearly no time. Wrong where things stand on the ground.",
            NOTES,
        ),
        "vertical_flip",
        f"{HELD}test_twice_is_nothing_and_at_zero_is_nothing",
    ),
    _augmentation(
        "crop",
        (
            "Shifts images by up to `padding` pixels each way; `fill` comes in: black, mean, edge or reflect.",
            "Nearly always: the usual one for images of 32 pixels, with 4 of padding.",
            "Little time. Objects at the border are cut.",
            "He et al., 'Deep Residual Learning', CVPR 2016, section 4.2",
        ),
        "{crop: {padding: 4, fill: black}}",
        f"{HELD}test_is_a_window_of_the_padded_image",
    ),
    _augmentation(
        "resized_crop",
        (
            "A box of a share of the area within `scale` and a height to width within `ratio`, brought to full size.",
            "Objects of many sizes and places: photographs.",
            "One bilinear sampling. A small box may miss the object: small images want a scale from 0.25 or more.",
            "Szegedy et al., 'Going Deeper with Convolutions', CVPR 2015, section 6",
        ),
        "{resized_crop: {scale: [0.25, 1.0], ratio: [0.75, 1.333]}}",
        f"{HELD}test_areas_are_uniform_and_shapes_within_bounds",
    ),
    _augmentation(
        "rotate",
        (
            "Turns images about their centre by up to `degrees` either way.",
            "Handwriting, and things that lie or are held at an angle.",
            "One bilinear sampling, which blurs a little. At large angles 6 becomes 9.",
            NOTES,
        ),
        "{rotate: {degrees: 15}}",
        f"{HELD}test_turned_by_right_angles_is_rot90",
    ),
    _augmentation(
        "affine",
        (
            "Turns, shifts (of the side), scales and shears (degrees) in one sampling, each up to what is said.",
            "Where several of these vary: handwritten digits gain much.",
            "One bilinear sampling for all of them: cheaper and sharper than one after the other.",
            "Simard, Steinkraus and Platt, 'Best Practices for Convolutional Neural Networks', ICDAR 2003",
        ),
        "{affine: {degrees: 10, translate: 0.1, scale: [0.9, 1.1], shear: 5}}",
        f"{HELD}test_shear_and_scale_move_points_as_their_matrix_says",
        "from = C + (turn * shear * scale)^-1 (to - C - shift), about the centre C, in pixels",
    ),
    _augmentation(
        "jitter",
        (
            "Brightness, contrast, saturation and hue, as torchvision's ColorJitter means them, in that order.",
            "Light, cameras and seasons that vary.",
            "Little time, but for hue, which takes as long as all the rest. Wrong where the colour is the class.",
            f"Krizhevsky et al., NeurIPS 2012, section 4.1, for colours that vary; {NOTES}",
        ),
        "{jitter: {brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.05}}",
        f"{HELD}test_factors_do_what_torchvision_does_to_one_image",
        "each factor uniform within 1 - value and 1 + value; x = factor*x + (1 - factor)*other, where other is black, "
        "the mean grey, the grey image; hue turns by up to its share of the circle",
    ),
    _augmentation(
        "erase",
        (
            "Erases a box of a share of the area within `scale`, with probability p: `value` mean, random or 0 to 1.",
            "Against networks that hang on one detail, and for objects that are half hidden.",
            "Little time. Small objects may be erased whole.",
            "Zhong et al., 'Random Erasing Data Augmentation', AAAI 2020",
        ),
        "{erase: {p: 0.5, scale: [0.02, 0.33], value: mean}}",
        f"{HELD}test_a_box_of_the_asked_area_and_value",
    ),
    _augmentation(
        "noise",
        (
            "Adds Gaussian noise of deviation `std`, in the units in which the model gets its inputs.",
            "Any inputs that are measurements; for a linear model under squared loss it equals L2.",
            "Little time. Too much hides what is fine.",
            "Bishop, 'Training with Noise is Equivalent to Tikhonov Regularization', Neural Computation 1995",
        ),
        "{noise: {std: 0.1}}",
        f"{HELD}test_noise_has_the_asked_size",
        "x = x + std*n, n standard normal",
    ),
    _augmentation(
        "mixup",
        (
            "Mixes each sample with another of its batch, and their targets by the same shares.",
            "Long trainings that overfit, and noisy labels; also of tables.",
            "No time. Wants longer training; the training loss stays high, and no training metric is shown.",
            "Zhang et al., 'mixup: Beyond Empirical Risk Minimization', ICLR 2018",
        ),
        "{mixup: {alpha: 0.2}}",
        f"{MIXED}test_targets_have_the_shares_of_the_inputs",
        "x = s*x1 + (1 - s)*x2; loss = s*loss(y1) + (1 - s)*loss(y2); s ~ Beta(alpha, alpha)",
    ),
    _augmentation(
        "cutmix",
        (
            "Pastes a box of another image into each, and mixes their targets by the areas.",
            "Photographs, in long trainings that overfit.",
            "Little time. Wants longer training; the training loss stays high, and no training metric is shown.",
            "Yun et al., 'CutMix', ICCV 2019",
        ),
        "{cutmix: {alpha: 1.0}}",
        f"{MIXED}test_targets_have_the_shares_of_the_pasted_areas_exactly",
        "loss = s*loss(y1) + (1 - s)*loss(y2), s the share of the pixels that stayed; s ~ Beta(alpha, alpha) before "
        "what hangs over is cut off",
    ),
    Technique(
        "augment_strength",
        "augmentation",
        "One number times the magnitudes of all augmentations: 1 is as written, 0 none at all.",
        "data: {augment: [crop, {rotate: {degrees: 15}}], augment_strength: 0.5}",
        f"{HELD}TestStrength::test_magnitudes_are_scaled_and_probabilities_stay",
        "pixels, degrees, areas, deviations and alpha times s; factors to the power of s; probabilities stay",
        "To search: `search: {data.augment_strength: [0, 0.5, 1]}`.",
        "As many trainings as it has values; flips know only on and off.",
        "Cubuk et al., 'RandAugment', NeurIPS 2020 (one magnitude for all)",
    ),
    Technique(
        "five-crop",
        "augmentation",
        "At test time: the corners' crops and the centre's (with mirror images, where training flips), their "
        "probabilities averaged.",
        "train: {test_time: five-crop}",
        "tests/training/test_test_time.py::test_probabilities_are_averaged_and_the_loss_is_that_of_their_mean",
        "p = 1/V sum p(y | view), over V = 5 or 10 views of 0.875 of the side",
        "The final model on photographs: some tenths of a point, without training anything.",
        "Five or ten times the time of an answer, in `predict` and `load_model` too.",
        "Krizhevsky, Sutskever and Hinton, NeurIPS 2012, section 4.1",
    ),
)
