"""A spectrogram, with or without events, as a picture file. The only module that knows matplotlib, an extra.

Not for what is drawn (`edge.pictures.spectrogram`). No display is touched: a figure is made without pyplot, in
matplotlib's own style whatever the user's settings, and written in the format of the file's suffix. Bands are equally
tall, as the model gets them, and the axis shows their centres in Hz. What is not measurable stays hatched.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from edge.pictures.spectrogram import DetectedEvent, Panel, Spectrogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

WIDTH_IN, DOTS_PER_IN = 16.0, 120  # 1920 pixels, of which the panels get more than MOST_COLUMNS
PANEL_IN, ALONE_IN, TALLEST_IN = 2.9, 4.5, 24.0  # of one panel, of the only one, of all together
ROW_IN = 0.24  # one class of events
TITLE_IN = 1.0  # title and time axis
NOT_MEASURABLE = {"facecolor": "#e4e4e4", "edgecolor": "#b4b4b4", "hatch": "////", "linewidth": 0}
GROUP_COLOURS = ("#00b0f0", "#7ac943", "#ff5fa2", "#ffa000")  # on white and on magma
MOST_LINES = 60  # events whose begin and end cross the panels; more would hide them
LEAST_DB, MOST_DB = 40.0, 80.0  # of the colours: quiet noise shall not look like sound, nor dither fill the picture


def check_output(path: Path) -> None:
    """Refuse a file that cannot be drawn, before an hour is read.

    Raises:
        ConfigError: matplotlib is missing, or it or the disk cannot write such a file.
    """
    canvas = _canvas()
    suffixes = sorted(canvas.get_supported_filetypes())
    if path.suffix[1:].lower() not in suffixes:
        raise ConfigError(
            f"-o {path}: cannot draw {path.suffix or 'without a suffix'!r}; end it with .{', .'.join(suffixes)}"
        )
    folder = path.parent
    if not folder.is_dir():
        raise ConfigError(f"-o {path}: there is no folder {folder}; make it first")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise ConfigError(f"-o {path}: cannot be written; give a file in a folder where you may write")


def draw(picture: Spectrogram, events: Sequence[DetectedEvent] | None, path: Path) -> None:
    """Write the picture; the kind of file follows from its suffix.

    Args:
        picture: what a front-end makes of a file.
        events: to be drawn over it; None if nobody asked for them.
        path: the file, written anew.

    Raises:
        ConfigError: the file cannot be written.
    """
    _canvas()
    import matplotlib

    content = io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter of the file's name that the font does not have
        matplotlib.rcdefaults()
        figure = make_figure(picture, events)
        try:
            figure.savefig(content, format=path.suffix[1:].lower())
            path.write_bytes(content.getbuffer())
        except (OSError, RuntimeError, ValueError) as error:  # some kinds need programs or libraries beside matplotlib
            raise ConfigError(f"-o {path}: cannot be written ({error}); try .png, or another folder") from error


def make_figure(picture: Spectrogram, events: Sequence[DetectedEvent] | None) -> Figure:
    """The picture before it is written: a strip with a row for each class found, if asked for, above the panels."""
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(event.label for event in sorted(events or (), key=lambda e: (e.group, e.label))))
    strip = [] if events is None else [ROW_IN * max(1, len(labels))]
    count = len(picture.panels)
    heights = [*strip, *[ALONE_IN if count == 1 else min(PANEL_IN, TALLEST_IN / count)] * count]
    figure = Figure((WIDTH_IN, sum(heights) + TITLE_IN), DOTS_PER_IN, layout="constrained")
    grid = figure.subplots(len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})
    axes: list[Axes] = list(grid[:, 0])
    panels = axes[len(strip) :]
    _draw_panels(figure, panels, picture)
    if events is not None:
        _draw_events(axes[0], panels, events, labels)
        _hatch_not_measurable(axes[0], picture)
    axes[0].set_title(_title(picture), loc="left", fontsize=11, parse_math=False)
    axes[-1].set_xlim(picture.options.from_s, picture.to_s)
    axes[-1].set_xlabel(_time_label(picture))
    return figure


def hz_ticks(centres_hz: NDArray[np.float64]) -> tuple[list[float], list[str]]:
    """Round frequencies between the lowest and the highest centre: places in bands (band m at m), and labels."""
    bands = np.arange(len(centres_hz))
    places: list[float] = []
    labels = []
    for digits in (1, 2, 5, 3, 1.5, 4, 7):  # the first ones that fit
        for hz in digits * 10.0 ** np.arange(0, 6):
            place = float(np.interp(hz, centres_hz, bands))
            inside = centres_hz[0] <= hz <= centres_hz[-1]
            if inside and all(abs(place - other) >= len(bands) / 14 for other in places):
                places.append(place)
                labels.append(f"{hz:g}")
    return places, labels


def _canvas() -> Any:
    """Matplotlib's canvas that needs no display; an ImportError if matplotlib is not installed."""
    os.environ.pop("MPLBACKEND", None)  # a display's name there may even keep matplotlib from being imported
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it logs the fonts that it looks for
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    return FigureCanvasAgg


