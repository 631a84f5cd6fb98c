"""What `tunekit inspect` found of a recipe, and how it looks as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from rich.console import Console

from tunekit.advice import Advice, Start
from tunekit.charts import Bars, Figure, Panel, Picture, Tiles
from tunekit.measured import DataReport, DataTold, Files, InputReport, ModelReport, Samples, SharedReport
from tunekit.outlook import DryRun
from tunekit.report.console import COLOURS, as_table, line, show_findings
from tunekit.shares import percent
from tunekit.telling import counted, span
from tunekit.vocabulary import Finding, Versioned

ROWS = 20  # of a table
FEW = 8  # features named
NAMES = {"train": "training", "val": "validation", "test": "test"}
BARS = 40  # of a chart
SEVERITIES = ("fail", "warn", "note")


@dataclass(frozen=True)
class Pictures:
    """Training pictures by class, and pairs before and after augmentation; both may be empty."""

    classes: Sequence[tuple[int | None, Sequence[Picture]]] = ()
    augmented: Sequence[tuple[str, Picture, Picture]] = ()  # what it is of after it, before, after
    augmentation: str = ""  # as the recipe has it


@dataclass(frozen=True)
class Nothing:
    """An empty object."""


@dataclass(frozen=True, kw_only=True)
class Surveyed(DataTold, Versioned):
    """What `inspect --json` prints. `disk`: what a run would take; `lines`: what is said of all of it, in words;
    `data`: what step 1 judges, empty for data that cannot be indexed."""

    name: str
    model: ModelReport | None
    model_error: str | None
    findings: tuple[Finding, ...]
    advice: Advice
    disk: DryRun | None
    lines: tuple[str, ...]
    data: Samples | Nothing


@dataclass(frozen=True)
class Inspected:
    """A recipe's data and model before any training. `broken`: why the model cannot be looked at."""

    name: str
    report: DataReport
    findings: Sequence[Finding]
    advice: Advice
    model: ModelReport | None = None
    broken: str = ""
    notes: Sequence[str] = ()
    disk: str = ""
    needs: DryRun | None = None  # what a run takes of the disk; None: not known
    pictures: Pictures = Pictures()
    stops: bool = False  # whether a run would stop at what cannot be read
    mend: str = ""  # what the recipe can say to leave that out

    @property
    def runs(self) -> bool:
        """Whether a run of it would get as far as its first step."""
        return not self.broken and not self.stops

    def printed(self) -> Surveyed:
        told = [f"note: {note}" for note in self.notes]
        told += [f"{finding.severity}: {finding.code}: {finding.message}" for finding in self.findings]
        told += [f"{remark.severity}: {remark.code}: {remark.message}" for remark in self.advice.remarks]
        told += [text for text in (self.broken and f"model: {self.broken}", self.disk) if text]
        return Surveyed(
            **{field.name: getattr(self.report, field.name) for field in fields(DataTold)},
            name=self.name,
            model=self.model,
            model_error=self.broken or None,
            findings=tuple(self.findings),
            advice=self.advice,
            disk=self.needs,
            lines=tuple(told),
            data=self.report.samples or Nothing(),
        )


def show(console: Console, seen: Inspected, verbose: bool = False) -> None:
    """The report as tables and lines; of notes those that ask for a decision, and with `verbose` all."""
    report = seen.report
    sizes = ", ".join(f"{one.size:,} {NAMES[one.split]}" for one in report.splits)
    console.print(line((seen.name, "bold"), f": {sizes} samples"))
    _table(console, _split_rows(report))
    for one in report.inputs:
        console.print(line(input_line(one)))
        _table(console, _channel_rows(one), len(one.channels))
    _table(console, _class_rows(report), _classes(report))
    _table(console, _target_rows(report))
    for text in _lines(report):
        console.print(line(text))
    if seen.stops:
        mend = f": {seen.mend} leaves them out" if seen.mend else ""
        console.print(line(f"a run stops at what cannot be read{mend}"))
    elif report.unreadable:
        console.print(line("a run leaves out what cannot be read"))
    for text in seen.notes:
        console.print(line(f"note: {text}"))
    show_findings(console, sorted(seen.findings, key=lambda one: SEVERITIES.index(one.severity)), verbose)
    console.print(line(f"model: {seen.broken}" if seen.model is None else model_line(seen.model, report)))
    for remark in seen.advice.remarks:
        console.print(line("  ", (remark.severity, COLOURS[remark.severity]), f" {remark.code}: {remark.message}"))
        console.print(line(f"    {remark.source}"))
    if seen.advice.silent:
        console.print(line(seen.advice.silent))
    for start in seen.advice.starts:
        _start(console, start)
    if seen.disk:
        console.print(line(seen.disk))


