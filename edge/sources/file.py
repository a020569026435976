"""A sound file as a source: any rate and subtype that libsndfile reads, streamed in bounded blocks.

Not a player, and not for repairing files. Samples that are not sound (NaN, infinite, or beyond `LOUDEST`) are 0.0,
marked invalid and counted: a file full of them is read to its end, and nothing in it is measurable. A file that ends
before the length that it declares gives all that can be read, then a gap up to that length with the cause `file
truncated`, then a `SourceError`, so that neither the seconds nor the reason are lost.

Invariant: sample k of the stream is sample k of the file, whatever the pace.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import soundfile

from edge.errors import SourceError
from edge.settings.names import STANDARD_INPUT
from edge.sources.quiet_mp3 import quiet_mp3
from edge.sources.resample import RateAdapter
from edge.sources.source import LOUDEST, Wait, check_channel, one_for_all, unread_kind
from edge.types import Block, Gap

BLOCK_S = 0.1  # short, for a small delay in real time
READ_S = 1.0  # read at once: libsndfile seeks after each read, which costs more than the reading; 6 MB of 8 channels
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 100, 4_000_000  # outside, a damaged header would ask for gigabytes of resampler
KNOWN_LENGTH = 1 << 40  # samples; streamed FLAC declares none, which libsndfile reports as 2^63 - 1
PLACEHOLDERS = (0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)  # bytes; what sox, arecord, ffmpeg declare into a pipe
HEADER_BYTES = 128  # they may take their header, or a part of a sample, off it
SIZES = r"^\s*(?:data|SSND)\s*:\s*(\d+) \(should be (\d+)\)"  # in libsndfile's log: of a chunk that it trimmed
UNTRIMMED = r"^(?:\s*Data size|data)\s*:\s*(\d+)"  # of RF64 and W64, which it trims without a word
PADDING_BYTES = 8  # of a chunk of W64, which some count in its size as well
W64_HEADER_BYTES = 24  # of a chunk, which are counted in its size
ALIGN = r"^\s*Block Align\s*:\s*(\d+)"  # bytes of a frame
MP3_SLACK = 2 * 1152  # samples; how many of them a decoder leaves out at the ends is not agreed upon
FRAMES_ALIKE = ("PCM", "FLOAT", "DOUBLE", "ULAW", "ALAW")  # subtypes of which each frame has as many bytes


class FileSource:
    """One channel of one file.

    Args:
        path: the file; `-` for standard input, a file of that name is `./-` as text, or its full path.
        rate_hz: rate of the model, Hz.
        channel: which channel, counted from 1; may be None if there is one only, or all that have sound have the same.
        pace: whether blocks come as late as a microphone would give them.
        clock: seconds that never step.

    Raises:
        ConfigError: if the channel does not exist, or none was chosen of several.
        SourceError: if the file cannot be read or holds no sound.
    """

    def __init__(
        self,
        path: str | Path,
        rate_hz: int,
        channel: int | None = None,
        pace: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = str(path)
        self._pace = pace
        self._clock = clock
        self._mutex = threading.Lock()  # between a read and `close`
        self.not_sound = 0
        """Samples of the file so far that are no numbers, or beyond `LOUDEST`."""
        self.read = 0
        """Samples of the file so far."""
        self._file = _open(self.name)
        self._rate_hz: int = self._file.samplerate
        try:
            check_rate(self.name, self._rate_hz, rate_hz)
            if not self._file.frames:
                raise SourceError(f"{self.name}: holds no sound (0 samples); record it again")
            self._channel = self._position(channel)
        except Exception:
            self._file.close()
            raise
        self._adapter = RateAdapter(self._rate_hz, rate_hz)
        self._declared = _declared_frames(self._file)
        self._slack = MP3_SLACK if self._file.format == "MP3" else 0

    def _position(self, channel: int | None) -> int:
        """Of the channel that is scored, counted from 0."""
        with quiet_mp3() if self._file.format == "MP3" else nullcontext():
            same = one_for_all(self._file) if channel is None and self._file.channels > 1 else None
        return check_channel(channel, self._file.channels, self.name) if same is None else same

    @property
    def has_length(self) -> bool:
        """Whether the file says how long it is; else it ends where it ends."""
        return self._declared is not None

    @property
    def has_8_bits(self) -> bool:
        """Whether a sample has 8 bits, evenly spaced: what is fainter than -48 dBFS is lost."""
        return self._file.subtype in ("PCM_U8", "PCM_S8")

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        """The file from its begin to its end, see `edge.sources.source.Source`."""
        try:
            yield from self._blocks(stop)
        finally:
            self._adapter.reset()

    def _blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        begin_s = self._clock()
        index = 0
        for block in self._cut():
            index = block.stop
            while self._pace and not stop.is_set() and (early_s := begin_s + index / self._rate_hz - self._clock()) > 0:
                yield Wait(early_s)
            if self._pace and stop.is_set():
                return
            yield from self._adapter.push(block)
            if stop.is_set():
                return
        if self._file.closed:
            return
        if self._declared is not None and index < self._declared - self._slack:
            yield from self._adapter.push(Gap(index, self._declared, "file truncated"))
            raise SourceError(
                f"{self.name}: cut off or damaged after {index / self._rate_hz:.1f} s of "
                f"{self._declared / self._rate_hz:.1f} s; what came before was read; copy the file again"
            )
        yield from self._adapter.flush()

    def close(self) -> None:
        """Close the file; a read in another thread is waited for."""
        with self._mutex:
            self._file.close()

    def _cut(self) -> Iterator[Block]:
        """The file in blocks of `BLOCK_S`."""
        index, count = 0, max(1, round(BLOCK_S * self._rate_hz))
        for samples in self._read():
            valid = np.abs(samples) <= LOUDEST  # false for NaN
            self.not_sound += len(samples) - int(np.count_nonzero(valid))
            sound = np.where(valid, samples, np.float32(0.0))
            for first in range(0, len(sound), count):
                if self._file.closed:
                    return
                part = slice(first, first + count)
                yield Block(index + first, sound[part], valid[part])
            index += len(sound)
            self.read = index

    def _read(self) -> Iterator[np.ndarray[tuple[int], np.dtype[np.float32]]]:
        """(N,) segments of the chosen channel, until the end or the first damage."""
        short = max(1, round(BLOCK_S * self._rate_hz))
        count, index = round(READ_S / BLOCK_S) * short, 0
        while True:
            with self._mutex:
                if self._file.closed:
                    return
                try:
                    with quiet_mp3() if self._file.format == "MP3" else nullcontext():
                        samples = self._file.read(count, dtype="float32", always_2d=True)[:, self._channel]
                except soundfile.LibsndfileError:
                    if count == short or not self._is_back_at(index):
                        return  # what follows cannot be decoded; the declared length says how much that is
                    count = short  # what comes before the damage is read
                    continue
            if not len(samples):
                return
            index += len(samples)
            yield np.ascontiguousarray(samples)

    def _is_back_at(self, index: int) -> bool:
        """Whether reading can go on at a sample that was not given yet, behind a read that failed: in a new decoder."""
        try:
            again = _open(self.name)
            if again.seek(index) != index:
                return False
        except (SourceError, soundfile.LibsndfileError):
            return False
        self._file.close()
        self._file = again
        return True


def _open(name: str) -> soundfile.SoundFile:
    """Open a file for reading, or say in one line why not."""
    if name == STANDARD_INPUT:
        return _open_standard_input()
    path = Path(name)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            what, or_else = ("folder", "") if path.is_dir() else ("pipe or device", ", or - to read standard input")
            raise SourceError(f"{path}: is a {what}; give a sound file{or_else}")
        with path.open("rb"):
            pass
    except OSError as error:
        raise SourceError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    if not status.st_size:
        raise SourceError(f"{path}: is empty (0 bytes); copy or record it again")
    try:
        with quiet_mp3():  # whatever has no header that is known may be MP3
            return soundfile.SoundFile(os.fsencode(name))  # a name that is not UTF-8 too
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: a name that ends in .raw has no header
        if kind := unread_kind(path):
            stem = f"{path.stem}-converted" if path.suffix.lower() == ".wav" else path.stem
            made = path.with_name(f"{stem}.wav")
            command = shlex.join(["ffmpeg", "-i", str(path), str(made)])
            raise SourceError(f"{path}: is {kind}, which is not read; convert it:  {command}") from error
        raise SourceError(f"{path}: is no sound file that can be read; give WAV, FLAC, OGG, AIFF or MP3") from error


def _open_standard_input() -> soundfile.SoundFile:
    """A file on standard input, read to its end first: libsndfile must be able to go back in it.

    Raises:
        SourceError: it is closed, or a terminal, there is no room for a copy, or it holds no sound.
    """
    if sys.stdin is None:  # `<&-` of a shell
        raise SourceError("-: standard input is closed; pipe a sound file in")
    if sys.stdin.isatty():
        raise SourceError("-: standard input is a terminal; pipe a sound file in")
    try:
        with NamedTemporaryFile(prefix="laennec-") as copy:  # its name goes when it is open
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.flush()
            if not copy.tell():
                raise SourceError("-: standard input is empty (0 bytes); pipe a sound file in")
            with quiet_mp3():
                return soundfile.SoundFile(copy.name)
    except OSError as error:
        where, why = tempfile.gettempdir(), error.strerror
        raise SourceError(
            f"-: standard input cannot be copied to {where} ({why}); make room there, or set TMPDIR"
        ) from error
    except soundfile.LibsndfileError as error:
        raise SourceError("-: standard input is no sound file; give WAV, FLAC, OGG, AIFF or MP3") from error


def check_rate(name: str, found_hz: int, model_hz: int) -> None:
    """Refuse a file that has less than half of the frequencies that the model needs, or a header that cannot be.

    Raises:
        SourceError: saying how much of them it has.
    """
    if not LOWEST_RATE_HZ <= found_hz <= HIGHEST_RATE_HZ:
        raise SourceError(
            f"{name}: a rate of {found_hz} Hz cannot be right, expected {LOWEST_RATE_HZ} to "
            f"{HIGHEST_RATE_HZ} Hz; the header is damaged: copy the file again"
        )
    if 2 * found_hz < model_hz:
        raise SourceError(
            f"{name}: a rate of {found_hz} Hz holds sound up to {found_hz / 2:g} Hz, {found_hz / model_hz:.0%} of the "
            f"range that is listened to (up to {model_hz / 2:g} Hz); record at {model_hz / 2:g} Hz or more"
        )


def _declared_frames(file: soundfile.SoundFile) -> int | None:
    """Length that the header promises, samples per channel; None if it makes no promise.

    libsndfile trims the length of a WAV, RF64, W64 or AIFF to what the file can hold and keeps the promise in its log
    only. That of an OGG is what its last page says, of an MP3 an estimate unless its first frame counts the frames.
    """
    frames = int(file.frames)
    if frames > KNOWN_LENGTH or (file.format == "MP3" and not _counts_frames(file.name)):
        return None
    if (sizes := re.search(SIZES, file.extra_info, re.MULTILINE)) is not None:
        promised, held = int(sizes[1]), int(sizes[2])
        if any(0 <= placeholder - promised <= HEADER_BYTES for placeholder in PLACEHOLDERS):
            return None
        return frames * promised // held if 0 < held < promised else frames
    size = re.search(UNTRIMMED, file.extra_info, re.MULTILINE) if file.format in ("RF64", "W64") else None
    align = re.search(ALIGN, file.extra_info, re.MULTILINE)
    if size is None or align is None or not file.subtype.startswith(FRAMES_ALIKE):
        return frames
    header = W64_HEADER_BYTES if file.format == "W64" else 0
    frame_bytes = max(int(align[1]), 1)
    promised = (int(size[1]) - header) // frame_bytes
    if promised <= frames + PADDING_BYTES // frame_bytes:
        return frames
    return promised if promised <= KNOWN_LENGTH else None


def _counts_frames(name: str | bytes) -> bool:
    """Whether the first frame of an MP3 says how many there are; others end where they end."""
    try:
        with open(name, "rb") as file:
            head = file.read(10)
            if head[:3] == b"ID3":  # a tag of so many bytes comes first, seven bits of the number in each of four
                file.seek(10 + sum(byte << 7 * k for k, byte in enumerate(head[:5:-1])))
            first = head + file.read(200)
    except OSError:  # standard input: the copy has no name any more
        return False
    return any(word in first for word in (b"Xing", b"Info"))
