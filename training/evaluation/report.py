"""What was judged, as text for a person and as JSON and CSV for a program. Computes no score.

table.txt                      the tables, as printed
results.json                   the same, with everything that is needed to know what was judged
predictions-<task>.csv         every clip, its label, the decision and all probabilities
events.csv  recordings.csv     every event and every recording of the streaming metrics
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.evaluation.delays import StreamedRecording
from training.evaluation.split_scores import Judged, Row, Split
from training.metrics.estimates import Estimate
from training.metrics.intervals import STATED, Interval
from training.metrics.official import CHALLENGE_WEIGHTS, PARTS, in_challenge
from training.metrics.streaming import record_score

LONGEST = 30  # characters of a name in a table
PLAIN, BOUNDED = 8, 22  # width of a number, and of one with its interval
WIDTHS = {"sensitivity": BOUNDED, "specificity": BOUNDED, "average": PLAIN, "harmonic": PLAIN, "score": BOUNDED}
HEADS = {"sensitivity": "SE", "specificity": "SP", "average": "AS", "harmonic": "HS", "score": "Score"}


@dataclass(frozen=True, slots=True)
class StreamTable:
    """Streaming metrics of one split or kind of recordings."""

    dataset: str
    split: Split
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The tables of one evaluation."""

    model: str
    """Name of the model."""
    path: Path
    """Where it lies."""
    source: Path
    """DATA."""
    judged: tuple[Judged, ...]
    totals: Mapping[str, float | None]
    """Challenge total by split."""
    streaming: tuple[StreamTable, ...]
    unanswered: Mapping[str, str]
    """Tasks that could not be judged, and why."""
    stated: str = ""
    """What the model says of its training data; empty when nothing."""
    limit: int | None = None
    """Recordings of a split that were judged at most; None: all."""
    pending: tuple[str, ...] = ()
    """What is not judged yet."""


def as_text(report: Report) -> str:
    """All tables; while more of them come, this grows at its end alone."""
    lines = [f"Model {report.model} ({report.path}) on {report.source}", f"Intervals: {STATED}."]
    lines += [f"Trained on, as the model says: {report.stated}"] if report.stated else []
    if report.limit:
        lines.append(f"A SAMPLE: at most {report.limit} recordings of each split, and of each kind of other sounds")
    for judged in report.judged:
        lines += ["", *_task_lines(judged)]
    for split, total in report.totals.items():
        weights = " + ".join(f"{weight} x {name}" for name, weight in CHALLENGE_WEIGHTS.items())
        shown = "undefined" if total is None else f"{total:.4f}"
        lines += ["", f"Challenge total, {split}: {shown} ({weights}; without the bonus for speed, at most 1.0)"]
    for table in report.streaming:
        lines += ["", *_stream_lines(table)]
    if report.unanswered and not report.pending:
        lines += ["", "Not judged:"] + [f"  {name}: {why}" for name, why in report.unanswered.items()]
    return "\n".join(lines) + "\n"


def _task_lines(judged: Judged) -> list[str]:
    task = judged.task
    kind = "Score = (AS + HS) / 2" if in_challenge(task) else "Score = (SE + SP) / 2"
    lines = [f"Task {task.name}: {' | '.join(task.labels)}; {kind}"]
    if judged.note:
        lines.append(f"  {judged.note}")
    heads = "".join(f"{HEADS[part]:>{WIDTHS[part]}}" for part in PARTS)
    lines.append(f"  {'':31}{'split':11}{'clips':>6}{'pat.':>5}{heads}{'AUC':>{WIDTHS['score']}}{'ECE':>7}")
    for row in judged.rows:
        beside = [other for other in judged.beside if other.split.name == row.split.name]
        lines += [_row_line(one) for one in (row, *beside)]
        lines += [f"      ! {row.split.notice}"] if row.split.notice else []
        lines += [f"      ! no score: {row.score.missing}"] if row.score.missing else []
    return lines


def _row_line(row: Row) -> str:
    cells = ""
    for part, bounds in zip(PARTS, row.bounds, strict=True):
        cells += _cell(getattr(row.score, part), bounds, WIDTHS[part])
    cells += _cell(row.auc, row.auc_bounds, WIDTHS["score"])
    counted = row.score.adventitious + row.score.normal
    head = f"  {_short(row.who):31}{row.split.name:11}{counted:6d}{row.patients:5d}"
    return f"{head}{cells}{row.calibration_error:7.3f}"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _cell(value: float | None, bounds: Interval | None, width: int) -> str:
    if value is None:
        return f"{'-':>{width}}"
    shown = f"{value:.4f}"
    if width > PLAIN:
        shown += f" [{bounds.low:.3f} {bounds.high:.3f}]" if bounds else " [  -     -  ]"
    return f"{shown:>{width}}"


def _stream_lines(table: StreamTable) -> list[str]:
    split = table.split
    lines = [f"Streaming, {table.dataset} {split.name}: {len(split.paths)} recordings of {split.patients} patients"]
    lines += [f"  ! {split.notice}"] if split.notice else []
    for one in table.estimates:
        value = "undefined" if one.value is None else f"{one.value:.4f}"
        bounds = f"[{one.bounds.low:.3f}, {one.bounds.high:.3f}]" if one.bounds else "[-]"
        lines.append(f"  {one.name:38}{value:>11} {bounds:20} {one.examples}")
    return lines


