"""The sources of data, told: one entry each of tunekit.training.sources.entries."""

from __future__ import annotations

from tunekit.techniques.technique import Technique

TESTS = "tests/training"


def _source(name: str, what: str, args: str, proof: str, *more: str) -> Technique:
    helps, costs, source = more
    given = f", args: {{{args}}}" if args else ""
    quoted = f'"{name}"' if ":" in name else name
    line = f"data: {{target: {quoted}{given}}}"
    return Technique(name, "source", what, line, f"{TESTS}/{proof}", helps=helps, costs=costs, source=source)


SOURCES = (
    _source(
        "digits",
        "1,797 handwritten digits of 8x8 pixels, with scikit-learn.",
        "",
        "test_sources.py::test_digits_are_1797_images_of_8_by_8_with_values_to_16",
        "To try something in seconds, without a network.",
        "It is easy: 98 % says little of a model.",
        "Alpaydin and Kaynak, UCI, 1998",
    ),
    _source(
        "arrays",
        "NumPy arrays in an .npz: x, y, perhaps x_val, y_val, x_test, y_test, groups or times, class_names.",
        "path: data.npz",
        "test_sources.py::TestArrays::test_its_own_validation_and_test_are_used",
        "Whatever was prepared already.",
        "All of it is in memory.",
        "numpy.savez",
    ),
    _source(
        "table",
        "A .csv or .parquet with a header: numbers, texts, dates, yes and no, with gaps.",
        "path: data.csv, target: y",
        "test_table.py::TestInputs::test_numbers_and_gaps_by_the_training_rows",
        "Tables as people have them; what stands in for gaps, categories and units are those of the training rows.",
        "All of it is in memory; a text becomes at most 51 inputs.",
        "Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 7.10.2 (fit in training alone)",
    ),
    _source(
        "image-folder",
        "A folder of images a class, perhaps in train/, val/ and test/.",
        "path: images, size: 64",
        "test_images.py::test_classes_and_files_are_kept_with_their_samples",
        "Images as people have them; corrupt files are counted and named, or left out.",
        "All images become squares of one size; above 4 GB they are read anew in each epoch.",
        "torchvision.datasets.ImageFolder",
    ),
    _source(
        "text",
        "The characters of a text file, each to be told from those before it.",
        "path: book.txt, length: 64",
        "test_sources.py::TestText::test_the_target_of_a_character_is_the_next",
        "Sequence models at a small scale. Without path: the reference of the Python language.",
        "A vocabulary of characters says less a step than one of words.",
        "Karpathy, The Unreasonable Effectiveness of Recurrent Neural Networks, 2015",
    ),
    _source(
        "curve",
        "Noisy samples of y = -1 + 0.8x + 3x^2.",
        "n: 30, noise: 0.3, seed: 0",
        "test_sources.py::TestCurve::test_the_noise_is_what_a_quadratic_leaves_and_a_line_leaves_more",
        "To see underfitting and overfitting where the best possible error, noise^2, is known.",
        "It is no real task.",
        "Bishop, Pattern Recognition and Machine Learning, 1.1 (polynomial curve fitting)",
    ),
    _source(
        "breast-cancer",
        "569 tumours by 30 measures, malignant or benign, with scikit-learn.",
        "",
        "test_sources.py::test_tables_of_scikit_learn_are_those_that_it_documents",
        "A real classification of a table, without a network.",
        "It is small: validation moves by a percent with the split.",
        "Wolberg, Mangasarian, Street and Street, UCI, 1995",
    ),
    _source(
        "wine",
        "178 wines of three growers by 13 measures, with scikit-learn.",
        "",
        "test_sources.py::test_tables_of_scikit_learn_are_those_that_it_documents",
        "A real table of three classes, without a network.",
        "It is tiny and easy.",
        "Aeberhard and Forina, UCI, 1991",
    ),
    _source(
        "diabetes",
        "442 patients by ten measures, and how far their diabetes has gone after a year, with scikit-learn.",
        "",
        "test_sources.py::test_tables_of_scikit_learn_are_those_that_it_documents",
        "A real regression of a table, without a network.",
        "Half of the variance is noise: no model gets far above an R^2 of 0.5.",
        "Efron, Hastie, Johnstone and Tibshirani, Least Angle Regression, 2004",
    ),
    _source(
        "torchvision:NAME",
        "A classification set of torchvision, downloaded once to the user's cache, or read from root.",
        "size: 64",
        "test_cache.py::test_a_set_is_downloaded_once_for_all_recipes",
        "The sets that papers report on: MNIST, CIFAR10, FashionMNIST, SVHN and many more.",
        "A download; sets that do not hold arrays are brought to one size.",
        "torchvision.datasets",
    ),
    _source(
        "datasets:NAME",
        "A set of Hugging Face's hub, or a .parquet, .csv, .json or folder of images read by its library.",
        "input: image, target: label",
        "test_huggingface.py::test_images_and_their_class_names",
        "Thousands of sets under one interface.",
        'A download, and an extra: pip install ".[datasets]". Texts need a callable that makes tokens of them.',
        "Lhoest et al., Datasets: A Community Library for NLP, 2021",
    ),
)
