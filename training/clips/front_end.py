"""The audio quality of every clip, for the margins of QLung (`training.papers.qlung`): kept on disk like frames.

Computed from the samples of the clip as it was recorded, not repeated or faded, at the rate of the recipe's features.

Frames of clips, by `edge.features`, for every feature spec of a recipe; kept on disk by `training.frames`.

A recording of thousands that does not decode has clips without frames, counted and named; more are an error.
Not for cutting the clips (`cut.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.errors import ConfigError
from edge.features import FeatureSpec, FrontEnd
from edge.types import Block
from training.clips.cut import ClipPolicy, cut
from training.datasets.files import read_sound
from training.frames import FrameStore, cache_key, cached_frames
from training.loop.checkpoint import whole_file
from training.papers.qlung import AudioQuality, mean_power, rms, spectral_entropy
from training.tasks import Clip

_AS_RECORDED = ClipPolicy(seconds=60, pad="none")


def clip_quality(clips: Sequence[Clip], training: int, rate_hz: int, cache: Path) -> NDArray[np.float32]:
    """(n,) AQS, 0 to 1.

    Args:
        clips: all of a training; those of one recording beside each other.
        training: how many of them, from the first on, say what is loud and what is faint.
        rate_hz: sampling rate that they are brought to, Hz.
        cache: folder.
    """
    parts = _measured(clips, rate_hz, cache)
    scale = AudioQuality.fit(parts[:training, 1])
    return np.array([scale.combine(float(entropy), float(level)) for entropy, level in parts], np.float32)


def _measured(clips: Sequence[Clip], rate_hz: int, cache: Path) -> NDArray[np.float64]:
    """(n, 2) normalised spectral entropy and RMS of each clip."""
    sounds = ((clip.recording.path, f"{clip.start_s} {clip.end_s}") for clip in clips)
    stored = cache / f"quality-{cache_key([str(rate_hz)], sounds)}.npy"
    if stored.exists():
        measured: NDArray[np.float64] = np.load(stored)
        return measured
    rows, known, sound = [], Path(), np.zeros(0, np.float32)
    for clip in clips:
        if clip.recording.path != known:
            known, sound = clip.recording.path, _sound(clip.recording.path, rate_hz)
        piece = cut(sound, rate_hz, clip, _AS_RECORDED)
        rows.append((spectral_entropy(mean_power(piece)), rms(piece)))
    cache.mkdir(parents=True, exist_ok=True)
    with whole_file(stored) as draft, draft.open("wb") as file:
        np.save(file, np.array(rows))
    return np.array(rows)


def _sound(path: Path, rate_hz: int) -> NDArray[np.float32]:
    """Silence for what does not decode: such clips are left out by their frames, which say so."""
    try:
        return read_sound(path, rate_hz)
    except ConfigError:
        return np.zeros(0, np.float32)


MAX_BAD_SHARE = 0.01  # of the recordings: more that do not decode are an error
HEARD_AT_ONCE = 512  # clips whose frames are in memory together
_SHOWN = 5  # recordings that do not decode, by name
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClipFrames:
    """Frames of a list of clips, S specs side by side."""

    stores: tuple[FrameStore, ...]
    """One for each spec, of the same clips."""

    def __len__(self) -> int:
        return len(self.stores[0])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) frames of each clip; 0 for a clip that does not decode."""
        return self.stores[0].lengths

    def clip(self, index: int) -> NDArray[np.float32]:
        """(S, T, M) of one clip."""
        return np.stack([store[index] for store in self.stores]).astype(np.float32)