def _table(console: Console, rows: Sequence[Mapping[str, object]], of: int = 0) -> None:
    if not rows:
        return
    console.print(as_table(rows, ROWS, width=console.width, indent=2), crop=False)
    if max(of, len(rows)) > ROWS:
        console.print(line(f"  and {max(of, len(rows)) - ROWS:,} more with --json"))


def _start(console: Console, start: Start) -> None:
    console.print(line("to start from: ", (start.title, "bold")))
    console.print(line(f"  {start.why} ({start.source})"))
    for text in start.lines.splitlines():
        console.print(line(f"    {text}"))


def _split_rows(report: DataReport) -> list[dict[str, object]]:
    """A row a split; what is in order in all of them has no column."""
    rows: list[dict[str, object]] = []
    for one in report.splits:
        row: dict[str, object] = {"split": one.split, "samples": one.size}
        if any(other.seen < other.size for other in report.splits):
            row["looked at"] = one.seen
        row["repeated"] = one.repeated
        if any(other.not_finite for other in report.splits):
            row["with nan or inf"] = one.not_finite
        if any(other.mean is not None for other in report.splits):
            row |= {"values": one.features, "constant": one.constant_features}
            row |= {"mean as given": _rounded(one.mean, one.std), "std as given": one.std}
        rows.append(row)
    return rows


def _rounded(mean: float | None, std: float | None) -> float | None:
    """A value without what rounding left of a zero."""
    return 0.0 if mean is not None and std is not None and abs(mean) < 1e-6 * std else mean


def input_line(one: InputReport) -> str:
    shape = " x ".join(str(size) if size else "?" for size in one.shape)
    what = {"table": "features", "other": "values"}.get(one.kind, one.kind)
    text = f"{one.name}: {what}{f' {shape}' if shape else ''}, {one.dtype}"
    if one.lowest is not None and one.highest is not None and one.kind != "table":  # of columns each has its own
        low, high = f"{one.lowest:.6g}", f"{one.highest:.6g}"
        text += f", all {low}" if low == high else f", from {low} to {high}"
    if one.missing:
        text += f", {one.missing:,} missing"
    lengths = one.lengths
    if lengths is not None:
        median = f" (median {lengths.median:g})" if lengths.shortest < lengths.longest else ""
        text += f"; {span(str(lengths.shortest), str(lengths.longest))} steps{median}"
        text += f", {percent(lengths.padding)} padding"
        if lengths.vocabulary is not None and lengths.vocabulary < 3:
            return f"{text.partition(';')[0]}: zeros and ones"
        if lengths.vocabulary is not None:
            text += f", {lengths.vocabulary:,} different tokens"
    return text


def _channel_rows(one: InputReport) -> list[dict[str, object]]:
    head = "feature" if one.kind == "table" else "channel"
    missing = any(channel.missing for channel in one.channels)
    return [
        {
            head: channel.name,
            "mean": _rounded(channel.mean, channel.std),
            "std": channel.std,
            "min": _rounded(channel.lowest, channel.std),
            "max": _rounded(channel.highest, channel.std),
            **({"missing": channel.missing} if missing else {}),
        }
        for channel in one.channels[:ROWS]
    ]


def _classes(report: DataReport) -> int:
    return len({label for one in report.splits for label in one.classes or ()})


def _class_rows(report: DataReport) -> list[dict[str, object]]:
    labels = sorted({label for one in report.splits for label in one.classes or ()})
    train = report.split("train")
    total = sum((train.classes or {}).values()) if train is not None else 0
    named = any(report.class_name(label) != str(label) for label in labels)
    rows: list[dict[str, object]] = []
    for label in labels[:ROWS]:
        counts = {one.split: (one.classes or {}).get(label, 0) for one in report.splits}
        name: dict[str, object] = {"name": report.class_name(label)} if named else {}
        share = percent(counts["train"] / total) if total else "-"
        rows.append({"class": label, **name, **counts, "share": share})
    return rows