def _draw_panels(figure: Figure, axes: Sequence[Axes], picture: Spectrogram) -> None:
    """The panels; those of one unit share their range of colours and its bar."""
    for unit in dict.fromkeys(panel.unit for panel in picture.panels):
        chosen = [(ax, panel) for ax, panel in zip(axes, picture.panels, strict=True) if panel.unit == unit]
        limits = _range([panel for _, panel in chosen])
        for ax, panel in chosen:
            image = _image(ax, panel, picture, limits)
            ax.set_ylabel(f"{panel.name}\nHz" if len(axes) > 1 else "Hz")
        bar = figure.colorbar(image, ax=[ax for ax, _ in chosen], pad=0.008, fraction=0.02, aspect=30)
        bar.set_label(unit)


def _image(ax: Axes, panel: Panel, picture: Spectrogram, limits: tuple[float, float]) -> AxesImage:
    """One panel; a cell for each column and band, without smoothing."""
    columns, bands = panel.values.shape
    begin_s = picture.first_s - picture.hop_s / 2
    end_s = begin_s + columns * picture.per_column * picture.hop_s
    ax.patch.set(**NOT_MEASURABLE)
    ax.set_yticks(*hz_ticks(picture.centres_hz))
    return ax.imshow(
        np.ma.masked_invalid(panel.values.T),
        cmap="RdBu_r" if panel.signed else "magma",
        clim=limits,
        extent=(begin_s, end_s, -0.5, bands - 0.5),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )


def _range(panels: Sequence[Panel]) -> tuple[float, float]:
    """Numbers that get the first and the last colour."""
    values = np.concatenate([panel.values.ravel() for panel in panels])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    if panels[0].signed:
        steep = float(np.percentile(np.abs(values), 99.5)) or 1.0
        return -steep, steep
    low, high = (float(x) for x in np.percentile(values, (1, 99.8)))
    if panels[0].unit == "dB":
        low = max(low, high - MOST_DB)
        high = max(high, low + LEAST_DB)
    return low, max(high, low + 1e-3)


def _draw_events(strip: Axes, panels: Sequence[Axes], events: Sequence[DetectedEvent], labels: Sequence[str]) -> None:
    """Every event as a bar in the row of its class, and its begin and end as lines across the panels."""
    for event in events:
        colour = GROUP_COLOURS[event.group % len(GROUP_COLOURS)]
        row = labels.index(event.label)
        width_s = event.end_s - event.onset_s  # the edge keeps it a pixel wide in a picture of an hour
        strip.barh(row, width_s, left=event.onset_s, height=0.7, color=colour, edgecolor=colour, linewidth=0.7)
        if len(events) <= MOST_LINES:
            for ax in panels:
                ax.axvline(event.onset_s, color=colour, linewidth=1.2)
                ax.axvline(event.end_s, color=colour, linewidth=1.2, linestyle=(0, (4, 3)))
    strip.set_yticks(range(len(labels)), [label.replace("_", " ") for label in labels])
    strip.set_ylim(max(1, len(labels)) - 0.5, -0.5)
    strip.tick_params(axis="x", length=0)
    strip.tick_params(axis="y", length=0)
    for side in ("top", "right", "bottom"):
        strip.spines[side].set_visible(False)
    if not events:
        strip.text(0.0, 0.5, " no events here", transform=strip.transAxes, va="center", color="#606060")


def _hatch_not_measurable(strip: Axes, picture: Spectrogram) -> None:
    """Hatch the strip where the panels are: no event there does not mean that there was none."""
    measurable = np.concatenate([[False], np.isfinite(picture.panels[0].values[:, 0]), [False]])
    edges_s = picture.first_s + (np.flatnonzero(np.diff(measurable)) * picture.per_column - 0.5) * picture.hop_s
    spans = [(begin_s, end_s - begin_s) for begin_s, end_s in edges_s.reshape(-1, 2).tolist()]
    strip.broken_barh(spans, (0, 1), facecolors="white", zorder=0, transform=strip.get_xaxis_transform())
    strip.patch.set(**NOT_MEASURABLE)


def _title(picture: Spectrogram) -> str:
    spec, options = picture.options.spec, picture.options
    name = "".join(
        letter if letter.isprintable() else "?" for letter in options.path.name.encode("utf-8", "replace").decode()
    )
    name = name if len(name) <= 80 else f"{name[:50]}…{name[-25:]}"
    delay_ms = 1000 * spec.delay_samples / spec.rate_hz
    return f"{name}\n{options.name}  ·  spec {spec.sha256[:8]}  ·  {spec.rate_hz} Hz  ·  delay {delay_ms:.4g} ms"


def _time_label(picture: Spectrogram) -> str:
    pooled = ""
    if picture.per_column > 1:
        width_ms = 1000 * picture.per_column * picture.hop_s
        pooled = f"; each column is the maximum of {picture.per_column} frames, {width_ms:.4g} ms"
    return f"seconds (hatched: not measurable{pooled})"
