"""A running node: a thread that scores, two that read, one each for disk and broker, and the loop that watches them.

Their number does not depend on that of the streams. Not for signals or the command line (`edge.commands.run`). Ending
is one `threading.Event`: set, it closes open events, writes them to disk, publishes `stopped` if the broker is there,
all within two seconds; what was not delivered waits on disk for the next start.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from edge.contract.fields import Body
from edge.contract.status import HEALTH_EXPIRY_S
from edge.delivery.alarm_table import HistoryBound
from edge.delivery.before_one_file import log_beside, read_minutes, remove_old
from edge.delivery.dispatch import Dispatch
from edge.delivery.latency import LatencyCounts
from edge.delivery.messages import Node, end_after_restart, new_boot_id
from edge.delivery.outbox import Outbox
from edge.delivery.retained import RetainedTopics
from edge.model.model import Model
from edge.node.alarm_inputs import NodeReading, bed_reading, rules_of
from edge.node.alarms import AlarmService, WardReading
from edge.node.breath import BreathRates
from edge.node.clips import NodeClips
from edge.node.clock import is_synchronised
from edge.node.engine import Engine, phase_of
from edge.node.health import (
    Reports,
    box_fingerprint,
    health_body,
    info_body,
    stream_health_body,
    stream_info_body,
    stream_status_body,
)
from edge.node.home_assistant import announcements, beds_of
from edge.node.live_sound import NodeListening
from edge.node.live_view import LiveViews
from edge.node.model_comparison import make_shadow
from edge.node.past_alarms import past_alarms
from edge.node.patients import Patients
from edge.node.readers import ReaderPool, Reading
from edge.node.self_test import SelfMonitoring
from edge.node.stream import NodeStream
from edge.node.stream_status import State, StreamTotals, StreamView
from edge.node.systemd import Notifier, StreamHealth, Supervision
from edge.node.trends import Trends
from edge.settings.node import Config, Stream, config_hash
from edge.settings.sections import check_groups
from edge.sources.source import Source
from edge.ward.alarm_records import Key

TICK_S = 0.25  # how often the states of the streams are checked
HEALTH_S = 30.0  # between two health reports
STREAMS_END_S = 0.7  # how long sources may take to notice the end
CLOSE_S = 1.0  # how long the streams may then take to close their events; a thread that hangs is left behind
SWITCH_S = 0.001  # how soon the interpreter takes turns: a source that computes all the time delays the others less
LAST_DELIVERY_S = 0.4  # at a stop: how long the last events may take to reach the broker
DRAIN_S = 10.0  # at the end of all files: the same, for there is time
UNREACHED_S = 5.0  # the same, while no broker is there

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    totals: StreamTotals
    """Of all streams together."""
    waiting: int
    """Messages that wait on disk for the next start."""
    failures: tuple[str, ...]
    """One line for each stream that failed, and one for messages that were lost."""
    unaccepted: tuple[str, str] = ("", "")
    """Where the broker never accepted a connection: why, in one word and in full."""


class Service:
    """One node, from its settings, a loaded model and one opened source per stream."""

    def __init__(
        self,
        config: Config,
        model: Model,
        sources: Sequence[Source],
        outbox: Outbox,
        notifier: Notifier | None = None,
        shadow: Model | None = None,
    ) -> None:
        """Prepare every part; the caller opened the sources and the outbox, and closes them after `run`.

        Args:
            config: the settings.
            model: the loaded artefact.
            sources: one for each stream of the settings.
            outbox: where events wait.
            notifier: the way to the service manager, if there is one.
            shadow: a second model, only to be compared with the first; None: there is none.

        Raises:
            ConfigError: a class or threshold that the model lacks, or a secret that cannot be read.
        """
        self._model, self._outbox = model, outbox
        names = (config.mqtt.prefix, config.site, config.node, config.mode)
        self._node = Node(*names, new_boot_id(), box_fingerprint(), config_hash(config))
        self._dispatch = Dispatch(outbox, self._node, config.mqtt)
        patients = outbox.path.with_name(f"patients-{config.node}.json")
        self._patients = Patients(patients, config.streams, self._dispatch.do)
        self._config = config = self._patients.config(config)
        self._streams = [
            NodeStream(settings, source, model, self._node, self._dispatch, phase_of(number, model.chunk))
            for number, (settings, source) in enumerate(zip(config.streams, sources, strict=True))
        ]
        self._patients.join(self._streams)
        self._views: Sequence[StreamView] = self._streams  # all that other threads may know of them
        # First: it takes one command of all.
        self._live_views = LiveViews(config.look, model, self._node, self._dispatch)
        self._live_views.join(config.streams, self._streams)
        self._listening = NodeListening(config, model.rate_hz, self._node, self._dispatch, time.monotonic)
        self._listening.join(self._streams, self._patients.is_consent_over)
        groups = [group.name for group in model.groups]
        check_groups(config.alarms, groups)
        outbox.history_bound = HistoryBound(config.alarms.history.days, round(config.alarms.history.max_mb * 1e6))
        self._clips = self._clips_of(config)
        rules, self._breath_alarms = rules_of(config, groups), config.alarms.breath
        self._alarms = AlarmService(
            rules, past_alarms(outbox, self._node), self._node, self._dispatch, self._clips, self._patients
        )
        self._prepare_scoring(sources, shadow)
        self._prepare_reports(groups, rules, notifier or Notifier())

    def _prepare_scoring(self, sources: Sequence[Source], shadow: Model | None) -> None:
        """What scores the streams and the node's own tests, and what a second model says of them."""
        config, model = self._config, self._model
        self._watch = SelfMonitoring(config, model, self._node, self._dispatch, self._streams)
        tests, priorities = self._watch.tests, [settings.priority for settings in config.streams]
        self._all_streams = [*self._streams, *(test.stream for test in tests)]
        self._sources = [*sources, *tests]
        self._engine = Engine(model, self._all_streams, [*priorities, *("low" for _ in tests)], idle=len(tests))
        beside = None if shadow is None else make_shadow(config, (model, shadow), self._node, self._streams, sources)
        self._shadow = self._engine.spare = beside

    def _prepare_reports(self, groups: Sequence[str], alarms: Iterable[Key], notifier: Notifier) -> None:
        """What is published of the node and its streams, and what the broker may hold of those before."""
        self._trends = Trends(self._views, self._model, self._node, self._dispatch.set_state)
        self._follow()
        self._breath_rates = BreathRates(self._views, self._model, self._node, self._dispatch.set_state)
        self._supervision = Supervision(notifier)
        beds = beds_of(self._config.streams, groups, alarms)
        self._announced = announcements(self._node, self._config.home_assistant, beds)
        self._published: dict[str, State] = {}
        self._stream_topics = [*self._topics_of_streams(), *self._alarms.topics, *self._announced]
        self._in_turn = 0  # reports on the health of a stream that were published
        self._retained = RetainedTopics(self._outbox.path.with_name(f"retained-{self._config.node}.json"))
        self._has_ended_orphans, self._started_s = False, time.monotonic()

    def _follow(self) -> None:
        """Tell the streams who remembers their minutes, and of what else follows them."""
        read_minutes(self._outbox, [stream.id for stream in self._config.streams])
        for stream in self._streams:
            stream.burden.remember, stream.delivery = self._dispatch.remember, self._dispatch.lag
            if (pause := self._config.alarms.breath.pause) is not None:
                stream.watch_pauses(pause.after_s)

    def _topics_of_streams(self) -> list[str]:
        """Retained ones."""
        shadow = [] if self._shadow is None else ["shadow"]
        kinds = ("status", "health", "info", "trend", "breath", "listening", *shadow)
        return [self._node.topic("s", each.id, kind) for each in self._config.streams for kind in kinds]

    def _clips_of(self, config: Config) -> NodeClips | None:
        """Memory for the sound of all streams, where the settings want any of it kept."""
        if config.clips is None:
            return None
        clips = NodeClips(config.clips, config, self._model, self._node, self._dispatch)
        for number, (settings, stream) in enumerate(zip(config.streams, self._streams, strict=True)):
            clips.join(settings, stream, phase_of(number, self._model.chunk))
        return clips

    def run(self, stop: threading.Event) -> Outcome:
        """Work until `stop` is set or every source has ended."""
        self._end_orphaned_events()
        self._dispatch.tidied = self._on_tidied  # not from here: the watchdog is fed here, and this may wait
        self._dispatch.send_first(self._outbox.ended_by_restart())
        self._publish_info()
        for topic in self._retained.begin(self._stream_topics):  # of what was taken out of the settings
            self._dispatch.set_state(topic, None)
        self._dispatch.start()
        self._trends.start()
        if self._clips is not None:
            self._clips.start()
        readings = [
            Reading(source, stream, stop, partial(self._engine.wake, number))
            for number, (source, stream) in enumerate(zip(self._sources, self._all_streams, strict=True))
        ]
        readers = ReaderPool(readings, self._all_streams)
        sys.setswitchinterval(SWITCH_S)
        self._engine.start()
        readers.start()
        self._alarms.start(self._look)
        self._watch.start(self._reports)
        next_health_s = time.monotonic()
        while not stop.is_set() and self._engine.is_alive():
            self._alarms.work(TICK_S)
            readers.replace_hung()
            self._publish_stream_states()
            self._patients.publish(
                self._node, lambda topic: self._dispatch.set_state(topic, None), self._publish_stream_info
            )
            self._trends.tick()
            self._breath_rates.tick()
            self._watch.tick()
            self._publish_stream_health(self._next_in_turn())
            self._supervision.tick(self._stream_health(readers), self._dispatch.is_connected)
            if time.monotonic() >= next_health_s:
                next_health_s += HEALTH_S
                self._dispatch.set_state(self._node.topic("health"), self._health(), HEALTH_EXPIRY_S)
        self._supervision.stopping()
        return self._end(readers, stop.is_set())

    def _end(self, readers: ReaderPool, is_stopped: bool) -> Outcome:
        readers.finish()
        readers.join(STREAMS_END_S)
        if not self._engine.end(CLOSE_S):  # a source that does not notice the end does not keep events open
            logger.error("scoring hangs; open events stay without an end until the next start")
        self._alarms.stop()
        self._watch.stop()
        self._live_views.stop()
        self._listening.stop()
        if self._clips is not None:
            self._clips.stop()
        self._publish_stream_states()
        self._trends.finish()
        self._dispatch.set_state(self._node.topic("health"), self._health(), HEALTH_EXPIRY_S)
        self._publish_stream_health(self._views)
        if is_stopped:
            waiting = self._dispatch.drain(LAST_DELIVERY_S if self._dispatch.is_connected else 0.0)
        else:
            waiting = self._drain_after_files()
        if self._dispatch.is_connected:
            self._retained.store(self._stream_topics)
        unaccepted = self._dispatch.unaccepted()
        self._dispatch.stop()
        self._outbox.tidy()  # a last attempt to bring to disk what only memory holds
        statuses = {stream.id: stream.status for stream in self._views}
        totals = sum((status.totals for status in statuses.values()), StreamTotals())
        failures = tuple(f"stream {ident}: {status.failure}" for ident, status in statuses.items() if status.failure)
        if lost := self._outbox.lost:
            path = self._config.outbox_path()
            failures += (f"{lost} messages could not be written to {path} and are lost; free space there",)
        return Outcome(totals, self._outbox.status.waiting - lost if waiting else 0, failures, unaccepted)

    def _look(self) -> WardReading:
        """What the alarms look at."""
        now_s = time.monotonic()
        beds = {stream.id: bed_reading(stream, now_s, self._breath_alarms) for stream in self._views}
        outbox, dropped, is_stalled = self._outbox.status, self._dispatch.dropped, self._dispatch.is_stalled
        lag_s = self._dispatch.lag.status.lag_s if self._dispatch.is_connected else None
        node = NodeReading(outbox, dropped, is_synchronised(), self._watch.has_missed, is_stalled, lag_s)
        return WardReading(beds, node)

    def _on_tidied(self) -> None:
        self._end_orphaned_events()
        remove_old(self._outbox, log_beside(self._outbox.path, self._config.node), self._outbox.history_bound)

    def _end_orphaned_events(self) -> None:
        """End the events that were open when an earlier process died, as soon as the outbox can be read."""
        if self._has_ended_orphans or (found := self._outbox.unfinished(self._node.boot_id)) is None:
            return
        self._has_ended_orphans = True
        if ends := [end_after_restart(self._node, last) for last in found]:
            self._outbox.put(ends)
            logger.warning("events_ended=%d reason=restart; they were open when an earlier process died", len(ends))

    def _stream_health(self, readers: ReaderPool) -> list[StreamHealth]:
        scoring_s, health = self._engine.stalled_s(), []
        for number, stream in enumerate(self._views):
            status, stalled_s = stream.status, max(scoring_s, readers.stuck_s(number))
            state, is_hung_s = status.state_at(time.monotonic()), 0.0 if status.is_closed else stalled_s
            health.append(StreamHealth(stream.id, state.name, state.reason, is_hung_s, status.is_broken))
        return health

    def _drain_after_files(self) -> int:
        waiting = self._dispatch.drain(UNREACHED_S)
        return self._dispatch.drain(DRAIN_S - UNREACHED_S) if waiting and self._dispatch.is_connected else waiting

    def _publish_stream_states(self) -> None:
        for stream in self._views:
            state = stream.status.state_at(time.monotonic())
            if state.name != "unknown" and state != self._published.get(stream.id):
                self._published[stream.id] = state
                body = stream_status_body(self._node, state, time.time())
                self._dispatch.set_state(self._node.topic("s", stream.id, "status"), body)

    def _health(self) -> Body:
        """How the node is."""
        uptime_s = time.monotonic() - self._started_s
        body = health_body(self._node, self._outbox.status, self._dispatch, self._views, uptime_s, time.time())
        body["checks"]["alarms"] = "ok" if self._alarms.is_healthy else "crit"
        if self._config.look:
            body["look"] = self._live_views.health()
        if self._listening.is_possible:
            body["listen"] = self._listening.health()
        if self._clips is not None:
            body["clips"], body["checks"]["clips"] = self._clips.health()
        return self._watch.complete(body)

    def _reports(self) -> Reports:
        """What the topics of health say now, for the metrics; called from their thread."""
        beds = {stream.id: stream_health_body(self._node, stream, time.time()) for stream in self._views}
        shadows = {} if self._shadow is None else self._shadow.bodies(self._node, time.time())
        chunks = sum((stream.status.chunks for stream in self._views), LatencyCounts())
        return Reports(self._health(), beds, shadows, self._dispatch.stages.counts, chunks)

    def _publish_stream_health(self, streams: Iterable[StreamView]) -> None:
        """How some of its streams are."""
        for stream in streams:
            body = stream_health_body(self._node, stream, time.time())
            self._dispatch.set_state(self._node.topic("s", stream.id, "health"), body, HEALTH_EXPIRY_S)
            if self._shadow is not None:
                body = self._shadow.body(stream.id, self._node, time.time())
                self._dispatch.set_state(self._node.topic("s", stream.id, "shadow"), body, HEALTH_EXPIRY_S)

    def _next_in_turn(self) -> list[StreamView]:
        """The streams whose health is due: one after the other, all of them within `HEALTH_S`."""
        count, before = len(self._views), self._in_turn
        self._in_turn = int((time.monotonic() - self._started_s) / HEALTH_S * count) + 1
        return [self._views[number % count] for number in range(before, self._in_turn)]

    def _publish_info(self) -> None:
        """What the node and its streams are."""
        self._dispatch.set_state(self._node.topic("info"), info_body(self._node, self._config, self._model))
        for settings, stream in zip(self._config.streams, self._streams, strict=True):
            self._publish_stream_info(settings, stream)
        for topic, body in self._announced.items():
            self._dispatch.set_state(topic, body)

    def _publish_stream_info(self, settings: Stream, stream: NodeStream) -> None:
        body = stream_info_body(self._node, settings, self._model, stream.adaptation)
        body["listen"] = not self._listening.refusal(settings.id)
        self._dispatch.set_state(self._node.topic("s", settings.id, "info"), body)
