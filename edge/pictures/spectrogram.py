"""A sound file as a picture of a front-end's frames: panels, columns, events, and what is not measurable.

Not for events (`edge.api`) or for drawing (`edge.pictures.drawing`). The file is read as `edge.api.detect` reads it and
pushed through the front-end block by block. Memory is bounded: a column holds `per_column` frames, a power of two that
doubles whenever the columns run out, and shows of each number the largest (of a slope, the largest up or down), so a
crackle of 10 ms can be seen in an hour. It is measurable only when every frame of it is valid: a gap is never narrower
than one column.

A column stands where its frames are centred: frame t of a mel analysis at t * hop + span / 2, span the longest window
(the shorter ones are centred in it); frame t of gammatone filters and wavelets, which are means over one hop, at
t * hop + hop / 2. Gammatone filters are causal: a click is loudest 3 / (2 pi B) later, B the bandwidth (16 ms at 50 Hz,
1.6 ms at 2500 Hz). Nothing is moved back: this is what the model gets.
"""

from __future__ import annotations

import json
import math
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError, LaennecError, SourceError
from edge.features import FRONT_ENDS, Cwt, FeatureSpec, FrontEnd, Log, Mel
from edge.features.gammatone import gammatone_centres_hz
from edge.features.logmel import mel_edges_hz
from edge.features.wavelet import cwt_centres_hz
from edge.model.model import Model
from edge.sources.file import FileSource
from edge.sources.source import read_source
from edge.types import Block, Frames


