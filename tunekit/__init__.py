"""tunekit: the six-step tuning procedure for a person's own PyTorch model and data."""

__version__ = "0.1.0"
