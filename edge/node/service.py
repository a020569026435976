"""A running node: a thread per stream, a thread for the way out, and the clock that asks how they are.

Not for signals or the command line (`edge.commands.run`). Ending is one `threading.Event`: set, it closes open events,
writes them to disk, says `stopped` to the broker if it is there, all within two seconds; what was not delivered waits
on disk for the next start.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge import __version__
from edge.artefact.model import Model
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import (
    HEALTH_EXPIRY_S,
    Body,
    Node,
    device_body,
    end_after_restart,
    model_body,
    new_boot_id,
    rfc3339,
    stream_status_body,
)
from edge.delivery.outbox import Outbox
from edge.node.box_mark import box_mark
from edge.node.notify import Notifier, Pulse, Supervision, Vital
from edge.node.stream import Listener, State, Tally
from edge.settings.config import Config
from edge.sources.source import Source

TICK_S = 0.25
HEALTH_S = 30.0
STREAMS_END_S = 0.7  # how long sources may take to notice the end
LAST_DELIVERY_S = 0.4  # at a stop: how long the last events may take to reach the broker
DRAIN_S = 10.0  # at the end of all files: the same, for there is time
UNREACHED_S = 5.0  # the same, while no broker is there
SCHEMAS = ("event", "gap", "health", "info", "status", "stream")  # edge/delivery/schema
BACKLOG_WARNING = 100  # waiting messages; a broker that keeps up leaves a few

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    tally: Tally
    waiting: int
    """Messages that wait on disk for the next start."""
    failures: tuple[str, ...]
    """One line for each stream that failed, and one for messages that were lost."""


def release(prefix: str = sys.prefix) -> str | None:
    """Name of the deployed release that this program is part of, such as 0.1.0-1a2b3c4d; None: it was not deployed.

    Args:
        prefix: of the environment; below a release, the folder `venv` of NUMBER-NAME.
    """
    folder = Path(prefix).resolve().parent
    return folder.name.partition("-")[2] if (folder / "release.json").is_file() else None


class Service:
    """One node, from its settings, a loaded model and one opened source per stream."""

    def __init__(
        self, config: Config, model: Model, sources: Sequence[Source], outbox: Outbox, notifier: Notifier | None = None
    ) -> None:
        """Prepare every part; the caller opened the sources and the outbox, and closes them after `run`.

        Args:
            config: the settings.
            model: the loaded artefact.
            sources: one for each stream of the settings.
            outbox: where events wait.
            notifier: the way to the service manager, if there is one.

        Raises:
            ConfigError: a class or threshold that the model lacks, or a secret that cannot be read.
        """
        self._config, self._model, self._outbox = config, model, outbox
        self._node = Node(config.mqtt.prefix, config.site, config.node, config.mode, new_boot_id(), box_mark())
        self._dispatch = Dispatch(outbox, self._node, config.mqtt)
        self._listeners = [
            Listener(settings, source, model, self._node, self._dispatch)
            for settings, source in zip(config.streams, sources, strict=True)
        ]
        self._supervision = Supervision(notifier or Notifier())
        self._told: dict[str, State] = {}
        self._has_looked = False
        self._started_s = time.monotonic()

    def run(self, stop: threading.Event) -> Outcome:
        """Work until `stop` is set or every source has ended."""
        self._end_what_was_open()
        self._dispatch.send_first(self._outbox.ended_by_restart())
        self._dispatch.state(self._node.topic("info"), self._info())
        self._dispatch.start()
        pulses = [Pulse(stop) for _ in self._listeners]
        threads = [
            threading.Thread(target=listener.run, args=(pulse,), name=f"stream-{listener.id}", daemon=True)
            for listener, pulse in zip(self._listeners, pulses, strict=True)
        ]
        for thread in threads:
            thread.start()
        next_health_s = time.monotonic()
        while not stop.wait(TICK_S) and any(thread.is_alive() for thread in threads):
            for listener in self._listeners:
                listener.watch()
            self._tell_streams()
            self._supervision.tick(self._vitals(pulses, threads), self._dispatch.is_connected)
            if time.monotonic() >= next_health_s:
                next_health_s += HEALTH_S
                self._end_what_was_open()
                self._tell_health()
        self._supervision.stopping()
        return self._end(threads, stop.is_set())

    def _end(self, threads: Sequence[threading.Thread], is_stopped: bool) -> Outcome:
        deadline_s = time.monotonic() + STREAMS_END_S
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        for listener in self._listeners:
            listener.close()  # a source that does not notice the end must not keep events open
        self._tell_streams()
        self._tell_health()
        if is_stopped:
            waiting = self._dispatch.drain(LAST_DELIVERY_S if self._dispatch.is_connected else 0.0)
        else:
            waiting = self._drain_at_leisure()
        self._dispatch.stop()
        self._outbox.tidy()  # a last attempt to bring to disk what only memory holds
        counts = self._outbox.counts()
        tally = sum((listener.tally() for listener in self._listeners), Tally())
        failures = tuple(f"stream {each.id}: {each.failure}" for each in self._listeners if each.failure)
        if counts.in_memory:
            place = self._config.outbox_path()
            failures += (f"{counts.in_memory} messages could not be written to {place} and are lost; free space there",)
        return Outcome(tally, counts.waiting - counts.in_memory if waiting else 0, failures)

    def _end_what_was_open(self) -> None:
        """Give the onsets that earlier processes left without an end one, as soon as they can be read."""
        if self._has_looked or not self._outbox.is_open:
            return
        self._has_looked = True
        ends = [end_after_restart(self._node, onset) for onset in self._outbox.unfinished(self._node.boot_id)]
        if ends:
            self._outbox.put(ends)
            logger.warning("events_ended=%d reason=restart; they were open when an earlier process died", len(ends))

    def _vitals(self, pulses: Sequence[Pulse], threads: Sequence[threading.Thread]) -> list[Vital]:
        vitals = []
        for listener, pulse, thread in zip(self._listeners, pulses, threads, strict=True):
            state, still_s = listener.state(), pulse.still_s() if thread.is_alive() else 0.0
            vitals.append(Vital(listener.id, state.name, state.reason, still_s, listener.is_broken))
        return vitals

    def _drain_at_leisure(self) -> int:
        waiting = self._dispatch.drain(UNREACHED_S)
        return self._dispatch.drain(DRAIN_S - UNREACHED_S) if waiting and self._dispatch.is_connected else waiting

    def _tell_streams(self) -> None:
        for listener in self._listeners:
            state = listener.state()
            if state.name != "unknown" and state != self._told.get(listener.id):
                self._told[listener.id] = state
                body = stream_status_body(self._node, state.name, state.reason, state.since_s, time.time())
                self._dispatch.state(self._node.topic("s", listener.id, "status"), body)

    def _tell_health(self) -> None:
        self._dispatch.state(self._node.topic("health"), self._health(), HEALTH_EXPIRY_S)

    def _info(self) -> Body:
        effective = self._config.model_dump_json().encode()  # holds no secret, only the names of their files
        return {
            "schema": "laennec.info/1", "software": f"laennec {__version__}", "release": release(),
            "mode": self._node.mode, "node": self._node.node, "site": self._node.site, "boot_id": self._node.boot_id,
            "model": model_body(self._model), "classes": list(self._model.event_classes),
            "config": f"sha256:{hashlib.sha256(effective).hexdigest()}",
            "streams": [
                {
                    "id": stream.id, "rate": self._model.rate_hz,
                    "classes": list(stream.classes or self._model.event_classes),
                    "thresholds": {**self._model.thresholds, **stream.thresholds},
                }
                for stream in self._config.streams
            ],
            "schemas": [f"laennec.{name}/1" for name in SCHEMAS],
        }  # fmt: skip

    def _health(self) -> Body:
        counts = self._outbox.counts()
        refusals, rival = self._dispatch.refusals, self._dispatch.rival
        is_losing = counts.in_memory or counts.evicted["event"] or not counts.on_disk
        streams: Body = {}
        for listener in self._listeners:
            tally, state = listener.tally(), listener.state().name
            streams[listener.id] = {
                "state": state,
                "heard_s": round(tally.heard_s, 2), "measurable_s": round(tally.measurable_s, 2),
                "lost_s": round(tally.lost_s, 2), "gaps": tally.gaps, "events": tally.events,
                "rtf": round(tally.busy_s / tally.heard_s, 4) if tally.heard_s else None,
            }  # fmt: skip
            if (vitals := listener.vitals()) is not None:
                streams[listener.id]["device"] = device_body(vitals)
        return {
            "schema": "laennec.health/1", "ts": rfc3339(time.time()), "boot_id": self._node.boot_id,
            "uptime_s": round(time.monotonic() - self._started_s, 1),
            "checks": {
                "outbox": "crit" if is_losing else "warn" if counts.waiting > BACKLOG_WARNING else "ok",
                "inbox": "crit" if self._dispatch.dropped else "ok",
                "broker": "crit" if refusals.count or rival else "ok",
                "streams": "warn" if any(each["state"] in ("lost", "degraded") for each in streams.values()) else "ok",
            },
            "outbox": {
                "waiting": counts.waiting, "oldest_s": counts.oldest_s, "in_memory": counts.in_memory,
                "on_disk": counts.on_disk, "failed_writes": counts.failed_writes, "evicted": counts.evicted,
            },
            "broker": {"refused": refusals.count, "reason": refusals.reason, "rival": rival},
            "dropped": self._dispatch.dropped,
            "streams": streams,
        }  # fmt: skip