def clip_frames(samples: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    """Frames of one clip between silence: as many as its duration has hops, all of them valid.

    Frame t touches what lies `history_samples` before t * hop; there is silence in front of a clip, as there is
    behind it, so even a clip shorter than a wavelet has its frames.

    Args:
        samples: (N,) at the spec's rate.
        front_end: is reset.

    Returns:
        (T, M) with T = ceil(N / hop).
    """
    spec = front_end.spec
    before = -(-spec.history_samples // spec.hop_samples)
    count = -(-len(samples) // spec.hop_samples)
    after = count * spec.hop_samples - len(samples) + spec.delay_samples + spec.hop_samples
    padded = np.pad(samples, (before * spec.hop_samples, after)).astype(np.float32)
    front_end.reset()
    frames = front_end.push(Block(0, padded, np.ones(len(padded), np.bool_))) + front_end.flush()
    first, values = frames[0].start, np.concatenate([f.values for f in frames])
    return values[before - first :][:count]


def cached_clip_frames(
    clips: Sequence[Clip], specs: Mapping[str, FeatureSpec], policy: ClipPolicy, folder: Path
) -> ClipFrames:
    """Frames of every clip from the disk, computed when they are not there.

    Args:
        clips: what to hear; those of one recording beside each other are quick.
        specs: by name, of equal hop duration.
        policy: how clips are cut.
        folder: of the cache.

    Raises:
        ConfigError: if the disk is full, or more than a few recordings do not decode.
    """
    return ClipFrames(tuple(_stored(clips, name, spec, policy, folder) for name, spec in specs.items()))


def computed_clip_frames(clips: Sequence[Clip], specs: Mapping[str, FeatureSpec], policy: ClipPolicy) -> ClipFrames:
    """The same in memory, for clips that are used once."""
    stores = []
    for spec in specs.values():
        stores.append(FrameStore.of([frames for frames, _ in _computed(clips, spec, policy)], spec.width))
    return ClipFrames(tuple(stores))


def _stored(clips: Sequence[Clip], name: str, spec: FeatureSpec, policy: ClipPolicy, folder: Path) -> FrameStore:
    sounds = ((clip.recording.path, f"{clip.start_s} {clip.end_s}") for clip in clips)
    key = cache_key((spec.sha256, policy.model_dump_json()), sounds)
    return cached_frames(folder, f"clips-{key}", spec.width, lambda: _good_enough(clips, name, spec, policy))


def _good_enough(
    clips: Sequence[Clip], name: str, spec: FeatureSpec, policy: ClipPolicy
) -> Iterator[NDArray[np.float16]]:
    """Frames of every clip; an error at the end when too many did not decode."""
    bad = 0
    found = _computed(clips, spec, policy)
    for values, error in tqdm(found, f"frames {name}", len(clips), unit="clip", mininterval=2, disable=None):
        bad += error is not None
        if error is not None and bad <= _SHOWN:
            _log.warning("skipped: %s", error)
        yield values
    _refuse_many(bad, len(clips))


def _computed(
    clips: Sequence[Clip], spec: FeatureSpec, policy: ClipPolicy
) -> Iterator[tuple[NDArray[np.float16], ConfigError | None]]:
    front_end = FrontEnd(spec)
    sound: tuple[Path, NDArray[np.float32] | ConfigError] | None = None
    for clip in clips:
        path = clip.recording.path
        if sound is None or sound[0] != path:
            sound = (path, _read(path, spec.rate_hz))
        if isinstance(sound[1], ConfigError):
            yield np.zeros((0, spec.width), np.float16), sound[1]
        else:
            yield clip_frames(cut(sound[1], spec.rate_hz, clip, policy), front_end).astype(np.float16), None


def _read(path: Path, rate_hz: int) -> NDArray[np.float32] | ConfigError:
    try:
        return read_sound(path, rate_hz)
    except ConfigError as error:
        return error


def _refuse_many(bad: int, count: int) -> None:
    if bad > MAX_BAD_SHARE * count:
        raise ConfigError(
            f"{bad} of {count} clips are of recordings that do not decode, up to {MAX_BAD_SHARE:.0%} are skipped; "
            "run `make data-check`"
        )
    if bad:
        _log.warning("%d of %d clips are of recordings that do not decode; they are left out", bad, count)
