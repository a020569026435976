"""Clips on disk: written within a bound of bytes and of days, whole or not there, found and read again.

    <id>.json    what was scored and how (`edge.clips.clip`)
    <id>.flac    the sound, 16 bit; there is a clip where this is, for it gets its name last

Not for when (`edge.node.clips`). Both are written under other names, through to the disk, and renamed; what a death
left of them is removed at the next start. Nobody but the owner may read them. The oldest go first, those of events
before those of alarms and commands; a clip of an event takes the room of other events alone. What was recorded before
the box's clock was set is kept for its days from when it was.
"""

from __future__ import annotations

import hashlib
import io
import os
from bisect import insort
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from edge.clips.clip import Clip, ClipFile, StreamScoring, describe, from_json, to_json
from edge.clips.pcm_ring import LOST, Pcm
from edge.contract.fields import rfc3339
from edge.delivery.messages import CROCKFORD
from edge.errors import LaennecError, SourceError
from edge.files import make_private_folder, open_private, restrict, sync

SOUND, ABOUT, PARTIAL = ".flac", ".json", ".partial"
ULID_LETTERS = 26
TIME_LETTERS = 10  # of a ULID, which begins with milliseconds since 1970
DAY_S = 86_400.0


class QuotaError(LaennecError):
    """One clip is larger than everything together may be."""


@dataclass(frozen=True, slots=True, order=True)
class _StoredClip:
    """One clip on the disk; the least goes first."""

    has_priority: bool
    """By a person or an alarm, and not by an event alone."""
    id: str
    bytes: int


class ClipFolder:
    """The clips of one node; one thread at a time (the outbox keeps a second process away).

    Args:
        path: the folder; made when it is opened.
        max_bytes: that may lie in it.
        keep_s: how long a clip may, seconds of the wall clock.
    """

    def __init__(self, path: Path, max_bytes: int, keep_s: float) -> None:
        self.path, self._max_bytes, self._keep_s = path, max_bytes, keep_s
        self._stored: list[_StoredClip] = []  # sorted
        self._with_priority = 0  # bytes of those that have it
        self.bytes = 0
        """That all take."""

    @property
    def files(self) -> int:
        """Clips that are there."""
        return len(self._stored)

    def open(self) -> None:
        """Make the folder, remove what a death left, and learn what is there.

        Raises:
            OSError: it cannot be made or read.
        """
        make_private_folder(self.path)
        names = {path.name for path in self.path.iterdir()}
        whole = {name.removesuffix(SOUND) for name in names if is_clip(name)}
        for name in filter(_is_id, names):  # an older version may have written it
            restrict(self.path / name)
        for name in names:
            stem, ending = os.path.splitext(name)
            if _is_id(name) and (ending == PARTIAL or (ending == ABOUT and stem not in whole)):
                (self.path / name).unlink()
        self._stored = sorted(map(self._read, whole))
        self.bytes = sum(clip.bytes for clip in self._stored)
        self._with_priority = sum(clip.bytes for clip in self._stored if clip.has_priority)

    def put(self, clip: Clip, hearing: StreamScoring, begin_s: float, speech: bool) -> None:
        """Write a clip; older ones go to make room.

        Args:
            clip: the clip.
            hearing: of its stream.
            begin_s: when its first sample was recorded, seconds since 1970.
            speech: whether speech was found in it.

        Raises:
            OSError: the disk does not take it; nothing of it is left.
            QuotaError: it is larger than everything may be, or of an event, and others have the room.
        """
        sound = encode(clip, hearing.rate_hz)
        about = to_json(describe(clip, hearing, rfc3339(begin_s), speech, hashlib.sha256(sound).hexdigest()))
        size = len(sound) + len(about)
        if size > self._max_bytes:
            raise QuotaError(f"a clip of {size} bytes is more than clips.max_mb allows; raise it")
        has_priority = clip.cause.kind != "event"
        if not has_priority and self._with_priority > self._max_bytes - size:
            raise QuotaError("clips of alarms and commands take all that clips.max_mb allows; raise it")
        self._make_room(self._max_bytes - size)
        try:
            for content, ending in ((about, ABOUT), (sound, SOUND)):
                _write(self._file(clip.id, ending + PARTIAL), content)
            # The sound last: with it the clip is there, and whoever finds it needs the other file.
            for ending in (ABOUT, SOUND):
                self._file(clip.id, ending + PARTIAL).rename(self._file(clip.id, ending))
            sync(self.path)
        except OSError:
            self._remove(clip.id)
            raise
        insort(self._stored, _StoredClip(has_priority, clip.id, size))
        self.bytes += size
        self._with_priority += size * has_priority

    def expire(self, now_s: float, plausible_s: float = 0.0) -> None:
        """Remove what is older than it may be.

        Args:
            now_s: seconds since 1970.
            plausible_s: what says that it was recorded before this was recorded by a clock that was not set.

        Raises:
            OSError: a file cannot be removed, or its time not be noted.
        """
        for clip in [clip for clip in self._stored if now_s - self._since_s(clip, now_s, plausible_s) > self._keep_s]:
            self._drop(clip)

    def _since_s(self, clip: _StoredClip, now_s: float, plausible_s: float) -> float:
        """From when its days count; where no clock said, from the first look by one that was set: its file's time."""
        sound = self._file(clip.id, SOUND)
        if (named_s := recorded_s(clip.id)) >= plausible_s or not sound.exists():
            return named_s
        if (changed_s := sound.stat().st_mtime) >= plausible_s:
            return changed_s
        os.utime(sound, (now_s, now_s))
        return now_s

    def _make_room(self, most_bytes: int) -> None:
        while self._stored and self.bytes > most_bytes:
            self._drop(self._stored[0])

    def _drop(self, clip: _StoredClip) -> None:
        for ending in (SOUND, ABOUT):  # without its sound it is no clip, whatever happens now
            self._file(clip.id, ending).unlink(missing_ok=True)
        self._stored.remove(clip)
        self.bytes -= clip.bytes
        self._with_priority -= clip.bytes * clip.has_priority

    def _remove(self, ident: str) -> None:
        for ending in (SOUND, ABOUT, SOUND + PARTIAL, ABOUT + PARTIAL):
            with suppress(OSError):
                self._file(ident, ending).unlink(missing_ok=True)

    def _read(self, ident: str) -> _StoredClip:
        paths = [path for path in (self._file(ident, SOUND), self._file(ident, ABOUT)) if path.exists()]
        about = from_json(paths[-1].read_bytes()) if len(paths) > 1 else None
        has_priority = about is not None and about.cause.kind != "event"
        return _StoredClip(has_priority, ident, sum(path.stat().st_size for path in paths))

    def _file(self, ident: str, ending: str) -> Path:
        return self.path / f"{ident}{ending}"


