"""Which segments of one stream become clips: around events and alarms, or the last seconds on demand. Pure.

Not for the disk, for speech (`edge.clips.speech`) or for threads. Places are sample indices alone, and the sound is
kept until everything about it is decided: a clip holds the onset of each of its events, whatever a clock does. Events
that follow each other closely share a clip; one that would make it longer than allowed begins another, with a pre-roll
of its own. What is open when the stream ends, or its indices begin anew, is cut where the sound ends.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.clips.clip import Cause, Clip, ClipEvent, Resume
from edge.clips.pcm_ring import Pcm, PcmRing
from edge.types import Block, Chunk, Event

MOST_OPEN = 8  # clips of one stream that wait for their end
STATE_S = 5.0  # between two states of the model that are remembered (72 kB each): less than any pre-roll
EVENT = Cause("event")

Key = tuple[str, int]
"""Label and onset of an event."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Of clips, samples."""

    pre: int
    """From the begin to the first onset."""
    post: int
    """From the end of the last sound to that of the clip."""
    longest: int
    memory: int
    """That are remembered."""
    between_states: int
    """From one remembered state of the model to the next."""


@dataclass
class _Open:
    """A clip that waits for its end."""

    id: str
    start: int
    stop: int
    cause: Cause
    lasting: set[Key] = field(default_factory=set)  # events of it that have not ended

    def end(self, longest: int) -> int:
        """Where it ends, as far as is known: as late as possible while a sound of it lasts."""
        return self.start + longest if self.lasting else min(self.stop, self.start + longest)


