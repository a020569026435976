"""Recordings and clips as pieces of one short length, as HeAR hears them. Cuts by time alone; labels stay whole.

Not for how a piece is filled up when it is shorter (`cut.ClipPolicy`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import soundfile

from edge.errors import ConfigError
from training.datasets import Recording
from training.tasks import Clip

LEAST_S = 0.3  # a rest at the end that is shorter than this is not a piece of its own


def whole(recording: Recording) -> Clip:
    """A recording as a clip; its label is that of the recording."""
    return Clip(recording, 0.0, duration_s(recording), recording.record_label, 0)


def duration_s(recording: Recording) -> float:
    """Seconds, from the record or the file's header.

    Raises:
        ConfigError: if the header does not decode.
    """
    if recording.duration_s:
        return recording.duration_s
    try:
        return float(soundfile.info(recording.path).duration)
    except (OSError, soundfile.LibsndfileError) as error:
        raise ConfigError(f"{recording.path}: does not decode ({error}); remove it or fetch it again") from None


def length_s(clip: Clip) -> float:
    """Seconds of a clip, from its times or the recording.

    Raises:
        ConfigError: if the recording's header does not decode.
    """
    return (duration_s(clip.recording) if clip.end_s is None else clip.end_s) - clip.start_s


def pieces(clip: Clip, seconds: float, overlap: float = 0.0) -> list[Clip]:
    """The clip cut into pieces, the last of which may be shorter; one that is shorter than a piece is one piece.

    Args:
        clip: any.
        seconds: of a piece.
        overlap: share of a piece that the next one hears again, 0 to below 1.
    """
    end_s = clip.start_s + length_s(clip)
    starts = [clip.start_s]
    while starts[-1] + seconds < end_s and end_s - (starts[-1] + seconds * (1 - overlap)) >= LEAST_S:
        starts.append(starts[-1] + seconds * (1 - overlap))
    return [replace(clip, start_s=start, end_s=min(start + seconds, end_s)) for start in starts]


def all_pieces(clips: Sequence[Clip], seconds: float, overlap: float = 0.0) -> tuple[list[Clip], list[int]]:
    """Pieces of all clips, in order, and for each piece the number of its clip."""
    found, owners = [], []
    for number, clip in enumerate(clips):
        mine = pieces(clip, seconds, overlap)
        found += mine
        owners += [number] * len(mine)
    return found, owners
