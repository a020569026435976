"""The health of a node and of its streams as metrics of Prometheus, and the HTTP server that hands them out.

Not for measuring. Metrics are made of the very bodies that go to the topics `health` and `s/<stream>/health`: whatever
number, switch or verdict stands there has a metric, so the two cannot differ. Beside them stand only the histograms of
latencies, of which each event carries its own. The tables give names and kinds; a field that is not named there becomes
a gauge called after its path. Labels are the configured streams and the fixed words of the reports, so there are never
more series than those.

The page is the library's, at every path; the server is the standard one with bounds. A reader has a thread, of `MOST`
the oldest makes room, none has longer than `EXCHANGE_S`, and of its request `HEAD_BYTES` are read: a stranger who opens
connections and asks for nothing takes neither threads nor files nor memory from the beds. It listens on this machine
alone by default.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import PROCESS_COLLECTOR, CollectorRegistry, make_wsgi_app
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from edge.contract.fields import Body
from edge.delivery.latency import BOUNDS_S, LatencyCounts
from edge.log import RateLimitedLog
from edge.node.health import STATES, Reports
from edge.settings.sections import Metrics

PREFIX = "laennec"
LEVELS = {"ok": 0, "warn": 1, "crit": 2}  # of a check
Path = tuple[str, ...]


@dataclass(frozen=True)
class MetricName:
    """How fields of a report are called; of several in one metric, `value` of the label tells them apart."""

    name: str
    help: str
    is_counter: bool = False
    """Whether it only grows; its name then ends in `_total`."""
    label: str = ""
    value: str = ""
    """Of the label; empty: the last level of the field's path."""


def _audio(state: str) -> MetricName:
    return MetricName("stream_audio_seconds", "Sound since the start, seconds", True, "state", state)


NODE_METRICS: dict[Path, MetricName] = {  # a path stands for all fields below it
    ("uptime_s",): MetricName("uptime_seconds", "Since the start of the process"),
    ("checks",): MetricName("check", "Verdict on a part of the node: 0 ok, 1 warn, 2 crit", label="check"),
    ("outbox", "waiting"): MetricName("outbox_depth", "Messages that the broker has not acknowledged"),
    ("outbox", "oldest_s"): MetricName("outbox_oldest_seconds", "For how long the oldest of them has waited"),
    ("outbox", "in_memory"): MetricName("outbox_in_memory", "Messages that the disk refused"),
    ("outbox", "on_disk"): MetricName("outbox_on_disk", "Whether the disk took the last write"),
    ("outbox", "failed_writes"): MetricName("outbox_failed_writes", "Writes that the disk refused", True),
    ("outbox", "evicted"): MetricName("outbox_evicted", "Messages dropped undelivered", True, "cause"),
    ("broker", "refused"): MetricName("broker_refused", "Waiting messages that the broker refuses"),
    ("dropped",): MetricName("drops", "Messages that the outbox never saw", True),
    ("streams",): MetricName("streams", "Streams in a state", label="state"),
    ("lag_s",): MetricName("lag_seconds", "Sound that arrived and is not decided, of the stream farthest behind"),
    ("left_out_s",): MetricName("left_out_seconds", "Sound not scored because the box was too slow", True),
    ("look", "beds"): MetricName("looked_at", "Beds whose live spectrogram is published"),
    ("look", "sent"): MetricName("looks_sent", "Messages of live spectrograms that were published", True),
    ("look", "dropped"): MetricName("looks_dropped", "Messages of live spectrograms that were not", True, "cause"),
    ("listen", "beds"): MetricName("listened_to", "Beds whose sound is published"),
    ("listen", "sent"): MetricName("sounds_sent", "Messages of live sound that were published", True),
    ("listen", "muted_s"): MetricName("sounds_muted_seconds", "Live sound that was muted because somebody spoke", True),
    ("listen", "dropped"): MetricName("sounds_dropped", "Messages of live sound that were not", True, "cause"),
    ("self_test", "runs"): MetricName("self_test_runs", "Tests that came to a verdict", True),
    ("self_test", "missed"): MetricName("self_test_missed", "Tests whose sound was not found, or late", True),
    ("self_test", "passed"): MetricName("self_test_passed", "Whether the last test passed"),
    ("self_test", "latency_s"): MetricName("self_test_latency_seconds", "From the last sound found to its event"),
}
STREAM_METRICS: dict[Path, MetricName] = {
    ("verified",): MetricName("stream_verified", "Whether it sounds like what the model knows"),
    ("gain_db",): MetricName("stream_gain_db", "What is added to the level, dB"),
    ("heard_s",): _audio("heard"),
    ("measurable_s",): _audio("measurable"),
    ("lost_s",): _audio("lost"),
    ("concealed_s",): _audio("concealed"),
    ("left_out_s",): _audio("left_out"),
    ("lag_s",): MetricName("stream_lag_seconds", "Sound that arrived and is not decided"),
    ("gaps",): MetricName("stream_gaps", "Gaps", True),
    ("events",): MetricName("stream_events", "Events that began", True),
    ("rtf",): MetricName("stream_rtf", "Computing time per second of sound"),
    ("device", "ppm"): MetricName("sensor_ppm", "Clock of the device against its declared rate, parts per million"),
}
SHADOW_METRICS: dict[Path, MetricName] = {
    ("groups",): MetricName(
        "shadow_events", "Events of the live model and of the second that were compared", True, "found"
    ),
    ("heard_s",): MetricName("shadow_heard_seconds", "Sound that the second model was given", True),
    ("measurable_s",): MetricName("shadow_measurable_seconds", "Sound that it could judge", True),
    ("left_out_s",): MetricName("shadow_left_out_seconds", "Sound that there was no time for", True),
}


