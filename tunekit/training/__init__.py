"""PyTorch: data, models, tasks, optimizers, schedules, the loop and the probes. Yields numbers; writes no file."""
