"""The thread that brings clips to the disk, speech left out; nobody waits for it.

Not for which sound becomes a clip (`edge.clips.recorder`). What waits is bounded in clips and bytes; what does not fit,
what the disk refuses and what holds speech is not stored, counted by its cause, and told.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from edge.clips.clip_message import Recorded
from edge.clips.folder import ClipFolder, QuotaError
from edge.clips.pcm_ring import to_block
from edge.clips.speech import has_speech
from edge.contract.clips import State
from edge.log import RateLimitedLog
from edge.node.clock import FIRST_PLAUSIBLE_S

WAITING_CLIPS = 32
WAITING_BYTES = 64_000_000  # of sound in memory
EXPIRE_S = 60.0  # how often clips are looked for that are too old

logger = logging.getLogger(__name__)

Tell = Callable[[Recorded, State, str, bool | None], None]
"""Says what became of a clip: its state, why, and whether speech was found in it."""


class ClipWriter:
    """Writes the clips of a node; `start` and `stop` once each.

    Args:
        folder: where they go.
        keeps_speech: whether a clip with speech is stored, and only marked.
        tell: called from this thread, or from that of `put` and `stop` for what never came to it.
    """

    def __init__(self, folder: ClipFolder, keeps_speech: bool, tell: Tell) -> None:
        self._folder, self._keeps_speech, self._tell = folder, keeps_speech, tell
        self._waiting: deque[Recorded] = deque()
        self._changed = threading.Condition()
        self._is_ending = self._is_open = False
        self._bytes = 0  # that wait
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
            self._say(recorded, "dropped", "stopped", None)

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
        self._say(recorded, "dropped", "queue full", None)

    def health(self) -> tuple[int, int]:
        """Clips on the disk, and the bytes that they take."""
        return self._folder.files, self._folder.bytes

    def _run(self) -> None:
        self._attempt(self._open)
        while (recorded := self._next()) is not None or not self._is_ending:
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
        clip, rate_hz = recorded.clip, recorded.hearing.rate_hz
        try:
            block = to_block(clip.start, clip.pcm)
            speech = recorded.has_speech or has_speech(block.samples, block.valid, rate_hz)
            if speech and not self._keeps_speech:
                self._say(recorded, "withheld", "speech", True)
                return
            self._open()
            self._folder.put(clip, recorded.hearing, recorded.begin_s, speech)
        except QuotaError as error:
            self._refused("quota", str(error))
            self._say(recorded, "dropped", "quota", None)
        except OSError as error:
            self._is_open = False  # the folder may be gone: the next clip makes it
            self._refused("disk", str(error.strerror or error))
            self._say(recorded, "dropped", "disk", None)
        except Exception:  # nobody else writes: this thread must outlive any one clip
            logger.exception("clip error")
            self._say(recorded, "dropped", "error", None)
        else:
            self._limited_log.clear("disk")
            self._say(recorded, "stored", "", speech)

    def _say(self, recorded: Recorded, state: State, cause: str, speech: bool | None) -> None:
        self.counts[state if state != "dropped" else cause] += 1
        clip = recorded.clip
        logger.info('stream=%s clip=%s state=%s cause="%s"', recorded.hearing.stream, clip.id, state, cause)
        self._tell(recorded, state, cause, speech)

    def _open(self) -> None:
        if not self._is_open:
            self._folder.open()
            self._is_open = True

    def _expire(self) -> None:
        if (now_s := time.time()) >= FIRST_PLAUSIBLE_S:  # else the clock was not set yet
            self._folder.expire(now_s, FIRST_PLAUSIBLE_S)

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self._refused("disk", str(error.strerror or error))

    def _refused(self, what: str, reason: str) -> None:
        self._limited_log.log(what, f'clips refused={what} path={self._folder.path} reason="{reason}"', logging.ERROR)
