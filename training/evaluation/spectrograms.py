"""Pictures of sound for a page of mistakes: log-mel frames of `edge.features`, with what was annotated and said.

The same front-end for every model, so that pages can be compared; not necessarily what the model sees.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edge.features import FrontEnd
from edge.features.logmel import mel_edges_hz
from edge.features.spec import LOG_MEL
from edge.types import Block
from training.datasets import Recording
from training.datasets.files import read_sound

MARGIN_S = 0.5  # context shown on both sides of a clip
TICKS_HZ = (100, 200, 400, 800, 1600)
DPI = 80
WIDTH = 6.4  # inches; margins are set by hand, since a page has hundreds of pictures and a solver takes 50 ms for each


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of time to be shown above the picture."""

    start_s: float
    end_s: float
    colour: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A score over time, 0 to 1."""

    name: str
    values: NDArray[np.float32]
    """(T,)."""
    frame_s: float
    colour: str


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be drawn of a recording."""

    recording: Recording
    start_s: float
    """Start of what is judged."""
    end_s: float | None
    """Its end; None for the whole recording."""
    marks: tuple[tuple[str, tuple[Mark, ...]], ...] = ()
    """Rows of marks, each with its name."""
    curves: tuple[Curve, ...] = ()
    threshold: float | None = None
    """Drawn among the curves."""
    whole: bool = False
    """Show the whole recording around what is judged, not only `MARGIN_S`."""


def draw(picture: Picture) -> str:
    """The picture as a `data:` address for a page.

    Raises:
        ConfigError: if the recording does not decode.
    """
    frames, first_s, hop_s = _frames(picture)
    rows = [ratio for ratio, wanted in ((0.22 * len(picture.marks), picture.marks), (0.9, picture.curves)) if wanted]
    height = 2.0 + sum(rows) + 0.1 * len(rows)
    figure = Figure(figsize=(WIDTH, height))
    place = {"left": 0.75 / WIDTH, "right": 1 - 0.1 / WIDTH, "bottom": 0.36 / height, "top": 1 - 0.06 / height}
    axes = figure.subplots(
        1 + len(rows), 1, squeeze=False, height_ratios=[*rows, 1.6], sharex=True, gridspec_kw={**place, "hspace": 0.12}
    ).ravel()
    above = list(axes[:-1])
    if picture.marks:
        _draw_marks(above.pop(0), picture.marks)
    if picture.curves:
        _draw_curves(above.pop(0), picture)
    _draw_frames(axes[-1], frames, first_s, hop_s)
    axes[-1].set_xlim(first_s, first_s + len(frames) * hop_s)
    if picture.end_s is not None:
        for edge in (picture.start_s, picture.end_s):
            axes[-1].axvline(edge, color="white", linewidth=1.2, linestyle="--")
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=DPI, facecolor="white")
    return "data:image/png;base64," + base64.b64encode(target.getvalue()).decode()


def _frames(picture: Picture) -> tuple[NDArray[np.float32], float, float]:
    """(T, M) dB, the time of the first frame's centre and the hop, s."""
    samples = read_sound(picture.recording.path, LOG_MEL.rate_hz)
    begin, stop = 0, len(samples)
    if picture.end_s is not None and not picture.whole:
        begin = max(0, round((picture.start_s - MARGIN_S) * LOG_MEL.rate_hz))
        stop = min(stop, round((picture.end_s + MARGIN_S) * LOG_MEL.rate_hz))
    part = samples[begin:stop]
    front_end = FrontEnd(LOG_MEL)
    found = front_end.push(Block(0, part, np.ones(len(part), np.bool_))) + front_end.flush()
    values = [f.values for f in found] or [np.zeros((1, LOG_MEL.width), np.float32)]
    return np.concatenate(values)[:, : LOG_MEL.bands], begin / LOG_MEL.rate_hz, LOG_MEL.hop_samples / LOG_MEL.rate_hz


def _draw_frames(axis: Axes, frames: NDArray[np.float32], first_s: float, hop_s: float) -> None:
    low, high = np.percentile(frames, [5, 99.8])
    extent = (first_s, first_s + len(frames) * hop_s, -0.5, frames.shape[1] - 0.5)
    axis.imshow(
        frames.T, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=low, vmax=max(high, low + 1e-3)
    )
    centres = mel_edges_hz(LOG_MEL)[1:-1]
    axis.set_yticks(np.interp(TICKS_HZ, centres, np.arange(len(centres))), [str(hz) for hz in TICKS_HZ], fontsize=7)
    axis.set_ylabel("Hz", fontsize=8)
    axis.set_xlabel("s", fontsize=8, labelpad=1)
    axis.tick_params(axis="x", labelsize=7)


def _draw_marks(axis: Axes, rows: Sequence[tuple[str, tuple[Mark, ...]]]) -> None:
    for place, (_, marks) in enumerate(rows):
        for mark in marks:
            axis.barh(place, mark.end_s - mark.start_s, left=mark.start_s, height=0.7, color=mark.colour)
    axis.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=7)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.tick_params(axis="both", length=0)
    axis.tick_params(axis="x", labelbottom=False)
    for side in axis.spines.values():
        side.set_visible(False)


def _draw_curves(axis: Axes, picture: Picture) -> None:
    for curve in picture.curves:
        times = (np.arange(len(curve.values)) + 0.5) * curve.frame_s
        axis.plot(times, curve.values, color=curve.colour, linewidth=1, label=curve.name)
    if picture.threshold is not None:
        axis.axhline(picture.threshold, color="#777777", linewidth=0.7, linestyle=":")
    axis.set_ylim(0, 1)
    axis.set_ylabel("score", fontsize=8)
    axis.tick_params(axis="both", labelsize=7, labelbottom=False)
    axis.legend(fontsize=6.5, loc="upper right", ncols=3, framealpha=0.7)