def metrics_of(reports: Reports) -> list[Metric]:
    """All metrics of a node; a field that is null or text has no sample now."""
    families: dict[str, Metric] = {}
    for path, value in _numbers(reports.node):
        _add(families, _named(path, NODE_METRICS, ""), path, value, {})
    for stream, body in reports.streams.items():
        states = {("state", name): float(body["state"] == name) for name in STATES}
        named = MetricName("stream_state", "1 for the state that a stream is in", label="state")
        for path, value in states.items():
            _add(families, named, path, value, {"stream": stream})
        for path, value in _numbers(body):
            _add(families, _named(path, STREAM_METRICS, "stream_"), path, value, {"stream": stream})
    for stream, body in reports.shadows.items():
        for path, value in _numbers(body):
            labels = {"stream": stream} | ({"group": path[1]} if path[0] == "groups" else {})
            _add(families, _named(path, SHADOW_METRICS, "shadow_"), path, value, labels)
    return [*families.values(), *_latencies(reports)]


def _latencies(reports: Reports) -> list[Metric]:
    """The histograms."""
    description = "Latency of events by stage, as `latency_ms` of each says; that of sound has the quiet after it"
    events = HistogramMetricFamily(f"{PREFIX}_latency_seconds", description, labels=("stage",))
    for stage, counts in reports.events.items():
        events.add_metric((stage,), _buckets(counts), counts.sum_s)
    late = "From the arrival of the last sample that a chunk of live sound needs to its decision"
    chunks = HistogramMetricFamily(f"{PREFIX}_chunk_latency_seconds", late)
    chunks.add_metric((), _buckets(reports.chunks), reports.chunks.sum_s)
    return [events, chunks]


def _buckets(counts: LatencyCounts) -> list[tuple[str, float]]:
    bounds = (*map(floatToGoString, BOUNDS_S), "+Inf")
    return [(bound, float(count)) for bound, count in zip(bounds, counts.within(), strict=True)]


def _numbers(body: Body, above: Path = ()) -> Iterator[tuple[Path, float]]:
    """Every number, switch and verdict of a report, with its path."""
    for key, value in body.items():
        path = (*above, key)
        if isinstance(value, Mapping):
            yield from _numbers(dict(value), path)
        elif isinstance(value, (bool, int, float)):
            yield path, float(value)
        elif above[-1:] == ("checks",):
            yield path, LEVELS[value]


def _named(path: Path, table: Mapping[Path, MetricName], prefix: str) -> MetricName:
    for length in range(len(path), 0, -1):
        if (named := table.get(path[:length])) is not None:
            return named
    name = "_".join(path).lower().replace("-", "_")
    seconds = f"{name.removesuffix('_s')}_seconds" if name.endswith("_s") else name
    return MetricName(f"{prefix}{seconds}", f"{'.'.join(path)} of the report")


