"""The names of what lies in a run folder."""

MANIFEST = "environment.json"
RECIPE = "recipe.yaml"
BEST = "best.yaml"
REPORT = "report.html"
JOURNAL = "studies.journal"
TRAININGS = "trainings"
RESULT, FIGURE = "result.json", "figure.json"  # in each step's folder; the latter: what its figure shows, as data
CONFIG, METRICS, VALIDATIONS = "config.json", "metrics.csv", "validations.bin"  # in each training's
CHECKPOINT, BEST_WEIGHTS = "checkpoint.pt", "best.pt"
LOCK, OWNER, LOCKS = ".lock", ".owner", ".locks"  # the run's, who holds it, and those of its trainings
SHARED = ".data"  # data that workers map, while a command runs
FINAL, MODEL, SCORED = "final", "model.safetensors", "scored.json"  # the final model's folder and files
FACTS = ".facts"  # what the probe of model and data found, by fingerprint
