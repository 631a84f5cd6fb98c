"""The types that pass between rooms: what a step asks for, what comes back, what is said of it. Stdlib only."""

from tunekit.vocabulary.errors import Interrupted, StorageError, UserError
from tunekit.vocabulary.events import Advanced, Ahead, Emit, Event, Lane, Noted, RunForeseen, StepFinished, StepStarted
from tunekit.vocabulary.findings import Code, Finding, Remedy, Severity, Verdict, worst
from tunekit.vocabulary.records import RAW, SPLITS, Record, Row, cells, columns, is_validation, judged_by
from tunekit.vocabulary.requests import POINTS, Measurement, Request, StopRule, Suggestion, Training
from tunekit.vocabulary.results import SCHEMA, UNKNOWN, Curve, Facts, Format, Importance, StepResult, Versioned, Walked

__all__ = [
    "POINTS",
    "RAW",
    "SCHEMA",
    "SPLITS",
    "UNKNOWN",
    "Advanced",
    "Ahead",
    "Code",
    "Curve",
    "Emit",
    "Event",
    "Facts",
    "Finding",
    "Format",
    "Importance",
    "Interrupted",
    "Lane",
    "Measurement",
    "Noted",
    "Record",
    "Remedy",
    "Request",
    "Row",
    "RunForeseen",
    "Severity",
    "StepFinished",
    "StepResult",
    "StepStarted",
    "StopRule",
    "StorageError",
    "Suggestion",
    "Training",
    "UserError",
    "Verdict",
    "Versioned",
    "Walked",
    "cells",
    "columns",
    "is_validation",
    "judged_by",
    "worst",
]