def _add(families: dict[str, Metric], named: MetricName, path: Path, value: float, labels: Mapping[str, str]) -> None:
    kind = CounterMetricFamily if named.is_counter else GaugeMetricFamily
    own = {named.label: named.value or path[-1]} if named.label else {}
    every = {**labels, **own}
    name = f"{PREFIX}_{named.name}"
    if name not in families:
        families[name] = kind(name, named.help, labels=tuple(every))
    families[name].add_metric(tuple(every.values()), value)  # type: ignore[attr-defined]


logger = logging.getLogger(__name__)

MOST = 16  # readers at once
EXCHANGE_S = 3.0  # from the connection to the last byte of the page, 20 ms of a reader who asks
HEAD_BYTES = 16_384  # of a request; what is behind them is not read
BACKLOG = 64  # connections that the system has taken and nobody has accepted yet


class _Head:
    """What is read of a request: lines, `HEAD_BYTES` in all."""

    def __init__(self, file: Any) -> None:
        self._file, self._left = file, HEAD_BYTES

    def readline(self, limit: int = HEAD_BYTES) -> bytes:
        """The next line; empty, as at the end, behind the bound."""
        line: bytes = self._file.readline(min(limit, self._left))
        self._left -= len(line)
        return line

    def close(self) -> None:
        """As a file."""
        self._file.close()


class _Exchange(WSGIRequestHandler):
    """One request."""

    def setup(self) -> None:
        """Read no more than a head."""
        super().setup()
        self.rfile = _Head(self.rfile)  # type: ignore[assignment]

    def log_message(self, *args: Any, **kwargs: Any) -> None:
        """Each scrape is no event."""


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each reader, none for long."""

    daemon_threads, block_on_close = True, False
    request_queue_size = BACKLOG

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._readers: dict[socket.socket, float] = {}  # since when, monotonic seconds; oldest first
        self._mutex, self._limited_log = threading.Lock(), RateLimitedLog(logger)
        super().__init__((host, port), _Exchange)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a reader a thread; beyond `MOST` the oldest loses its own."""
        with self._mutex:
            if len(self._readers) >= MOST:
                self._cut(next(iter(self._readers)), f"{MOST} others came after it")
            self._readers[request] = time.monotonic()
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Cut off who takes too long; called twice a second."""
        with self._mutex:
            late_s = time.monotonic() - EXCHANGE_S
            for reader in [each for each, since_s in self._readers.items() if since_s < late_s]:
                self._cut(reader, f"more than {EXCHANGE_S:g} s")

    def shutdown_request(self, request: Any) -> None:
        """It is over."""
        with self._mutex:
            self._readers.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that is gone, or was cut off, is no event."""

    def _cut(self, reader: socket.socket, why: str) -> None:
        del self._readers[reader]
        with suppress(OSError):  # it has gone by itself
            reader.shutdown(socket.SHUT_RDWR)
        self._limited_log.log("cut", f'metrics reader=cut reason="{why}"; let a firewall say who reads')


class MetricsServer(Collector):  # which is what the page is made of
    """The listener; `start` and `stop` once each."""

    def __init__(self, settings: Metrics, reports: Callable[[], Reports]) -> None:
        """Nothing listens before `start`.

        Args:
            settings: address, with a port.
            reports: what the node says of itself now; called from a thread of this.
        """
        self._settings, self._reports = settings, reports
        self._server: _Server | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    def start(self) -> None:
        """Listen; a port that cannot be had is one line in the log, for beds are scored without metrics."""
        host, port, page = self._settings.host, self._settings.port, CollectorRegistry()
        page.register(self)
        try:
            self._server = _Server(host, port or 0)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            logger.error(
                'metrics port=refused address=%s:%s reason="%s"; choose another metrics.port or metrics.host',
                host,
                port,
                reason,
            )
        else:
            self._server.set_app(make_wsgi_app(page))
            threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()
            logger.info("metrics url=http://%s:%s/metrics", host, port)

    def stop(self) -> None:
        """End; a page under way is not waited for."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def collect(self) -> list[Metric]:
        """What the reports say, and memory, processor time and open files of the node."""
        return [*metrics_of(self._reports()), *PROCESS_COLLECTOR.collect()]