def encode(clip: Clip, rate_hz: int) -> bytes:
    """The sound of a clip as a FLAC file; lost samples are zeros."""
    file = io.BytesIO()
    is_lost = clip.pcm == LOST
    pcm = np.where(is_lost, np.int16(0), clip.pcm) if is_lost.any() else clip.pcm
    soundfile.write(file, pcm, rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def recorded_s(ident: str) -> float:
    """When a clip began, seconds since 1970, as its id says."""
    milliseconds = 0
    # Five bits a letter; ten hold the 48 of the milliseconds.
    for letter in ident[:TIME_LETTERS]:
        milliseconds = milliseconds << 5 | CROCKFORD.index(letter)
    return milliseconds / 1000


def is_clip(name: str) -> bool:
    """Whether a file of this name is the sound of a clip."""
    return name.endswith(SOUND) and _is_id(name)


def _is_id(name: str) -> bool:
    ident, dot, _ = name.partition(".")
    return dot == "." and len(ident) == ULID_LETTERS and set(ident) <= set(CROCKFORD)


def _write(path: Path, content: bytes) -> None:
    with open_private(path, "wb") as file:
        file.write(content)
        sync(file)


def find_clip(folder: Path, ident: str) -> ClipFile:
    """The clip with this id, or of those that hold the onset of the event with it, the one that shows most of it.

    Raises:
        SourceError: the folder cannot be read, or no clip there is of this event.
    """
    try:
        paths, best, shown = sorted(folder.glob(f"*{SOUND}")), None, (False, -1)
        if not paths and not folder.is_dir():
            raise SourceError(f"no folder of clips {folder}; give --clips FOLDER, or --config with the node's settings")
        for path in paths:
            if (about := from_json(path.with_suffix(ABOUT).read_bytes())) is None:
                continue
            if about.id == ident:
                return about
            for event in about.events:
                shows = (event.end is not None, event.onset - about.start)
                if event.id == ident and shows > shown:
                    best, shown = about, shows
    except OSError as error:
        raise SourceError(f"clips {folder}: cannot be read ({error.strerror}); run as their owner") from None
    if best is not None:
        return best
    raise SourceError(
        f"no clip of {ident} among {len(paths)} in {folder}; it was withheld, has expired, or is still recorded: the "
        "messages on s/<stream>/clip say which"
    )


def read_pcm(folder: Path, about: ClipFile) -> Pcm:
    """(N,) the sound of a clip, `LOST` in its gaps.

    Raises:
        SourceError: it is not there any more, or not what was written.
    """
    path = folder / f"{about.id}{SOUND}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"clip {path}: cannot be read ({error.strerror}); run as its owner") from None
    if hashlib.sha256(content).hexdigest() != about.sha256:
        raise SourceError(f"clip {path}: damaged, its sound is not the one that was written; copy it again")
    pcm: Pcm = np.asarray(soundfile.read(io.BytesIO(content), dtype="int16")[0])
    if len(pcm) != about.stop - about.start or not about.listed:
        raise SourceError(
            f"clip {path}: expected {about.stop - about.start} samples and all gaps; it cannot be replayed"
        )
    for first, stop in about.gaps:
        pcm[first - about.start : stop - about.start] = LOST
    return pcm
