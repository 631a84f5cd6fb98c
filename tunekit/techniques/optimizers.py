"""The optimizers, told: one entry each of tunekit.recipe.optimizers.

Formulas are those that PyTorch computes. The course's notes write some otherwise: their velocity holds steps
(v = gamma*v - eta*g), PyTorch's holds gradients and the rate stands before it; their eps may stand inside of the root,
PyTorch's is added to it; their Nesterov takes the gradient where the velocity leads, PyTorch's keeps that place as the
weight.
"""

from __future__ import annotations

from tunekit.techniques.technique import Technique

NOTES = "CS231n course notes, neural-networks-3 (parameter updates)"
FIRST_UPDATES = "tests/training/test_optimizers.py::test_the_first_updates_follow_the_published_formula"


def _optimizer(name: str, what: str, formula: str, helps: str, costs: str, source: str) -> Technique:
    return Technique(
        name, "optimizer", what, f"optimizer: {{target: {name}}}", FIRST_UPDATES, formula, helps, costs, source
    )


OPTIMIZERS = (
    _optimizer(
        "sgd",
        "Plain gradient descent on batches.",
        "w = w - eta*g",
        "Where a model is to generalise well and there is time to tune its rate and schedule.",
        "No memory. Slow along directions of small gradient, and sensitive to the rate.",
        NOTES,
    ),
    _optimizer(
        "momentum",
        "SGD with a velocity (0.9 of it is kept) that runs through flat stretches and evens out zigzag.",
        "v = gamma*v + g; w = w - eta*v, where the notes have v = gamma*v - eta*g and w = w + v: the same at a "
        "constant rate; a rate that changes acts at once in the first form, in the second through the velocity",
        "The usual choice for convolutional networks trained long, with a decaying schedule.",
        "One tensor a parameter. One more number to tune.",
        f"Polyak, 1964; {NOTES}",
    ),
    _optimizer(
        "nesterov",
        "Momentum with the gradient of where the velocity leads.",
        "v = gamma*v + g; w = w - eta*(g + gamma*v), where w is the place that the notes' velocity "
        "leads to, of which they take the gradient",
        "Often a little faster than momentum, at the same rates.",
        "One tensor a parameter.",
        "Sutskever et al., 'On the importance of initialization and momentum in deep learning', ICML 2013",
    ),
    _optimizer(
        "adagrad",
        "A rate for each weight, which falls with all squared gradients so far.",
        "c = c + g^2; w = w - eta*g / (sqrt(c) + eps): eps outside of the root (Duchi has it inside)",
        "Sparse inputs: rare features keep large steps.",
        "One tensor a parameter. The rate only falls, so long trainings come to rest early.",
        "Duchi et al., 'Adaptive Subgradient Methods', JMLR 2011",
    ),
    _optimizer(
        "rmsprop",
        "Adagrad that forgets: the squared gradients are a running mean.",
        "c = gamma*c + (1 - gamma)*g^2; w = w - eta*g / (sqrt(c) + eps), with gamma = 0.99, where the notes have 0.9 "
        "to 0.999 (`args: {alpha: 0.9}`); eps outside of the root, where TensorFlow has it inside",
        "Recurrent networks, and objectives that move, as in reinforcement learning.",
        "One tensor a parameter. Its first steps are large, for c begins at zero and is not corrected.",
        "Tieleman and Hinton, 'Lecture 6.5: rmsprop', 2012",
    ),
    _optimizer(
        "adam",
        "RMSProp with momentum, both corrected for their start; weight decay is part of the gradient.",
        "m = beta1*m + (1 - beta1)*g; c = beta2*c + (1 - beta2)*g^2; "
        "w = w - eta*(m / (1 - beta1^t)) / (sqrt(c / (1 - beta2^t)) + eps): eps beside the corrected root, as in the "
        "paper's algorithm",
        "The first choice where nothing is known: it works at rates around 1e-3 nearly everywhere.",
        "Two tensors a parameter. Weight decay is scaled by the squared gradients too: adamw decouples it.",
        "Kingma and Ba, 'Adam', ICLR 2015",
    ),
    _optimizer(
        "adamw",
        "Adam whose weight decay shrinks the weights beside the gradient step.",
        "w = w - eta*lambda*w, then Adam's step without decay",
        "Transformers, and wherever weight decay is to regularise as much as its number says.",
        "Two tensors a parameter.",
        "Loshchilov and Hutter, 'Decoupled Weight Decay Regularization', ICLR 2019",
    ),
)
