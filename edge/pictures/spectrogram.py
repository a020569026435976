"""A sound file as a picture of a front-end's frames: their values, their times, and what is not measurable.

The file is read as `edge.api.detect` reads it and pushed through the front-end block by block. Not for events
(`edge.api`) or for drawing (`edge.pictures.drawing`). Memory is bounded: frames become columns as they come
(`edge.pictures.columns`).

A column stands where its frames are centred: frame t of a mel analysis at t * hop + span / 2, span the longest window
(the shorter ones are centred in it); frame t of gammatone filters and wavelets, which are means over one hop, at
t * hop + hop / 2. Gammatone filters are causal: a click is loudest 3 / (2 pi B) later, B the bandwidth (16 ms at 50 Hz,
1.6 ms at 2500 Hz). Nothing is moved back: this is what the model gets.
"""

from __future__ import annotations

import math
import threading

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError, LaennecError, SourceError
from edge.features import Cwt, FeatureSpec, FrontEnd, Log, Mel
from edge.features.cwt import cwt_centres_hz
from edge.features.gammatone import gammatone_centres_hz
from edge.features.logmel import mel_edges_hz
from edge.pictures.columns import Columns
from edge.pictures.picture import Panel, PictureOptions, Spectrogram
from edge.sources.file import FileSource
from edge.sources.source import read_source
from edge.types import Block

MOST_COLUMNS = 1600  # no more than the picture has pixels, so that none is left out when it is drawn
MOST_PANELS = 12


def spectrogram(options: PictureOptions, stop: threading.Event) -> Spectrogram:
    """Read the file and push it through the front-end.

    Raises:
        ConfigError: if the stretch lies outside of the file, or the channel does not exist.
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
        _check_heard(options, columns, stop_s, broken)
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


def _check_heard(options: PictureOptions, columns: Columns, stop_s: float, broken: LaennecError | None) -> None:
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
