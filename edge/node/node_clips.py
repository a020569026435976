"""The clips of a whole node: the memory of each stream, the one writer, and what is said of them.

Not for which sound is kept (`edge.clips.recorder`); made only where the settings have `clips`.
"""

from __future__ import annotations

import time

from edge.artefact.model import Model
from edge.clips.clip import Hearing
from edge.clips.clip_message import Recorded, clip_message
from edge.clips.folder import DAY_S, ClipFolder
from edge.contract.clips import State
from edge.contract.fields import Body
from edge.delivery.messages import Node, model_name, ulid
from edge.detector.event_options import EventOptions
from edge.node.clip_writer import ClipWriter
from edge.node.stream import NodeStream
from edge.node.stream_clips import Place, StreamClips
from edge.node.stream_messages import MessageSink
from edge.settings.clips import ClipSettings
from edge.settings.config import Config, Stream

STOPPED_S = 0.5  # how long the end may wait for a disk
MB = 1_000_000


class NodeClips:
    """The clips of one node; `start` and `stop` once each.

    Args:
        settings: the section `clips`.
        config: all of the settings.
        model: the loaded artefact.
        node: in whose name clips are told of.
        sink: where messages go.
    """

    def __init__(self, settings: ClipSettings, config: Config, model: Model, node: Node, sink: MessageSink) -> None:
        self._settings, self._model, self._node, self._sink = settings, model, node, sink
        folder = ClipFolder(config.clips_path(), round(settings.max_mb * MB), settings.keep_days * DAY_S)
        self._writer = ClipWriter(folder, settings.speech == "keep", self._tell)
        self._streams: dict[str, StreamClips] = {}

    def join(self, settings: Stream, stream: NodeStream, phase: int) -> None:
        """Let the sound of a stream be remembered.

        Args:
            settings: of the stream.
            stream: not heard yet.
            phase: of its chunks, frames.
        """
        model, node, adaptation = self._model, self._node, stream.adaptation
        hearing = Hearing(
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
        place = Place(
            hearing, model.spec.hop_samples, stream.timeline.wall_s, self._writer.put, model.spec.history_samples
        )
        self._streams[stream.id] = StreamClips(self._settings, place)
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
            return "nothing was heard of this bed yet"
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

    def _tell(self, recorded: Recorded, state: State, cause: str, has_speech: bool | None) -> None:
        self._sink.send(clip_message(self._node, recorded, state, cause, has_speech))
