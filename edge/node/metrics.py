"""The health of a node and of its streams as metrics of Prometheus.

Not for measuring and not for HTTP (`edge.node.metrics_server`). Made of the very bodies that go to the topics `health`
and `s/<stream>/health`: whatever number, switch or verdict stands there has a metric, so the two cannot differ. Beside
them stand only the histograms of latencies, of which each event carries its own. The tables give names and kinds; a
field that is not named there becomes a gauge called after its path.
Labels are the configured streams and the fixed words of the reports, so there are never more series than those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from edge.contract.fields import Body
from edge.delivery.latency import BOUNDS_S, LatencyCounts
from edge.node.reports import STATES, Reports

PREFIX = "laennec"
LEVELS = {"ok": 0, "warn": 1, "crit": 2}  # of a check
Path = tuple[str, ...]


@dataclass(frozen=True)
class Named:
    """How fields of a report are called; of several in one metric, `value` of the label tells them apart."""

    name: str
    help: str
    is_counter: bool = False
    """Whether it only grows; its name then ends in `_total`."""
    label: str = ""
    value: str = ""
    """Of the label; empty: the last level of the field's path."""


def _audio(state: str) -> Named:
    return Named("stream_audio_seconds", "Sound since the start, seconds", True, "state", state)


NODE_METRICS: dict[Path, Named] = {  # a path stands for all fields below it
    ("uptime_s",): Named("uptime_seconds", "Since the start of the process"),
    ("checks",): Named("check", "Verdict on a part of the node: 0 ok, 1 warn, 2 crit", label="check"),
    ("outbox", "waiting"): Named("outbox_depth", "Messages that the broker has not acknowledged"),
    ("outbox", "oldest_s"): Named("outbox_oldest_seconds", "For how long the oldest of them has waited"),
    ("outbox", "in_memory"): Named("outbox_in_memory", "Messages that the disk refused"),
    ("outbox", "on_disk"): Named("outbox_on_disk", "Whether the disk took the last write"),
    ("outbox", "failed_writes"): Named("outbox_failed_writes", "Writes that the disk refused", True),
    ("outbox", "evicted"): Named("outbox_evicted", "Messages dropped undelivered", True, "cause"),
    ("broker", "refused"): Named("broker_refused", "Waiting messages that the broker refuses"),
    ("dropped",): Named("drops", "Messages that the outbox never saw", True),
    ("streams",): Named("streams", "Streams in a state", label="state"),
    ("lag_s",): Named("lag_seconds", "Sound that arrived and is not decided, of the stream farthest behind"),
    ("left_out_s",): Named("left_out_seconds", "Sound not heard because the box was too slow", True),
    ("look", "beds"): Named("looked_at", "Beds whose live spectrogram is published"),
    ("look", "sent"): Named("looks_sent", "Messages of live spectrograms that were published", True),
    ("look", "dropped"): Named("looks_dropped", "Messages of live spectrograms that were not", True, "cause"),
    ("self_test", "runs"): Named("self_test_runs", "Tests that came to a verdict", True),
    ("self_test", "missed"): Named("self_test_missed", "Tests whose sound was not found, or late", True),
    ("self_test", "passed"): Named("self_test_passed", "Whether the last test passed"),
    ("self_test", "latency_s"): Named("self_test_latency_seconds", "From the last sound found to its event"),
}
STREAM_METRICS: dict[Path, Named] = {
    ("verified",): Named("stream_verified", "Whether it sounds like what the model knows"),
    ("gain_db",): Named("stream_gain_db", "What is added to the level, dB"),
    ("heard_s",): _audio("heard"),
    ("measurable_s",): _audio("measurable"),
    ("lost_s",): _audio("lost"),
    ("concealed_s",): _audio("concealed"),
    ("left_out_s",): _audio("left_out"),
    ("lag_s",): Named("stream_lag_seconds", "Sound that arrived and is not decided"),
    ("gaps",): Named("stream_gaps", "Gaps", True),
    ("events",): Named("stream_events", "Events that began", True),
    ("rtf",): Named("stream_rtf", "Computing time per second of sound"),
    ("device", "ppm"): Named("sensor_ppm", "Clock of the device against its declared rate, parts per million"),
}
SHADOW_METRICS: dict[Path, Named] = {
    ("groups",): Named("shadow_events", "Events of the live model and of the second that were compared", True, "found"),
    ("heard_s",): Named("shadow_heard_seconds", "Sound that the second model was given", True),
    ("measurable_s",): Named("shadow_measurable_seconds", "Sound that it could judge", True),
    ("left_out_s",): Named("shadow_left_out_seconds", "Sound that there was no time for", True),
}


def metrics_of(reports: Reports) -> list[Metric]:
    """All metrics of a node; a field that is null or text has no sample now."""
    families: dict[str, Metric] = {}
    for path, value in _numbers(reports.node):
        _add(families, _named(path, NODE_METRICS, ""), path, value, {})
    for stream, body in reports.streams.items():
        states = {("state", name): float(body["state"] == name) for name in STATES}
        named = Named("stream_state", "1 for the state that a stream is in", label="state")
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
    told = "Latency of events by stage, as `latency_ms` of each says; that of sound has the quiet after it"
    events = HistogramMetricFamily(f"{PREFIX}_latency_seconds", told, labels=("stage",))
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


def _named(path: Path, table: Mapping[Path, Named], prefix: str) -> Named:
    for length in range(len(path), 0, -1):
        if (named := table.get(path[:length])) is not None:
            return named
    name = "_".join(path).lower().replace("-", "_")
    seconds = f"{name.removesuffix('_s')}_seconds" if name.endswith("_s") else name
    return Named(f"{prefix}{seconds}", f"{'.'.join(path)} of the report")


def _add(families: dict[str, Metric], named: Named, path: Path, value: float, labels: Mapping[str, str]) -> None:
    kind = CounterMetricFamily if named.is_counter else GaugeMetricFamily
    own = {named.label: named.value or path[-1]} if named.label else {}
    every = {**labels, **own}
    name = f"{PREFIX}_{named.name}"
    if name not in families:
        families[name] = kind(name, named.help, labels=tuple(every))
    families[name].add_metric(tuple(every.values()), value)  # type: ignore[attr-defined]