class Recorder:
    """The memory of one stream, and the clips that are open.

    Args:
        lengths: of clips.
        hop_samples: from one frame to the next.
        new_id: gives an id for a clip that begins at a sample.
        history_samples: before a frame, that it needs: a clip resumes where it has them.
    """

    def __init__(
        self, lengths: Lengths, hop_samples: int, new_id: Callable[[int], str], history_samples: int = 0
    ) -> None:
        self._lengths, self._hop, self._new_id, self._history = lengths, hop_samples, new_id, history_samples
        self._ring = PcmRing(lengths.memory)
        self._gains: deque[tuple[int, float]] = deque()  # of the sound that is remembered
        self._states: deque[tuple[int, NDArray[np.float32] | None]] = deque()  # frame, and the state before it
        self._open: list[_Open] = []
        self._events: dict[Key, ClipEvent] = {}  # whose onset is remembered
        self._clip_of: dict[Key, str] = {}  # of events that have not ended
        self.refused = 0
        """Events and alarms without a clip, because too many were open."""

    @property
    def stop(self) -> int:
        """Absolute index one past the newest sample."""
        return self._ring.stop

    @property
    def is_empty(self) -> bool:
        """Whether nothing is remembered."""
        return self._ring.start == self._ring.stop

    def push(self, block: Block) -> list[Clip]:
        """Take a block; the clips that are complete."""
        # In parts so short that the begin of an open clip is not overwritten before its end has come.
        most = self._lengths.memory - self._lengths.longest
        if len(block.samples) <= most:
            return self._push(block)
        parts = [slice(at, at + most) for at in range(0, len(block.samples), most)]
        return [
            clip
            for part in parts
            for clip in self._push(Block(block.start + part.start, block.samples[part], block.valid[part]))
        ]

    def _push(self, block: Block) -> list[Clip]:
        if block.start < self._ring.stop and not self.is_empty:  # a device that counts anew
            done = self.finish()
            self._gains.clear()
            self._events.clear()
        else:
            done = self._complete(block.start)  # before the sound of long ago is overwritten by a long gap
        self._ring.push(block)
        return done + self._complete(self._ring.stop)

    def record_gain(self, frame: int, gain_db: float) -> None:
        """From this frame on (absolute index) that much is added, dB."""
        oldest = self._ring.start // self._hop
        while len(self._gains) > 1 and self._gains[1][0] <= oldest:
            self._gains.popleft()
        while self._gains and self._gains[-1][0] >= frame:  # of chunks at the end of what was scored before
            self._gains.pop()
        self._gains.append((frame, gain_db))

    def record_state(self, chunk: Chunk, state: NDArray[np.float32]) -> None:
        """The model scores this chunk, of which something is valid, with that state, (S,)."""
        between = self._lengths.between_states // self._hop
        if not chunk.valid[0] or (self._states and chunk.start < self._states[-1][0] + between):
            return
        while self._states and self._states[0][0] * self._hop < self._ring.start:
            self._states.popleft()
        self._states.append((chunk.start, None if chunk.restart else state.copy()))

    def on_event(self, event: Event, ident: str) -> str:
        """Take an onset, an update or an end; the id of the clip that holds its onset, empty if none does."""
        key = (event.label, event.onset)
        known = ClipEvent(ident, event.label, event.onset, event.end, event.peak, event.threshold)
        self._events = {old: each for old, each in self._events.items() if each.onset >= self._ring.start}
        self._events[key] = known
        if event.kind == "onset":
            self._clip_of[key] = self._clip_for(key)
            return self._clip_of[key]
        if event.kind == "update":
            return self._clip_of.get(key, "")
        for clip in self._open:
            if key in clip.lasting and event.end is not None:
                clip.lasting.remove(key)
                clip.stop = max(clip.stop, event.end + self._lengths.post)
        return self._clip_of.pop(key, "")

    def on_alarm(self, ident: str, cause: Cause) -> bool:
        """Begin a clip of what led to an alarm that is raised now; false if there is no room for it."""
        lead = self._lengths.longest - self._lengths.post
        start, stop = max(self._ring.start, self._ring.stop - lead), self._ring.stop + self._lengths.post
        return self._begin(_Open(ident, start, stop, cause))

    def last(self, samples: int, ident: str, cause: Cause) -> Clip:
        """The newest sound, as much of it as there is."""
        return self._cut(_Open(ident, max(self._ring.start, self._ring.stop - samples), 0, cause), self._ring.stop)

    def so_far(self, ident: str) -> Pcm | None:
        """The sound of an open clip until now; None if it is not open."""
        starts = [max(clip.start, self._ring.start) for clip in self._open if clip.id == ident]
        return self._ring.copy(starts[0], self._ring.stop) if starts else None

    def finish(self) -> list[Clip]:
        """Cut what is open where the sound ends; the detector begins anew, so nothing resumes before this."""
        clips = [self._cut(clip, min(clip.end(self._lengths.longest), self._ring.stop)) for clip in self._open]
        self._open.clear()
        self._states.clear()
        return clips

    def _clip_for(self, key: Key) -> str:
        lengths, onset = self._lengths, key[1]
        begin = max(self._ring.start, onset - lengths.pre)
        for clip in reversed(self._open):
            start = min(clip.start, begin)
            if clip.cause == EVENT and onset + lengths.post <= start + lengths.longest:
                clip.start, clip.stop = start, max(clip.stop, onset + lengths.post)
                clip.lasting.add(key)
                return clip.id
        new = _Open(self._new_id(begin), begin, onset + lengths.post, EVENT, {key})
        return new.id if self._begin(new) else ""

    def _begin(self, clip: _Open) -> bool:
        if len(self._open) >= MOST_OPEN:
            self.refused += 1
            return False
        self._open.append(clip)
        return True

    def _complete(self, until: int) -> list[Clip]:
        """The open clips that end at or before a sample."""
        if not self._open:
            return []
        longest = self._lengths.longest
        done = [clip for clip in self._open if clip.end(longest) <= until]
        self._open = [clip for clip in self._open if clip.end(longest) > until]
        return [self._cut(clip, min(clip.end(longest), self._ring.stop)) for clip in done]

    def _cut(self, clip: _Open, stop: int) -> Clip:
        start = min(max(clip.start, self._ring.start), stop)
        first = start // self._hop
        # A gain is noted where it changes: what is in force at the begin was noted before it.
        before = [each for each in self._gains if each[0] <= first][-1:]
        gains = before + [each for each in self._gains if first < each[0] < stop // self._hop]
        events = tuple(event for event in self._events.values() if start <= event.onset < stop)
        pcm, resume = self._ring.copy(start, stop), self._resume(start, stop)
        return Clip(clip.id, start, pcm, tuple(gains), events, clip.cause, resume)

    def _resume(self, start: int, stop: int) -> Resume | None:
        """The first state within a segment of samples."""
        for frame, state in self._states:
            if start + self._history <= frame * self._hop < stop:
                text = b"" if state is None else base64.b64encode(state.astype("<f4").tobytes())
                return Resume(frame, text.decode())
        return None
