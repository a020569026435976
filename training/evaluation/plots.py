"""Pictures of how a task was answered: confusion matrices, ROC and precision-recall curves, reliability.

Draws what others computed; a picture says on which split and on how many clips it was made. Not for spectrograms
(`training.evaluation.spectrograms`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from training.evaluation.split_scores import Judged, Row, counted
from training.metrics.intervals import BINS, Reliability, adventitious_reliability, confidence_reliability
from training.metrics.predictions import Predictions

DPI = 110
INK, FAINT, MAIN = "#222222", "#999999", "#1f5fa8"
WARNING = "#a02020"  # as on the page of mistakes
LINES = ("#1f5fa8", "#c8571b", "#3a8a3a", "#8c4ba0", "#b59a00", "#a03050", "#4aa3b8", "#777777")  # told apart in grey
FLATTENS = 50  # times the smallest count; beyond it the small ones cannot be seen
MOST_POINTS = 2000  # of one curve; more than the picture has pixels


@dataclass(frozen=True, slots=True)
class Question:
    """One yes-or-no question with scores, for a curve."""

    name: str
    truth: NDArray[np.bool_]
    """(n,)."""
    scores: NDArray[np.float64]
    """(n,) higher means yes."""

    @property
    def is_open(self) -> bool:
        """True when there are examples of both answers."""
        return bool(self.truth.any() and not self.truth.all())


def draw_task(judged: Judged, folder: Path) -> list[Path]:
    """Draw everything of one task; returns the files."""
    row, name = judged.rows[0], judged.task.name
    paths = [folder / f"{kind}-{name}.png" for kind in ("confusion", "curves", "reliability")]
    title = f"Task {name}, {row.who}, {row.split.name} ({row.patients} patients)"
    matrices = [(_matrix_title(r), r.predictions.confusion) for r in judged.rows]
    notices = [f"{r.split.name}: {r.split.notice}" for r in judged.rows if r.split.notice]
    save(confusion_figure(f"Task {name}, {row.who}", judged.task.labels, matrices), paths[0], "\n".join(notices))
    save(curves_figure(title, questions(row.predictions), _operating_point(row)), paths[1], row.split.notice)
    panels = [
        ("probability of not Normal", adventitious_reliability(row.predictions.take(counted(row.predictions)))),
        ("probability of the decided label", confidence_reliability(row.predictions)),
    ]
    save(reliability_figure(title, panels), paths[2], row.split.notice)
    return paths


def save(figure: Figure, path: Path, notice: str) -> None:
    """Write a PNG.

    Args:
        figure: what is drawn.
        path: of the file.
        notice: what must be said of the training data, on a strip above the figure; empty when nothing.
    """
    if notice:
        figure.text(0.5, 1.0, notice, color=WARNING, ha="center", va="bottom", fontsize=10, fontweight="bold")
    figure.savefig(path, dpi=DPI, facecolor="white", bbox_inches="tight" if notice else None)


def questions(answered: Predictions) -> list[Question]:
    """Normal or not first, then each label against the rest; ignored labels are left out of the first."""
    part = answered.take(counted(answered))
    asked = [Question("not Normal", part.truth > 0, 1 - part.probabilities[:, 0].astype(np.float64))]
    if len(answered.task.labels) > 2:
        for i, label in enumerate(answered.task.labels):
            asked.append(
                Question(
                    f"{label}, against the rest", answered.truth == i, answered.probabilities[:, i].astype(np.float64)
                )
            )
    return [question for question in asked if question.is_open]


def confusion_figure(
    title: str, labels: Sequence[str], matrices: Sequence[tuple[str, NDArray[np.int64]]], across: Sequence[str] = ()
) -> Figure:
    """One panel for each matrix: shade and per cent are of the row, the number is the count.

    Args:
        title: over all.
        labels: of the rows.
        matrices: title and (R, C) counts of each.
        across: labels of the columns; those of the rows when empty.
    """
    names, columns = [*labels], [*(across or labels)]
    size = max(2.6, 0.62 * len(columns) + 1.6)
    wide = min(len(matrices), 2 if len(columns) > 3 else 4)
    high = -(-len(matrices) // wide)
    figure = Figure(figsize=(wide * (size + 1.2), high * (0.62 * len(names) + 2.0)), layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(high, wide, squeeze=False).ravel()
    for axis in axes[len(matrices) :]:
        axis.set_visible(False)
    for axis, (subtitle, matrix) in zip(axes, matrices, strict=False):
        _draw_matrix(axis, matrix)
        axis.set_title(subtitle, fontsize=9)
        axis.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.set_xlabel("decided", fontsize=9)
        axis.set_ylabel("annotated", fontsize=9)
    return figure


def curves_figure(title: str, asked: Sequence[Question], at: tuple[float, float, float] | None = None) -> Figure:
    """ROC and precision-recall curves side by side.

    Args:
        title: over both.
        asked: a curve each, the first drawn bold.
        at: false positive rate, true positive rate and precision of what was decided on the first question.
    """
    height = 5.9 + 0.18 * (len(asked) + 1)  # inches: 4.8 of axes, the rest for the title and a legend below
    figure = Figure(figsize=(11, height))
    figure.suptitle(title, fontsize=11, y=1 - 0.12 / height, va="top")
    roc, pr = figure.subplots(
        1, 2, gridspec_kw={"left": 0.06, "right": 0.99, "top": 1 - 0.45 / height, "bottom": 1 - 5.25 / height}
    )
    roc.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=":")
    for question, colour in zip(asked, LINES, strict=False):
        width = 2.2 if question is asked[0] else 1.1
        _draw_curves(roc, pr, question, colour, width)
    if at is not None:
        roc.plot(at[0], at[1], "o", color=INK, markersize=6, label="decided", zorder=5)
        pr.plot(at[1], at[2], "o", color=INK, markersize=6, label="decided", zorder=5)
    if not asked:
        roc.text(0.5, 0.6, "no question has examples of both answers", ha="center")
    for axis, x, y in ((roc, "false positive rate", "true positive rate"), (pr, "recall", "precision")):
        axis.set(xlabel=x, ylabel=y, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        axis.grid(color="#eeeeee")
        if asked:
            axis.legend(fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.11), frameon=False)
    return figure


def reliability_figure(title: str, panels: Sequence[tuple[str, Reliability]]) -> Figure:
    """What was stated against what was true, with how often it was stated below."""
    figure = Figure(figsize=(5.2 * len(panels), 5.6), layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(2, len(panels), squeeze=False, height_ratios=(3, 1), sharex=True)
    edges = np.linspace(0, 1, BINS + 1)
    for axis, below, (name, found) in zip(axes[0], axes[1], panels, strict=True):
        axis.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=":", label="as stated")
        axis.plot(found.stated, found.true, "o-", color=MAIN, label=f"found, ECE {found.error:.3f}")
        axis.set(ylabel="share that was so", xlim=(0, 1), ylim=(-0.02, 1.02))
        axis.set_title(name, fontsize=9)
        axis.grid(color="#eeeeee")
        axis.legend(fontsize=8, loc="upper left")
        below.bar(
            edges[:-1], found.counts, width=1 / BINS, align="edge", color="#b9cde4", edgecolor=MAIN, linewidth=0.5
        )
        below.set(xlabel=name, ylabel="answers")
        _scale_counts(below, found.counts)
    return figure


def _scale_counts(axis: Axes, counts: NDArray[np.int64]) -> None:
    """A logarithmic axis where one bin would hide the others."""
    some = counts[counts > 0]
    if len(some) and some.max() > FLATTENS * some.min():
        axis.set_yscale("log")
        axis.set_ylabel("answers (log)")
        axis.set_ylim(0.7, 2 * some.max())
        axis.yaxis.set_major_locator(LogLocator(numticks=5))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_locator(NullLocator())


def _matrix_title(row: Row) -> str:
    score = "no score" if row.score.score is None else f"Score {row.score.score:.3f}"
    return f"{row.split.name}: {len(row.predictions.clips)} clips, {score}"


def _draw_matrix(axis: Axes, matrix: NDArray[np.int64]) -> None:
    rows = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, rows, out=np.zeros(matrix.shape), where=rows > 0)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(matrix):
        if value:
            ink = "white" if share[i, j] > 0.55 else INK
            axis.text(j, i, f"{value}\n{100 * share[i, j]:.0f} %", ha="center", va="center", fontsize=7, color=ink)


def _draw_curves(roc: Axes, pr: Axes, question: Question, colour: str, width: float) -> None:
    wrong, right, _ = roc_curve(question.truth, question.scores)
    precision, recall, _ = precision_recall_curve(question.truth, question.scores)
    auc, ap = (f(question.truth, question.scores) for f in (roc_auc_score, average_precision_score))
    style: dict[str, Any] = {"color": colour, "linewidth": width}
    positives, share = int(question.truth.sum()), float(question.truth.mean())
    roc.plot(*_thinned(wrong, right), label=f"{question.name}: AUC {auc:.3f}", **style)
    label = f"{question.name}: AP {ap:.3f}, chance {share:.3f} ({positives})"
    pr.step(*_thinned(recall, precision), where="post", label=label, **style)


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if len(x) <= MOST_POINTS:
        return x, y
    kept = np.unique(np.linspace(0, len(x) - 1, MOST_POINTS).round().astype(int))
    return x[kept], y[kept]


def _operating_point(row: Row) -> tuple[float, float, float] | None:
    part = row.predictions.take(counted(row.predictions))
    truth, said = part.truth > 0, part.decided > 0
    if not truth.any() or truth.all() or not said.any():
        return None
    return float(said[~truth].mean()), float(said[truth].mean()), float(truth[said].mean())
