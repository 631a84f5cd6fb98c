"""The works that steps cite, each written once."""

LECTURE = "CS231n 2024, lecture 3 and 7, 'Choosing hyperparameters', steps 1 to 6"
NOTES = "CS231n course notes, neural-networks-3 (learning and evaluation)"
KARPATHY = "A. Karpathy, 'A Recipe for Training Neural Networks', 2019"
PLAYBOOK = "Godbole et al., 'Deep Learning Tuning Playbook', 2023"
GLOROT = "Glorot and Bengio, 'Understanding the difficulty of training deep feedforward networks', AISTATS 2010"
