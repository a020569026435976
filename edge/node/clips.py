"""The clips of a node: the memory of each stream, and the one thread that writes them, speech left out; nobody waits.

Not for which sound becomes a clip (`edge.clips.recorder`); made only where the settings have `clips`. What waits is
bounded in clips and bytes; what does not fit, what the disk refuses and what holds speech is not stored, counted by its
cause, and published.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from edge.clips.clip import Recorded, StreamScoring, clip_message
from edge.clips.folder import DAY_S, ClipFolder, QuotaError
from edge.clips.pcm_ring import to_block
from edge.clips.speech import first_frame, has_speech
from edge.contract.clips import State
from edge.contract.fields import Body
from edge.delivery.messages import Node, model_name, ulid
from edge.detector.class_rules import EventOptions
from edge.log import RateLimitedLog
from edge.model.model import Model
from edge.node.clock import FIRST_PLAUSIBLE_S
from edge.node.stream import NodeStream
from edge.node.stream_clips import AGAIN_S, ClipSource, StreamClips
from edge.node.stream_events import MessageSink
from edge.settings.node import Config, Stream
from edge.settings.sections import ClipSettings

WAITING_CLIPS = 32
WAITING_BYTES = 64_000_000  # of sound in memory
EXPIRE_S = 60.0  # how often clips are looked for that are too old: 20 ms where 500 MB are stored

logger = logging.getLogger(__name__)

Publish = Callable[[Recorded, State, str, bool | None], None]
"""Says what became of a clip: its state, why, and whether speech was found in it."""


class ClipWriter:
    """Writes the clips of a node; `start` and `stop` once each.

    Args:
        folder: where they go.
        keeps_speech: whether a clip with speech is stored, and only marked.
        publish: called from this thread, or from that of `put` and `stop` for what never came to it.
    """

    def __init__(self, folder: ClipFolder, keeps_speech: bool, publish: Publish) -> None:
        self._folder, self._keeps_speech, self._publish = folder, keeps_speech, publish
        self._waiting: deque[Recorded] = deque()
        self._changed = threading.Condition()
        self._is_ending = self._is_open = False
        self._bytes = 0  # that wait
        self._expires_s = 0.0  # when clips that are too old are looked for next, monotonic
        self._limited_log = RateLimitedLog(logger)
        self.counts: Counter[str] = Counter()
        """Clips since the start: `stored`, `withheld`, and what was dropped, by its cause."""
        self._thread = threading.Thread(target=self._run, name="clips", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Write what waits, as far as it goes within the time."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        with self._changed:
            left, self._waiting = list(self._waiting), deque()
        for recorded in left:
            self._report(recorded, "dropped", "stopped", None)

    def put(self, recorded: Recorded) -> None:
        """Take a clip; never waits."""
        size = recorded.clip.pcm.nbytes
        with self._changed:
            fits = len(self._waiting) < WAITING_CLIPS and self._bytes + size <= WAITING_BYTES
            if fits and not self._is_ending:
                self._waiting.append(recorded)
                self._bytes += size
                self._changed.notify_all()
                return
        self._report(recorded, "dropped", "queue full", None)

    def health(self) -> tuple[int, int]:
        """Clips on the disk, and the bytes that they take."""
        return self._folder.files, self._folder.bytes

    def _run(self) -> None:
        self._attempt(self._open)
        while (recorded := self._next()) is not None or not self._is_ending or self._waiting:
            if recorded is not None:
                self._write(recorded)
            self._attempt(self._expire)

    def _next(self) -> Recorded | None:
        """The clip that waits longest; None after `EXPIRE_S` without any, or at the end."""
        with self._changed:
            if not self._waiting and not self._is_ending:
                self._changed.wait(EXPIRE_S)
            if not self._waiting:
                return None
            recorded = self._waiting.popleft()
            self._bytes -= recorded.clip.pcm.nbytes
            return recorded

    def _write(self, recorded: Recorded) -> None:
        clip = recorded.clip
        try:
            speech = recorded.has_speech or any(_is_spoken(recorded, *part) for part in _not_judged(recorded))
            if speech and not self._keeps_speech:
                self._report(recorded, "withheld", "speech", True)
                return
            self._open()
            self._folder.put(clip, recorded.hearing, recorded.begin_s, speech)
        except QuotaError as error:
            self._refused("quota", str(error))
            self._report(recorded, "dropped", "quota", None)
        except OSError as error:
            self._is_open = False  # the folder may be gone: the next clip makes it
            self._refused("disk", str(error.strerror or error))
            self._report(recorded, "dropped", "disk", None)
        except Exception:  # nobody else writes: this thread must outlive any one clip
            logger.exception("clip error")
            self._report(recorded, "dropped", "error", None)
        else:
            self._limited_log.clear("disk")
            self._report(recorded, "stored", "", speech)

    def _report(self, recorded: Recorded, state: State, cause: str, speech: bool | None) -> None:
        self.counts[state if state != "dropped" else cause] += 1
        clip = recorded.clip
        logger.info('stream=%s clip=%s state=%s cause="%s"', recorded.hearing.stream, clip.id, state, cause)
        self._publish(recorded, state, cause, speech)

    def _open(self) -> None:
        if not self._is_open:
            self._folder.open()
            self._is_open = True

    def _expire(self) -> None:
        due, now_s = time.monotonic() >= self._expires_s, time.time()
        if due and now_s >= FIRST_PLAUSIBLE_S:  # else the clock was not set yet
            self._expires_s = time.monotonic() + EXPIRE_S
            self._folder.expire(now_s, FIRST_PLAUSIBLE_S)

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self._refused("disk", str(error.strerror or error))

    def _refused(self, what: str, reason: str) -> None:
        self._limited_log.log(what, f'clips refused={what} path={self._folder.path} reason="{reason}"', logging.ERROR)


def _not_judged(recorded: Recorded) -> list[tuple[int, int]]:
    """Segments of samples in which speech was not looked for; a second that is in none was judged."""
    clip, rate_hz = recorded.clip, recorded.hearing.rate_hz
    overlap, first = round(AGAIN_S * rate_hz), first_frame(clip.start, rate_hz)
    begin, end = max(first, recorded.without_speech[0]), min(clip.stop, recorded.without_speech[1])
    if end - begin <= overlap:
        return [(first, clip.stop)]
    before, after = (first, begin + overlap), (first_frame(end - overlap, rate_hz), clip.stop)
    return [before] * (begin > first) + [after] * (end < clip.stop)


def _is_spoken(recorded: Recorded, start: int, stop: int) -> bool:
    """Whether there is speech in a segment of samples."""
    clip = recorded.clip
    block = to_block(start, clip.pcm[start - clip.start : stop - clip.start])
    return has_speech(block.samples, block.valid, recorded.hearing.rate_hz)


STOPPED_S = 0.5  # how long the end may wait for a disk
MB = 1_000_000


class NodeClips:
    """The clips of one node; `start` and `stop` once each.

    Args:
        settings: the section `clips`.
        config: all of the settings.
        model: the loaded artefact.
        node: in whose name clips are published.
        sink: where messages go.
    """

    def __init__(self, settings: ClipSettings, config: Config, model: Model, node: Node, sink: MessageSink) -> None:
        self._settings, self._model, self._node, self._sink = settings, model, node, sink
        folder = ClipFolder(config.clips_path(), round(settings.max_mb * MB), settings.keep_days * DAY_S)
        self._writer = ClipWriter(folder, settings.speech == "keep", self._publish)
        self._streams: dict[str, StreamClips] = {}

    def join(self, settings: Stream, stream: NodeStream, phase: int) -> None:
        """Let the sound of a stream be remembered.

        Args:
            settings: of the stream.
            stream: without sound yet.
            phase: of its chunks, frames.
        """
        model, node, adaptation = self._model, self._node, stream.adaptation
        hearing = StreamScoring(
            node.node,
            node.site,
            stream.id,
            node.boot_id,
            node.mode,
            model.rate_hz,
            model_name(model).body(),
            phase,
            EventOptions.of(settings),
            None if adaptation is None else adaptation.to_text(),
        )
        source = ClipSource(
            hearing, model.spec.hop_samples, stream.timeline.wall_s, self._writer.put, model.spec.history_samples
        )
        self._streams[stream.id] = StreamClips(self._settings, source)
        stream.keep_clips(self._streams[stream.id])

    def start(self) -> None:
        """Begin to write."""
        self._writer.start()

    def stop(self) -> None:
        """Write what waits, as far as there is time; the streams have ended."""
        self._writer.stop(STOPPED_S)

    def of_alarm(self, stream: str, condition: str, episode: int) -> str:
        """Begin the clip of an alarm that is raised now; its id, empty if there is none."""
        clips = self._streams.get(stream)
        return "" if clips is None else clips.of_alarm(condition, episode)

    def mistake(self, stream: str, seconds: float) -> str:
        """Why the last seconds of a bed cannot be kept; empty if they can."""
        clips = self._streams.get(stream)
        if clips is None or clips.is_empty:
            return "no sound of this bed has come yet"
        if seconds > self._settings.memory_s:
            return f"at most {self._settings.memory_s:g} s are remembered (clips.memory_s), found {seconds:g}"
        return ""

    def new_id(self) -> str:
        """An id for a clip."""
        return ulid(time.time())

    def keep_last(self, stream: str, seconds: float, ident: str, by: str) -> None:
        """Make a clip of the newest sound of a bed of which there is some."""
        self._streams[stream].keep_last(seconds, ident, by)

    def health(self) -> tuple[Body, str]:
        """What became of the clips since the start and what is on the disk; and a verdict."""
        counts, (files, size) = dict(self._writer.counts), self._writer.health()
        stored, withheld = counts.pop("stored", 0), counts.pop("withheld", 0)
        refused = sum(clips.refused for clips in self._streams.values())
        dropped = {**counts, **({"too many open": refused} if refused else {})}
        body = {"stored": stored, "withheld": withheld, "dropped": dropped, "files": files, "bytes": size}
        return body, "warn" if dropped else "ok"

    def _publish(self, recorded: Recorded, state: State, cause: str, has_speech: bool | None) -> None:
        self._sink.send(clip_message(self._node, recorded, state, cause, has_speech))
