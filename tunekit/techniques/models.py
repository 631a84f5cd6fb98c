"""The built-in models and what they are made of, told: families, BatchNorm, initialisations, weights, a frozen body."""

from __future__ import annotations

from tunekit.techniques.technique import Technique

PARTS = "tests/training/test_model_parts.py"
COUNTED = "tests/training/test_models.py::test_parameters_of"
VARIANCE = f"{PARTS}::TestInit::test_weights_have_the_variance_of_the_formula"
WEIGHTS = "tests/training/test_weights.py"


def _model(  # noqa: PLR0913 - the fields of an entry
    name: str, recipe: str, proof: str, what: str, formula: str, helps: str, costs: str, source: str
) -> Technique:
    return Technique(name, "model", what, f"model: {{{recipe}}}", proof, formula, helps, costs, source)


def _init(name: str, what: str, formula: str, helps: str, costs: str, source: str) -> Technique:
    return _model(name, f"args: {{init: {name}}}", VARIANCE, what, formula, helps, costs, source)


ACTIVATED = f"{PARTS}::test_an_activation_is_its_formula"
UNITS = "CS231n course notes, neural-networks-1 (commonly used activation functions)"
ACTIVATIONS = (
    (
        "relu",
        "What is above zero passes, the rest is zero.",
        "max(0, x)",
        "The usual one: cheap, and its gradient does not vanish above zero.",
        "A unit below zero for all samples is dead and stays so: lower rates, `leaky_relu`.",
        UNITS,
    ),
    (
        "leaky_relu",
        "ReLU with a slope of 0.01 below zero.",
        "max(0.01 x, x)",
        "Networks with dead units.",
        "None to speak of; the gain is not consistent.",
        UNITS,
    ),
    (
        "gelu",
        "A smooth ReLU: x times the probability of a normal number below it.",
        "x Phi(x)",
        "Transformers.",
        "Some more time than ReLU.",
        "Hendrycks and Gimpel, 'Gaussian Error Linear Units', 2016",
    ),
    (
        "silu",
        "A smooth ReLU: x times its sigmoid.",
        "x / (1 + exp(-x))",
        "Deep convolutional networks.",
        "Some more time than ReLU.",
        "Elfwing, Uchibe and Doya, 'Sigmoid-weighted linear units', Neural Networks 2018",
    ),
    (
        "tanh",
        "Squashes to -1 to 1, zero at zero.",
        "(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
        "Small networks, with `init: xavier`.",
        "Saturates: gradients vanish in deep networks.",
        UNITS,
    ),
    (
        "sigmoid",
        "Squashes to 0 to 1.",
        "1 / (1 + exp(-x))",
        "Of historical interest; to see a gradient vanish.",
        "Saturates, its slope is 1/4 at most, and its outputs are not centred: with `batch_norm` it trains.",
        UNITS,
    ),
)

