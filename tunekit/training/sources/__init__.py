"""Where data come from. Each source is one file that gives Parts, and one entry in entries.SOURCES; splits.py makes the
splits of them."""

from tunekit.training.sources.entries import SOURCES, data_digests, load_parts
from tunekit.training.sources.splits import moved, read_splits, reduced, splits_of

__all__ = ["SOURCES", "data_digests", "load_parts", "moved", "read_splits", "reduced", "splits_of"]