def as_json(report: Report) -> str:
    """Everything but the answers to single clips."""
    content = {
        "schema": "laennec.evaluation/1",
        "model": report.model,
        "path": str(report.path),
        "data": str(report.source),
        "intervals": STATED,
        "trained_on": report.stated,
        "tasks": [_task_fields(judged) for judged in report.judged],
        "challenge_total": dict(report.totals),
        "streaming": [_stream_fields(table) for table in report.streaming],
        "not_judged": dict(report.unanswered),
        "limit": report.limit,
        "pending": report.pending,
    }
    return json.dumps(content, indent=1, allow_nan=False)


def _task_fields(judged: Judged) -> dict[str, Any]:
    return {
        "task": judged.task.name,
        "labels": judged.task.labels,
        "ignored": judged.task.ignored,
        "note": judged.note,
        "rows": [_row_fields(row) for row in (*judged.rows, *judged.beside)],
    }


def _row_fields(row: Row) -> dict[str, Any]:
    parts = {
        part: _value_fields(getattr(row.score, part), bounds) for part, bounds in zip(PARTS, row.bounds, strict=True)
    }
    return {
        "who": row.who,
        "split": row.split.name,
        "patients": row.patients,
        "recordings": len(row.split.paths),
        "training_data": row.split.notice,
        "rule": row.predictions.rule,
        "adventitious": row.score.adventitious,
        "normal": row.score.normal,
        **parts,
        "auc": _value_fields(row.auc, row.auc_bounds),
        "ece": None if math.isnan(row.calibration_error) else row.calibration_error,
        "recall": dict(zip(row.predictions.task.labels, row.score.recall, strict=True)),
        "no_score": row.score.missing,
        "confusion": row.predictions.confusion.tolist(),
    }


def _value_fields(value: float | None, bounds: Interval | None) -> dict[str, Any]:
    fields: dict[str, Any] = {"value": value}
    return fields | ({"low": bounds.low, "high": bounds.high, "undefined_draws": bounds.undefined} if bounds else {})


def _stream_fields(table: StreamTable) -> dict[str, Any]:
    return {
        "dataset": table.dataset,
        "split": table.split.name,
        "recordings": len(table.split.paths),
        "patients": table.split.patients,
        "training_data": table.split.notice,
        "metrics": {e.name: _value_fields(e.value, e.bounds) | {"examples": e.examples} for e in table.estimates},
    }


def write_tables(report: Report, streamed: Sequence[StreamedRecording], rate_hz: int, folder: Path) -> str:
    """Write text, JSON and CSV into a folder that exists; returns the text."""
    text = as_text(report)
    pending = f"\nNot judged yet: {', '.join(report.pending)}\n" if report.pending else ""
    (folder / "table.txt").write_text(text + pending, encoding="utf-8")
    (folder / "results.json").write_text(as_json(report), encoding="utf-8")
    for judged in report.judged:
        _write_rows(folder / f"predictions-{judged.task.name}.csv", _clip_rows(judged))
    if streamed:
        _write_rows(folder / "events.csv", _event_rows(streamed, rate_hz))
        _write_rows(folder / "recordings.csv", _recording_rows(streamed))
    return text


def _write_rows(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _clip_rows(judged: Judged) -> Iterable[Sequence[object]]:
    labels = judged.task.labels
    yield ["clip", "patient", "split", "start_s", "end_s", "label", "decided", *(f"p {label}" for label in labels)]
    for row in judged.rows:
        if row.split.name == "total":
            continue  # its clips stand under inter and intra
        answered = row.predictions
        for clip, decided, p in zip(answered.clips, answered.decided, answered.probabilities, strict=True):
            place = (clip.start_s, "" if clip.end_s is None else clip.end_s)
            probabilities = [f"{value:.7g}" for value in p]
            yield [
                clip.name,
                clip.recording.patient,
                row.split.name,
                *place,
                clip.label,
                labels[decided],
                *probabilities,
            ]


def _event_rows(streamed: Sequence[StreamedRecording], rate_hz: int) -> Iterable[Sequence[object]]:
    yield ["recording", "patient", "split", "label", "onset_s", "end_s", "confirmed_s", "peak", "threshold"]
    for one in streamed:
        of = one.scored.recording
        for event, at in zip(one.events, one.confirmed_s, strict=True):
            times = (event.onset / rate_hz, (event.end or 0) / rate_hz, at)
            yield [
                of.path.stem,
                of.patient,
                of.split,
                event.label,
                *(f"{t:.4f}" for t in times),
                f"{event.peak:.5f}",
                event.threshold,
            ]


def _recording_rows(streamed: Sequence[StreamedRecording]) -> Iterable[Sequence[object]]:
    yield ["recording", "dataset", "patient", "split", "label", "frames", "events", "record_score"]
    for one in streamed:
        of = one.scored.recording
        dataset = "negatives" if of.is_negative else of.dataset
        score = f"{record_score(one.scored.scores):.6f}"
        yield [
            of.path.stem,
            dataset,
            of.patient,
            of.split,
            of.record_label,
            len(one.scored.scores),
            len(one.events),
            score,
        ]