class Columns:
    """The columns of the frames [first, stop).

    Args:
        first: index of the first frame to draw.
        stop: index one past the last one.
        levels: numbers of a frame that are levels, its first ones; all others are slopes.
        width: M, numbers of a frame.
        most: columns there may be, even.
    """

    def __init__(self, first: int, stop: float, levels: int, width: int, most: int) -> None:
        self.first, self.stop = first, stop
        self.per_column = 1
        self.end = first  # one past the last frame that was made
        self._levels, self._width, self._most = levels, width, most
        self._peaks = np.full((most, 2 * width - levels), -np.inf, np.float32)  # behind the numbers, the slopes negated
        self._valid = np.zeros(most, np.int64)  # frames

    @property
    def full(self) -> bool:
        """Whether all frames to draw have come."""
        return self.end >= self.stop

    def reach(self, end: int) -> None:
        """Make the columns wide enough for the frames up to `end`, though they may never come."""
        while min(end, self.stop) - self.first > self._most * self.per_column:
            self._merge_pairs()

    def push(self, frames: Frames) -> None:
        """Take consecutive frames; those outside of [first, stop) are left out."""
        index = np.arange(frames.start, frames.start + len(frames.valid))
        self.end = max(self.end, frames.start + len(frames.valid))
        self.reach(self.end)
        drawn = frames.valid & (index >= self.first) & (index < self.stop)
        if not drawn.any():
            return
        values = frames.values[drawn]
        columns = (index[drawn] - self.first) // self.per_column
        np.maximum.at(self._peaks, columns, np.hstack([values, -values[:, self._levels :]]))
        np.add.at(self._valid, columns, 1)

    def values(self) -> NDArray[np.float32]:
        """(columns, M), at least one column; NaN where not every frame is valid."""
        made = int(min(self.end, self.stop)) - self.first
        frames = np.clip(made - np.arange(self._most) * self.per_column, 1, self.per_column)  # the last holds fewer
        count = max(1, -(-made // self.per_column))
        highest, lowest = self._peaks[:, : self._width].copy(), -self._peaks[:, self._width :]
        slopes = highest[:, self._levels :]
        slopes[:] = np.where(slopes >= -lowest, slopes, lowest)
        highest[self._valid < frames] = np.nan
        return highest[:count]

    def _merge_pairs(self) -> None:
        """Halve the number of columns: each pair becomes one, with the larger peak of both."""
        half = self._most // 2
        self._peaks[:half] = np.maximum(self._peaks[0::2], self._peaks[1::2])
        self._valid[:half] = self._valid[0::2] + self._valid[1::2]
        self._peaks[half:], self._valid[half:] = -np.inf, 0
        self.per_column *= 2


MOST_SPEC_BYTES = 1 << 20  # a wrong file is not read into memory whole


@dataclass(frozen=True)
class PictureOptions:
    """Which segment of which file to draw, by which front-end."""

    path: Path
    """A sound file."""
    name: str
    """Name of the front-end, for titles and errors."""
    spec: FeatureSpec
    """The front-end."""
    channel: int | None = None
    """Which of several, counted from 1."""
    from_s: float = 0.0
    """Begin of the segment, seconds from the begin of the file."""
    to_s: float | None = None
    """Its end; None for the end of the file."""


@dataclass(frozen=True)
class Panel:
    """The levels of one analysis window over time and bands, or their slopes."""

    name: str
    """Its window or slope, for its axis."""
    values: NDArray[np.float32]
    """(columns, M) levels in the unit of the compression, or their slope for each frame; NaN where not measurable."""
    unit: str
    """Unit of the values: dB, ln, PCEN, or one of these per frame."""
    signed: bool
    """Whether they are slopes, around zero."""


@dataclass(frozen=True)
class DetectedEvent:
    """One event of the detector, as drawn."""

    label: str
    """Class of the model."""
    group: int
    """Index of its group among those of the model."""
    onset_s: float
    """Begin, seconds from the begin of the file."""
    end_s: float
    """End, seconds from the begin of the file."""


@dataclass(frozen=True)
class Spectrogram:
    """A segment of a file as a front-end analyses it."""

    options: PictureOptions
    """What was to be drawn."""
    panels: tuple[Panel, ...]
    """Window after window, then their slopes."""
    centres_hz: NDArray[np.float64]
    """(M,) centre of every band, Hz."""
    first_s: float
    """Centre of the first frame of the first column, seconds from the begin of the file."""
    hop_s: float
    """From one frame to the next, seconds."""
    per_column: int
    """Frames in a column."""
    to_s: float
    """End of the segment, seconds from the begin of the file."""
    broken: LaennecError | None
    """Why the file could not be read to its end, to be raised when the picture is written."""

    @property
    def times_s(self) -> NDArray[np.float64]:
        """(columns,) centre of each column, seconds from the begin of the file."""
        frames = np.arange(len(self.panels[0].values), dtype=np.float64) * self.per_column + (self.per_column - 1) / 2
        return self.first_s + frames * self.hop_s


def picture_options(
    path: Path, front_end: str | None, model: Model | None, channel: int | None, span_s: tuple[float, float | None]
) -> PictureOptions:
    """The options of a picture from those of the command line.

    Args:
        path: a sound file.
        front_end: name of a front-end, or a file with a feature spec; None for that of the model.
        model: loaded artefact; not None where `front_end` is.
        channel: which of several, counted from 1.
        span_s: begin and end, seconds; None for the end of the file.

    Raises:
        ConfigError: if there is no such front-end.
    """
    if front_end is not None:
        return PictureOptions(path, Path(front_end).name, named_front_end(front_end), channel, *span_s)
    assert model is not None
    return PictureOptions(path, model.id, model.spec, channel, *span_s)


def named_front_end(text: str) -> FeatureSpec:
    """The front-end of a name, or of a file with a feature spec as JSON, with any white space.

    Raises:
        ConfigError: if there is none.
    """
    if text in FRONT_ENDS:
        return FRONT_ENDS[text]
    path = Path(text)
    if path.suffix != ".json":
        raise ConfigError(
            f"--frontend {text!r} is not known; give {', '.join(FRONT_ENDS)}, or a feature spec as FILE.json"
        )
    try:
        with path.open("rb") as file:
            tree = json.loads(file.read(MOST_SPEC_BYTES))
    except OSError as error:
        raise ConfigError(f"--frontend {text}: cannot be opened ({error.strerror}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--frontend {text}: is not JSON ({error}); `laennec model` shows a feature spec") from error
    return FeatureSpec.from_json(json.dumps(tree, sort_keys=True, separators=(",", ":")))


MOST_COLUMNS = 1600  # no more than the picture has pixels, so that none is left out when it is drawn
MOST_PANELS = 12


def spectrogram(options: PictureOptions, stop: threading.Event) -> Spectrogram:
    """Read the file and push it through the front-end.

    Raises:
        ConfigError: if the segment lies outside of the file, or the channel does not exist.
        SourceError: if the file cannot be read, or is shorter than a frame.
    """
    _check(options)
    spec = options.spec
    centre = centre_samples(spec)
    first = max(0, math.floor((options.from_s * spec.rate_hz - centre) / spec.hop_samples + 0.5))
    last = (
        math.inf if options.to_s is None else math.ceil((options.to_s * spec.rate_hz - centre) / spec.hop_samples + 0.5)
    )
    columns = Columns(first, last, spec.levels, spec.width, MOST_COLUMNS)
    stop_s, broken = _read(options, columns, stop)
    if not stop.is_set():
        _check_received(options, columns, stop_s, broken)
    to_s = stop_s if options.to_s is None or (broken is None and not columns.full) else options.to_s
    first_s, hop_s = (first * spec.hop_samples + centre) / spec.rate_hz, spec.hop_samples / spec.rate_hz
    panels = _panels(spec, columns.values())
    return Spectrogram(options, panels, band_centres_hz(spec), first_s, hop_s, columns.per_column, to_s, broken)


def band_centres_hz(spec: FeatureSpec) -> NDArray[np.float64]:
    """(M,) where each band of a front-end is most sensitive, Hz."""
    if isinstance(spec.analysis, Mel):
        return mel_edges_hz(spec)[1:-1]
    return cwt_centres_hz(spec) if isinstance(spec.analysis, Cwt) else gammatone_centres_hz(spec)


def centre_samples(spec: FeatureSpec) -> float:
    """Samples from t * hop to the centre of frame t."""
    span = max(spec.analysis.windows_samples) if isinstance(spec.analysis, Mel) else spec.hop_samples
    return span / 2


def _check(options: PictureOptions) -> None:
    for option, value in (("--from", options.from_s), ("--to", options.to_s)):
        if value is not None and not 0 <= value < math.inf:
            raise ConfigError(f"{option} {value:g}: give seconds from the begin of the file, 0 or more")
    if options.to_s is not None and options.to_s <= options.from_s:
        raise ConfigError(f"--to {options.to_s:g} must be greater than --from {options.from_s:g}")
    panels = options.spec.windows * (1 + options.spec.deltas)
    if panels > MOST_PANELS:
        raise ConfigError(
            f"{options.name}: {panels} panels, of which {MOST_PANELS} fit into a picture; give fewer windows"
        )


def _read(options: PictureOptions, columns: Columns, stop: threading.Event) -> tuple[float, LaennecError | None]:
    """Fill the columns; return how long the file is (or how far it was read), seconds, and what ended it early."""
    spec, front_end = options.spec, FrontEnd(options.spec)
    source = FileSource(options.path, spec.rate_hz, options.channel)
    stop_sample, broken = 0, None
    try:
        for item in read_source(source, stop):
            stop_sample = item.stop
            for frames in front_end.push(item) if isinstance(item, Block) else ():
                columns.push(frames)
            if columns.full:
                break
    except LaennecError as error:  # cut short: what came before is drawn first
        broken = error
    finally:
        source.close()
    for frames in front_end.flush():
        columns.push(frames)
    columns.reach(stop_sample // spec.hop_samples)
    return stop_sample / spec.rate_hz, broken


def _check_received(options: PictureOptions, columns: Columns, stop_s: float, broken: LaennecError | None) -> None:
    spec = options.spec
    history_frames = -(-spec.history_samples // spec.hop_samples)
    needed_s = (history_frames * spec.hop_samples + spec.ahead_samples) / spec.rate_hz
    if stop_s < needed_s:
        raise broken or SourceError(
            f"{options.path}: {stop_s:.3f} s of sound are shorter than the first frame of {options.name}, "
            f"{needed_s:.3f} s; record more"
        )
    if options.from_s >= stop_s and not columns.full:
        raise broken or ConfigError(
            f"--from {options.from_s:g}: {options.path} ends at {stop_s:.2f} s; begin before that"
        )


def _panels(spec: FeatureSpec, values: NDArray[np.float32]) -> tuple[Panel, ...]:
    """The numbers of the columns as panels, in the unit of the compression wherever that needs one factor only."""
    unit = ("dB" if spec.compression.unit == "db" else "ln") if isinstance(spec.compression, Log) else "PCEN"
    offset, scale = np.broadcast_to(spec.offset, spec.width), np.broadcast_to(spec.scale, spec.width)
    names, out = _names(spec), []
    for index, name in enumerate(names):
        part = slice(index * spec.bands, (index + 1) * spec.bands)
        signed = index >= spec.windows
        even = len(set(offset[part])) == len(set(scale[part])) == 1
        levels = values[:, part] * scale[part][0] + offset[part][0] if even else values[:, part]
        words = unit + ("", " a frame", " a frame²")[index // spec.windows] + ("" if even else ", normalised")
        out.append(Panel(name, levels.astype(np.float32), words, signed))
    return tuple(out)


def _names(spec: FeatureSpec) -> list[str]:
    lengths = spec.analysis.windows_samples if isinstance(spec.analysis, Mel) else ()
    windows = [f"window {1000 * length / spec.rate_hz:g} ms" for length in lengths] or ["level"]
    slopes = ["", "slope, ", "slope of the slope, "][: 1 + spec.deltas]
    return [slope + window for slope in slopes for window in windows]
