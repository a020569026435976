"""The clips of one stream of a running node: its memory, filled by the thread that scores, asked by others too.

Not for the disk: what is complete goes to the writer, which nobody waits for. What an event's message says of its clip
is what is known then; what became of the clip is published in a message of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.clips.clip import Cause, Clip, Recorded, StreamScoring
from edge.clips.pcm_ring import Pcm, to_block
from edge.clips.recorder import STATE_S, Lengths, Recorder
from edge.clips.speech import first_frame, spoken
from edge.contract.events import NamedClip
from edge.delivery.messages import ulid
from edge.node.inbox import Item
from edge.node.observer import StreamObserver
from edge.settings.sections import ClipSettings
from edge.types import Block, Chunk, Event

JUDGED_S = 20.0  # of a clip at the end of an event, by the thread that scores: 1.7 ms; the writer judges the rest
AGAIN_S = 1.5  # of what was judged before, by either, for speech is found within a second

Wall = Callable[[int], float]
"""When a sample was recorded, seconds since 1970."""


@dataclass(frozen=True, slots=True)
class ClipSource:
    """Where the clips of a stream come from and go to."""

    hearing: StreamScoring
    hop_samples: int
    """From one frame to the next."""
    wall_s: Wall
    put: Callable[[Recorded], None]
    """Takes a clip that is complete; never waits."""
    history_samples: int = 0
    """Before a frame, that it needs."""


class StreamClips(StreamObserver):
    """The clips of one stream; any thread.

    Args:
        settings: what becomes a clip.
        source: whose, and where they go.
    """

    def __init__(self, settings: ClipSettings, source: ClipSource) -> None:
        self._source, self._settings, self._of = source, settings, settings.of
        self._drops_speech = settings.speech == "drop"
        self._mutex = threading.Lock()
        self._recorder = self._new_recorder()
        self._spoken: set[str] = set()  # open clips in which speech was found
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._spoken_at = -1  # the last sample of speech
        self._quiet = (0, 0)  # samples [from, to) without speech; up to the last was judged

    def _new_recorder(self) -> Recorder:
        source, settings, rate_hz = self._source, self._settings, self._source.hearing.rate_hz
        seconds = (settings.pre_s, settings.post_s, settings.longest_s, settings.memory_s, STATE_S)
        lengths = Lengths(*(round(each_s * rate_hz) for each_s in seconds))
        return Recorder(lengths, source.hop_samples, lambda sample: ulid(source.wall_s(sample)), source.history_samples)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to make a clip of."""
        return self._recorder.is_empty

    @property
    def refused(self) -> int:
        """Events and alarms without a clip, because too many were open."""
        return self._recorder.refused

    def on_item(self, item: Item) -> None:
        """Take a block; what is complete with it goes to the writer."""
        if isinstance(item, Block):
            counts_anew = item.start < self._recorder.stop
            with self._mutex:
                clips = self._recorder.push(item)
            self._hand_over(clips)
            if counts_anew:  # other sound has those indices from now on
                self._begin_anew()

    def record_gain(self, frame: int, gain_db: float) -> None:
        """From this frame on (absolute index) so much is added to the level, dB."""
        with self._mutex:
            self._recorder.record_gain(frame, gain_db)

    def on_chunk(self, chunk: Chunk, state: NDArray[np.float32]) -> None:
        """The model scores this chunk with that state, (S,)."""
        with self._mutex:
            self._recorder.record_state(chunk, state)

    def of_event(self, event: Event, ident: str) -> NamedClip | None:
        """The clip of an event; at its end, whether speech was found in the clip until now."""
        if "event" not in self._of:
            return None
        with self._mutex:
            clip = self._recorder.on_event(event, ident)
            until_now = self._recorder.so_far(clip) if event.kind == "end" and clip not in self._spoken else None
            stop = self._recorder.stop
        if not clip:
            return None
        if self._drops_speech and until_now is not None:
            self._judge(clip, until_now, stop)
        return NamedClip.model_construct(id=clip, withheld="speech" if clip in self._spoken else None)

    def _judge(self, clip: str, until_now: Pcm, stop: int) -> None:
        """Look for speech in what came of a clip up to a sample, and was not judged before."""
        rate_hz, start, (quiet_from, judged) = self._source.hearing.rate_hz, stop - len(until_now), self._quiet
        begin, again = max(start, stop - round(JUDGED_S * rate_hz)), min(judged, stop) - round(AGAIN_S * rate_hz)
        first = first_frame(max(begin, again), rate_hz)
        block = to_block(first, until_now[first - start :])
        found = np.flatnonzero(spoken(block.samples, block.valid, rate_hz))
        if len(found):
            self._spoken_at = first + int(found[-1])
            quiet_from = self._spoken_at + 1
        elif again < begin:
            quiet_from = first
        self._quiet = quiet_from, stop  # at once, for a person's clip asks from another thread
        if self._spoken_at >= begin:
            self._spoken.add(clip)

    def of_alarm(self, condition: str, episode: int) -> str:
        """Begin the clip of an alarm that is raised now; its id, empty if there is none."""
        if "alarm" not in self._of or self.is_empty:
            return ""
        ident = ulid(self._source.wall_s(self._recorder.stop))
        with self._mutex:
            is_begun = self._recorder.on_alarm(ident, Cause("alarm", condition=condition, episode=episode))
        return ident if is_begun else ""

    def keep_last(self, seconds: float, ident: str, by: str) -> None:
        """Make a clip of the newest sound, for a person."""
        with self._mutex:
            clip = self._recorder.last(round(seconds * self._source.hearing.rate_hz), ident, Cause("command", by=by))
        self._hand_over([clip])

    def on_end(self) -> None:
        """Cut what is open where the sound ends."""
        with self._mutex:
            clips = self._recorder.finish()
        self._hand_over(clips)
        self._begin_anew()

    def on_new_patient(self) -> None:
        """Forget the sound of the one before."""
        with self._mutex:
            self._recorder = self._new_recorder()

    def _hand_over(self, clips: Sequence[Clip]) -> None:
        source = self._source
        for clip in clips:
            has_spoken = clip.id in self._spoken
            self._spoken.discard(clip.id)
            source.put(Recorded(clip, source.hearing, source.wall_s(clip.start), has_spoken, self._quiet))