def _target_rows(report: DataReport) -> list[dict[str, object]]:
    return [
        {
            "target": one.name,
            "mean": _rounded(one.mean, one.std),
            "std": one.std,
            "min": one.lowest,
            "max": one.highest,
            "outliers": one.outliers,
            "of them samples": ", ".join(map(str, one.examples)) or "-",
        }
        for one in report.targets
    ]


def _lines(report: DataReport) -> Iterator[str]:
    """What there is to say of samples and files besides."""
    if report.near_constant:
        flat = [f"{one.name} ({one.value:.4g} in {percent(one.share)})" for one in report.near_constant[:FEW]]
        more = f" and {len(report.near_constant) - FEW:,} more" if len(report.near_constant) > FEW else ""
        yield f"near-constant features: {', '.join(flat)}{more}"
    if report.shared:
        yield f"samples in two splits: {'; '.join(map(_shared_text, report.shared))}"
    else:
        yield "samples in two splits: they cannot be compared"
    if report.files is not None:
        yield _files_text(report.files)
    for one in report.unreadable[:ROWS]:
        why = one.why.removeprefix(f"{one.name}: ")
        yield f"cannot be read: {one.name} ({NAMES[one.split]}): {why}"
    if len(report.unreadable) > ROWS:
        yield f"and {len(report.unreadable) - ROWS:,} more that cannot be read, with --json"


def _files_text(files: Files) -> str:
    """Each size where they are few, or else between which they lie."""
    seen = "" if files.seen == files.size else f" (of {files.size:,})"
    sizes = ", ".join(f"{one.count:,} of {one.width} x {one.height} {one.mode}" for one in files.sizes)
    if files.different > len(files.sizes):
        modes = ", ".join(f"{count:,} {mode}" for mode, count in files.modes.items())
        sizes = f"widths {files.width}, heights {files.height}; {files.different:,} different sizes, {modes}"
    return f"{files.seen:,} image files{seen} before they are resized: {sizes}"


def _shared_text(one: SharedReport) -> str:
    examples = f" (sample {', '.join(map(str, one.examples))})" if one.examples else ""
    return f"{one.count:,} of {NAMES[one.second]} in {NAMES[one.first]}{examples}"


def model_line(model: ModelReport, report: DataReport) -> str:
    train = report.split("train")
    parts = [f"model: {counted(model.parameters, 'parameter')}"]
    if model.trainable < model.parameters:
        parts.append(f"{model.trainable:,} of them train")
    if train is not None and train.size:
        parts.append(f"{model.trainable / train.size:,.3g} for each training sample")
    if model.forward_ms is not None:
        parts.append(f"one sample takes about {model.forward_ms:.2g} ms on {model.device}")
    return ", ".join(parts)


def figure_of(seen: Inspected) -> Figure | None:
    """Pictures by class and before and after augmentation, or else how often each class occurs; None: neither."""
    report, pictures = seen.report, seen.pictures
    panels = []
    if pictures.classes:
        names = ["" if label is None else report.class_name(label) for label, _ in pictures.classes]
        tiles = Tiles(names, [row for _, row in pictures.classes])
        panels.append(Panel([tiles], title="training samples by class" if any(names) else "training samples"))
    if pictures.augmented:
        names = [name for name, _, _ in pictures.augmented]
        tiles = Tiles(names, [pair for _, *pair in pictures.augmented], ["before", "after"])
        panels.append(Panel([tiles], title=f"{pictures.augmentation}: would this occur in the world?"))
    train = report.split("train")
    if train is not None and train.classes and not pictures.classes:
        labels = list(train.classes)[:BARS]
        heights = [float(train.classes[label]) for label in labels]
        ticks = [report.class_name(label) for label in labels]
        panels.append(Panel([Bars(heights, "training samples")], y="training samples", ticks=ticks, title="classes"))
    return Figure(seen.name, panels) if panels else None
