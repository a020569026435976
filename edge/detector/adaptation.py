"""From sound files of one kind of device, without labels, to its adaptation.

Files are measured as a stream of each would be scored, without any gain; what is silent, clipped or not a number is
left out and named. Refused is too little sound, an equaliser that no stethoscope needs, and one that does not bring the
device nearer to what the model knows. Not for the arithmetic (`edge.detector.equaliser`).
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.detector.equaliser import find_equaliser, segments
from edge.detector.level import is_levelled, low_floor
from edge.detector.statistics import SampleCounts
from edge.errors import ConfigError, ModelError, SourceError
from edge.features import FrontEnd
from edge.model.adaptation import LARGEST_BOOST_DB, LARGEST_CUT_DB, Adaptation, fp32_sha256
from edge.model.model import Model
from edge.sources.file import FileSource
from edge.types import Block, Frames

LEAST_S = 60.0  # of measurable sound, some fifteen breaths; with less, one patient's chest is taken for the device
MOST_S = 3600.0  # of sound that is measured; more changes nothing and takes minutes
BEYOND_DB = 12.0  # over the bounds of the equaliser: that is no stethoscope, or there was no sound
WORTH_DB = 1.5  # outside, or the model scores the device better as it is: edge/detector/README.md


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of some files."""

    frames: list[NDArray[np.float32]]
    """(T, M) of each segment."""
    files: int
    """That were used."""
    left_out: list[str]
    """A line for each that was not."""
    seconds: float
    """Of measurable sound."""


def measure(paths: Sequence[Path], model: Model, channel: int | None, stop: threading.Event) -> Measured:
    """Measure some files; one that cannot be read, or not without another choice of channel, is left out.

    Args:
        paths: sound files of one kind of device.
        model: that will score it.
        channel: which of several, counted from 1.
        stop: ends the reading early.

    Raises:
        ModelError: the model does not say what it knows.
    """
    if not is_levelled(model):
        raise ModelError(f"model {model.id}: does not say what sound it knows, so nothing can be adapted to it")
    frames: list[NDArray[np.float32]] = []
    left_out: list[str] = []
    files, seconds, frame_s = 0, 0.0, model.spec.hop_samples / model.spec.rate_hz
    for path in paths:
        if stop.is_set() or seconds >= MOST_S:
            break
        try:
            samples, pieces = _measured(path, model, channel, stop)
        except (ConfigError, SourceError) as error:  # ConfigError: of its channels
            left_out.append(str(error))
            continue
        parts = segments(pieces, model.spec)
        if why := "; ".join(samples.reasons()) or ("" if parts else "shorter than 5 s"):
            left_out.append(f"{path}: {why}")
            continue
        files, seconds, frames = files + 1, seconds + sum(map(len, parts)) * frame_s, frames + parts
    return Measured(frames, files, left_out, seconds)


def adapt(
    measured: Measured, model: Model, device: str, least_s: float = LEAST_S
) -> tuple[Adaptation, tuple[float, ...]]:
    """The adaptation of a device.

    Args:
        measured: its sound.
        model: that will score it.
        device: its name.
        least_s: how much sound there must be, seconds.

    Returns:
        It, and the equaliser that would be needed, by group of bands, dB.

    Raises:
        ConfigError: too little sound, an absurd equaliser, or one that brings nothing.
    """
    if measured.seconds < least_s:
        raise ConfigError(
            f"{device}: found {measured.seconds:.0f} s of measurable sound in {measured.files} files, expected "
            f"{least_s:.0f} s or more; record some minutes on several chests"
        )
    assert model.known is not None
    found = find_equaliser(measured.frames, model.known, model.spec)
    lowest, highest = min(found.wanted_db), max(found.wanted_db)
    if highest > LARGEST_BOOST_DB + BEYOND_DB or lowest < -LARGEST_CUT_DB - BEYOND_DB:
        raise ConfigError(
            f"{device}: needs an equaliser of {lowest:.0f} to {highest:.0f} dB, and beyond {-LARGEST_CUT_DB:.0f} to "
            f"{LARGEST_BOOST_DB:.0f} dB none helps; are these recordings of chests?"
        )
    before, after = found.outside_db
    if before < WORTH_DB or after >= before:
        why = "it needs none" if before < WORTH_DB else "none helps"
        raise ConfigError(
            f"{device}: its spectrum lies {before:.1f} dB outside what the model knows, and with an equaliser "
            f"{after:.1f} dB: {why}, so nothing was kept"
        )
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    adaptation = Adaptation(
        device,
        fp32_sha256(model),
        today,
        measured.files,
        round(measured.seconds, 1),
        found.level_db,
        found.equaliser_db,
        found.outside_db,
    )
    return adaptation, found.wanted_db


def _measured(
    path: Path, model: Model, channel: int | None, stop: threading.Event
) -> tuple[SampleCounts, list[Frames]]:
    """The frames of a file, not raised, and the sums of its samples."""
    front_end, samples = FrontEnd(low_floor(model.spec)), SampleCounts()
    source = FileSource(path, model.rate_hz, channel)
    frames: list[Frames] = []
    try:
        for item in source.blocks(stop):
            if isinstance(item, Block):
                samples.push(item)
                frames += front_end.push(item)
    finally:
        source.close()
    return samples, frames + front_end.flush()