MODELS = (
    _model(
        "mlp",
        "target: mlp, args: {depth: 2, width: 256}",
        f"{COUNTED}_an_mlp_are_those_counted_by_hand",
        "Fully connected layers over flattened inputs.",
        "h = act(W h + b), layer by layer",
        "Tables and small vectors; a first network for anything.",
        "Width squared parameters a layer. It knows nothing of neighbourhood in an image or a sequence.",
        "CS231n course notes, neural-networks-1",
    ),
    _model(
        "cnn",
        "target: cnn, args: {channels: [32, 64]}",
        f"{COUNTED}_a_cnn_are_those_counted_by_hand",
        "3x3 convolutions with pooling by 2 after each, then fully connected layers.",
        "h = pool(act(norm(W * h)))",
        "Small images of simple things, such as digits.",
        "Deeper than some six layers it trains worse than a residual network.",
        "LeCun et al., 'Gradient-based learning applied to document recognition', 1998",
    ),
    _model(
        "resnet",
        "target: resnet, args: {depth: 20, width: 1}",
        f"{PARTS}::TestResnet::test_parameters_are_those_of_the_paper",
        "A residual network for images of some 32x32: three stages of blocks beside an identity.",
        "y = act(x + f(x)), f two convolutions with BatchNorm; depth = 6n + 2",
        "Images of 32x32, such as CIFAR-10. Depth 20 has 0.27 million parameters; width multiplies channels.",
        "41 million multiplications a 32x32 image at depth 20.",
        "He et al., 'Deep Residual Learning for Image Recognition', CVPR 2016, section 4.2",
    ),
    _model(
        "transformer",
        "target: transformer, args: {depth: 2, width: 64, heads: 4}",
        f"{PARTS}::TestTransformer::test_no_place_sees_those_after_it",
        "Attention over tokens: the next one at each place, or a class of the whole.",
        "h = h + attention(norm(h)); h = h + mlp(norm(h)); attention = softmax(Q K^T / sqrt(d)) V",
        "Text as characters, and other sequences of whole numbers.",
        "The square of the length in time; it wants more data than recurrence, and a warm-up at high rates.",
        "Vaswani et al., 'Attention Is All You Need', 2017; Radford et al., 2019",
    ),
    _model(
        "polynomial",
        "target: polynomial, args: {degree: 2}",
        f"{PARTS}::TestPolynomial::test_they_span_the_powers",
        "A polynomial of few inputs, linear in its coefficients.",
        "y = sum of w_k P_k(x), P_k Legendre polynomials over the range of the training samples",
        "To see underfitting and overfitting: degrees 1, 2 and 9 on a few noisy points.",
        "C(n + d, d) terms for n inputs at degree d. Beyond the training range it runs away.",
        "Bishop, 'Pattern Recognition and Machine Learning', 2006, section 1.1",
    ),
    _model(
        "batch_norm",
        "args: {batch_norm: {momentum: 0.1, eps: 1.0e-5}}",
        f"{PARTS}::TestBatchNorm::test_evaluation_takes_running_averages_of_the_unbiased_variance",
        "Each channel normalised over the batch, between a layer (which has no bias then) and its activation.",
        "y = gamma*(x - mean) / sqrt(variance + eps) + beta over the M*P*Q values of a channel in the batch; in "
        "evaluation running averages, running = (1 - momentum)*running + momentum*new, of the unbiased variance "
        "(momentum 0.1 is the notes' alpha 0.9)",
        "Higher rates, less care with the initialisation, a little regularisation.",
        "Batches of 16 samples or more; evaluation differs from training. No dropout before it.",
        "Ioffe and Szegedy, 'Batch Normalization', ICML 2015",
    ),
    _init(
        "he",
        "Normal weights whose variance keeps the signal's size through ReLU.",
        "var(w) = 2 / fan_in",
        "Deep networks of ReLU without BatchNorm.",
        "None. Of the hidden layers alone: the last stays small.",
        "He et al., 'Delving Deep into Rectifiers', ICCV 2015",
    ),
    _init(
        "xavier",
        "Normal weights whose variance is a compromise between signal and gradient.",
        "var(w) = 2 / (fan_in + fan_out)",
        "tanh and sigmoid.",
        "None. Under ReLU it loses half of the signal's square in each layer.",
        "Glorot and Bengio, 'Understanding the difficulty of training deep feedforward neural networks', AISTATS 2010",
    ),
    _init(
        "lecun",
        "Normal weights whose variance keeps the size of a linear layer's signal.",
        "var(w) = 1 / fan_in",
        "tanh, and layers without an activation.",
        "None.",
        "LeCun et al., 'Efficient BackProp', 1998",
    ),
    _init(
        "normal",
        "Small normal weights, of standard deviation 0.01 (or `{normal: 0.05}`).",
        "var(w) = 0.01^2",
        "Shallow networks, and to see a signal vanish.",
        "A deep network without BatchNorm does not learn from it.",
        "CS231n course notes, neural-networks-2 (weight initialization)",
    ),
    _model(
        "weights",
        "weights: body.safetensors",
        f"{WEIGHTS}::TestLoading::test_every_form_of_a_checkpoint_is_read",
        "Weights from a file: what fits by name and shape is loaded, what does not is told.",
        "",
        "Few samples, where another network learned from many.",
        "Rates are lower and looked for on held-out samples.",
        "Yosinski et al., 'How transferable are features in deep neural networks?', 2014",
    ),
    _model(
        "freeze",
        "freeze: 1",
        f"{WEIGHTS}::TestFreezing::test_the_body_and_its_statistics_stay_for_so_many_epochs",
        "The body does not train for the first epochs, or `always`: the new head alone does.",
        "",
        "Fine-tuning: a head of random numbers sends large gradients into a body that knows something.",
        "Epochs in which the body does not learn; `always` fits where the task is near that of the weights.",
        "CS231n course notes, transfer-learning",
    ),
    _model(
        "pretrained",
        "target: torchvision:resnet18, pretrained: true",
        "tests/training/test_libraries.py::test_weights_that_lie_in_the_cache_are_loaded_and_the_head_is_anew",
        "Weights that torchvision or timm fetch, with a new head for the data's classes: transfer learning.",
        "",
        "Photographs, and few of them: what ImageNet taught serves nearly all.",
        "A download. Rates are lower and looked for on held-out samples.",
        "CS231n course notes, transfer-learning; Yosinski et al., 2014",
    ),
    *(
        _model(name, f"args: {{activation: {name}}}", ACTIVATED, what, formula, helps, costs, source)
        for name, what, formula, helps, costs, source in ACTIVATIONS
    ),
)
