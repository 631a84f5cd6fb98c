"""Measurements side by side with what people use otherwise: `python -m tests.benchmarks [NAME ...] [--quick]`."""
