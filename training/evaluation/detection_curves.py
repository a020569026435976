"""The reliability of the burden as a picture: seconds of sound that are expected against those that are annotated.

Draws what `training.metrics.burden` computed; a point is a tenth of the recordings, by what is expected of them.

Pictures of how a streaming detector did: curves of recordings and frames, reliability, delays, what was called what.

Draws what others computed. Not for clips (`training.evaluation.plots`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.datasets import CLASSES
from training.datasets.records import SPRSOUND_LABELS
from training.evaluation.delays import StreamedRecording, delays, weighted_quantile
from training.evaluation.plots import (
    FAINT,
    INK,
    LINES,
    MAIN,
    Question,
    confusion_figure,
    curves_figure,
    reliability_figure,
    save,
)
from training.evaluation.report import StreamTable
from training.metrics.burden import WHERE, burden
from training.metrics.estimates import Patients, by_patient
from training.metrics.intervals import reliability
from training.metrics.streaming import GROUPS, Detection, frame_columns, record_score

MOST_S = 60.0  # of a minute
LEAST_S = 0.1  # below this the axes are linear
TICKS_S = (0, 0.1, 1, 10, 60)


def burden_figure(title: str, chest: Patients, frame_s: float) -> Figure:
    """One panel for each group, a curve over all time and one in annotated time.

    Args:
        title: over both.
        chest: annotated chest recordings by patient, at least one.
        frame_s: seconds to one score frame.
    """
    figure = Figure(figsize=(5.2 * len(GROUPS), 6.0), layout="constrained")
    figure.suptitle(title, fontsize=11)
    line = np.geomspace(LEAST_S / 10, MOST_S, 100)
    for axis, group in zip(figure.subplots(1, len(GROUPS), squeeze=False)[0], GROUPS, strict=True):
        axis.plot(line, line, color=FAINT, linewidth=0.8, linestyle=":", label="as expected")
        for where, colour, style in zip(WHERE, (MAIN, LINES[1]), ("o-", "s--"), strict=True):
            expected, found = burden(chest, group, where, frame_s).curve()
            axis.plot(expected, found, style, color=colour, markersize=5, label=f"found, {where}")
        for scale in (axis.set_xscale, axis.set_yscale):
            scale("symlog", linthresh=LEAST_S)
        for ticked in (axis.xaxis, axis.yaxis):
            ticked.set_ticks(TICKS_S, [f"{tick:g}" for tick in TICKS_S])
            ticked.set_ticks([], minor=True)
        axis.set(xlim=(0, 1.1 * MOST_S), ylim=(-0.01, 1.1 * MOST_S), aspect="equal")
        axis.set(xlabel="expected, seconds per minute", ylabel="annotated, seconds per minute")
        axis.set_title(f"burden, {group}", fontsize=9)
        axis.grid(color="#eeeeee")
        axis.legend(fontsize=8, loc="upper left")
    return figure


NOTHING = "nothing"
BREATH = "breath"
_NAMES = {labels[0]: name for name, labels in SPRSOUND_LABELS.items() if len(labels) == 1}  # as the rows are spelled
_SAME = {"Wheeze & Crackle": "Wheeze+Crackle"}  # later sets of SPRSound spell it so


def draw_streaming(
    model: str, table: StreamTable, streamed: Sequence[StreamedRecording], detection: Detection, folder: Path
) -> list[Path]:
    """Draw everything of one split.

    Args:
        model: its name.
        table: the split, and of which set.
        streamed: its recordings; those that are no annotated chest recordings are left out.
        detection: for rates and thresholds.
        folder: where to.

    Returns:
        The files.
    """
    chest = [h for h in streamed if h.scored.is_annotated_chest]
    if not chest:
        return []
    title = f"{model}, streaming, {table.dataset} {table.split.name}"
    scores = np.concatenate([h.scored.scores for h in chest])
    targets = np.concatenate([h.scored.targets for h in chest])
    columns = {g: frame_columns(g, scores, targets) for g in (*GROUPS, BREATH)}
    late = np.array([s for h in chest for s in delays(h, detection.rate_hz).seconds])
    rows, across, matrix = called(chest, detection.rate_hz)
    asked = [Question(f"frames, {g}", truth, level.astype(np.float64)) for g, (level, truth) in columns.items()]
    figures = {
        "curves": curves_figure(title, [q for q in (_records(chest), *asked) if q.is_open]),
        "reliability": reliability_figure(
            title, [(f"{g}, each frame", reliability(level.clip(0, 1), truth)) for g, (level, truth) in columns.items()]
        ),
        "confusion": confusion_figure(
            title, rows, [("annotated breath phases, and what was reported", matrix)], across
        ),
        "delays": delay_figure(title, late),
        "burden": burden_figure(title, by_patient([(h.scored, h.events) for h in chest]), detection.frame_s),
    }
    paths = []
    for kind, figure in figures.items():
        paths.append(folder / f"{kind}-streaming-{table.dataset}-{table.split.name}.png")
        save(figure, paths[-1], table.split.notice)
    return paths


def called(chest: Sequence[StreamedRecording], rate_hz: int) -> tuple[list[str], list[str], NDArray[np.int64]]:
    """Annotated phases by published label (rows) and the first event that overlaps them (columns).

    Returns:
        Labels of the rows and of the columns, and the counts.
    """
    columns = [c for c in CLASSES if c != BREATH] + [NOTHING]
    pairs = []
    for one in chest:
        for annotation in one.scored.recording.events:
            found = [
                e.label
                for e in one.events
                if e.onset < annotation.end_s * rate_hz and (e.end or 0) > annotation.start_s * rate_hz
            ]
            fitting = [label for label in found if label in annotation.labels]
            pairs.append((_SAME.get(annotation.name, annotation.name), (fitting or found or [NOTHING])[0]))
    rows = sorted({name for name, _ in pairs}, key=lambda name: (name != "Normal", name))
    matrix = np.zeros((len(rows), len(columns)), np.int64)
    for name, label in pairs:
        matrix[rows.index(name), columns.index(label)] += 1
    return rows, [_NAMES.get(label, label) for label in columns], matrix


def delay_figure(title: str, late: NDArray[np.float64]) -> Figure:
    """Histogram of detection delays, s."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    figure.suptitle(title, fontsize=11)
    axis = figure.subplots()
    axis.set(xlabel="annotated onset to confirmation, s of the stream", ylabel="events")
    if not len(late):
        axis.text(0.5, 0.5, "no event was noticed after its onset", ha="center", transform=axis.transAxes)
        return figure
    middle, last = (weighted_quantile(late, np.ones(len(late)), share) or 0.0 for share in (0.5, 0.95))
    axis.hist(late, bins=np.arange(0, late.max() + 0.2, 0.1).tolist(), color="#b9cde4", edgecolor=MAIN, linewidth=0.5)
    axis.axvline(middle, color=INK, linewidth=1.2, label=f"median {middle:.2f} s")
    axis.axvline(last, color=INK, linewidth=1.2, linestyle="--", label=f"95 % within {last:.2f} s")
    axis.set_xlim(0, None)
    axis.legend(fontsize=8, title=f"{len(late)} events", title_fontsize=8)
    return figure


def _records(chest: Sequence[StreamedRecording]) -> Question:
    scores = np.array([record_score(h.scored.scores) for h in chest], np.float64)
    return Question("recordings, not Normal", np.array([h.is_adventitious for h in chest]), scores)
