"""The works that thresholds, codes and advice rest on, each cited once. Texts elsewhere use these names."""

LECTURE = "CS231n 2024, lecture 3 and 7, 'Choosing hyperparameters', steps 1 to 6"
NOTES = "CS231n course notes, neural-networks-3 (learning and evaluation)"
KARPATHY = "A. Karpathy, 'A Recipe for Training Neural Networks', 2019"
PLAYBOOK = "Godbole et al., 'Deep Learning Tuning Playbook', 2023"
GLOROT = "Glorot and Bengio, 'Understanding the difficulty of training deep feedforward networks', AISTATS 2010"
GOODFELLOW = "Goodfellow et al., 'Deep Learning', 2016"
GUO = "Guo et al., 'On Calibration of Modern Neural Networks', ICML 2017"
PRECHELT = "L. Prechelt, 'Early Stopping - But When?', 1998"
KENDALL = "M. G. Kendall, 'A New Measure of Rank Correlation', Biometrika 1938"
AUTOTRAINER = "Zhang et al., 'AUTOTRAINER: An Automatic DNN Training Problem Detection and Repair System', ICSE 2021"
DEEP_CHECKER = (
    "Ben Braiek and Khomh, 'Testing Feedforward Neural Networks Training Programs' (TheDeepChecker), TOSEM 2023"
)
DEEP_LOCALIZE = "Wardat et al., 'DeepLocalize: Fault Localization for Deep Neural Networks', ICSE 2021"
UMLAUT = (
    "Schoop et al., 'UMLAUT: Debugging Deep Learning Programs using Program Structure and Model Behavior', CHI 2021"
)
SCHULMAN = "Schulman et al., 'Proximal Policy Optimization Algorithms', arXiv 1707.06347"
RAFAILOV = "Rafailov et al., 'Direct Preference Optimization', NeurIPS 2023"
GAN = "Goodfellow et al., 'Generative Adversarial Nets', NeurIPS 2014"
SURVEY = "tunekit's survey of 47 training logs of public projects, labelled by hand (14 of them overfit)"
