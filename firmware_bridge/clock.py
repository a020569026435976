"""From a device's sample counter to the monotonic clock of this machine: one line for each epoch of a stream.

Not for wall time (`edge.node.clock`), and not for resampling: a detector has no loudspeaker to keep fed, so each stream
runs on its own counter and only its times are converted. Pure, memory bounded: one point for each stretch of time.

A packet cannot arrive before its last sample was taken: arrival = a + index / rate + delay, delay >= 0. So the line
lies below all arrivals and touches the quickest. Of each stretch the packet of least delay is kept, and through these
points goes the line that lies below all and has the least sum of distances: the edge of their lower convex hull under
the mean index. Unlike least squares it does not see late points at all. Rms error of the rate over 20 simulated runs
with +-100 ppm, in ppm, after 10 / 60 / 600 s (links that keep the order; USB 0.5 ms jitter; Wi-Fi 4 ms with 1 % spikes
of 150 ms): USB 0.7 / 0.02 / 0.0, Wi-Fi 4.2 / 0.2 / 0.0, and with a stall of 3 s among the first ten 6.4 / 0.2 / 0.0.

Over BLE the arrivals beat with the connection interval (250 / 126 / 0.2 ppm), so there the rate comes from the pairs of
uptime and sample counter in the telemetry, and only the offset from arrivals.

The declared rate is wrong where it is off by more than 500 ppm and by more than a change of the least delay by 50 ms
can feign: max(500 ppm, 50 ms / span), by the line and by begin, middle and end of the time, and up to 5 % for a tenth
of the time. So 5 % are known after 1 s and 5000 ppm after 13 s; a step of 10 ms or three of them are no rate. By
`python -m tests.benchmarks.clocks 120` (600 runs on five links whose least delay jumps by 10 ms, up to 15 minutes long,
crystals up to 100 ppm off) no right rate was called wrong; README.md has the figures.

Source: Moon, Skelly & Towsley 1999, Estimation and removal of clock skew from network delay measurements.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import numpy as np

FIRST_SEGMENT_NS = 62_500_000  # one point is kept of each stretch; at first they are short,
LONGEST_SEGMENT_NS = 2_000_000_000  # and whenever `FULL` of them are there, two and two become one, up to this
FULL = 32
SPAN_S = 600.0  # how far back points are kept
POINTS = round(SPAN_S * 1e9 / LONGEST_SEGMENT_NS)
REFIT_POINTS = 5  # with more than `FULL` points the line is refitted with each so many: every 10 s
FEWEST = 4  # points before a rate is measured at all
FIRST_SPAN_S = 0.9  # and the time between the first and the last of them
SETTLED_S = 8.0  # from then on times follow the measured rate, before that the declared one
PAIRED_POINTS = 30  # points that the offset is taken from when the rate comes from telemetry: the last minute
PAIRED_S = 6.0  # of telemetry before the rate is taken from it
PAIR_GAP_US = 900_000  # telemetry that comes oftener than this adds nothing
WRONG_PPM = 500.0  # a crystal is within 100; farther off, the declared rate is not the real one
DELAY_CHANGE_S = 0.05  # what the least delay of a link may change by (a route, a queue) and look like another rate
FAR_PPM = 50_000.0  # farther off, the declared rate is no crystal's: it is another number, and nothing is corrected
DOUBT = 0.1  # share of the time for which a rate up to `FAR_PPM` off must be refuted, before it is called wrong
SURE_PPM = 100.0  # a rate is sure when the typical distance from the line, over its length, is below this


class _Point(NamedTuple):
    stop: int
    """Index one past the packet's last sample."""
    at_ns: int


@dataclass(frozen=True, slots=True)
class ClockState:
    """The line as it is now."""

    rate_hz: float
    """Samples per second of this machine's clock that times follow: the declared rate until it is settled or wrong."""
    ppm: float
    """Deviation of that from the declared rate, parts per million."""
    zero_ns: int
    """Monotonic time of sample 0 on the line."""
    residual_ms: float
    """Typical (median) distance of the quickest packets from the line: how good the times are."""
    span_s: float
    """Time over which the rate was measured; 0 until it was."""
    is_sure: bool
    """Whether the rate was measured well enough to correct by it."""
    is_wrong: bool = False
    """Whether the declared rate is refuted; then `rate_hz` is the measured one."""

    @property
    def is_measured(self) -> bool:
        """Whether the declared rate was put to the test; true within a second of sound."""
        return self.span_s > 0

    def agrees_with(self, rate_hz: float) -> bool:
        """Whether the device may run at a rate, as far as that was measured."""
        return not (self.is_measured and _is_refuted(self.rate_hz / rate_hz - 1, self.span_s))

    @property
    def is_correctable(self) -> bool:
        """Whether sound may be resampled by the ratio of the real to the declared rate."""
        return self.is_wrong and self.is_sure and abs(self.ppm) <= FAR_PPM


class ClockModel:
    """Times of the samples of one epoch.

    Args:
        rate_hz: declared rate.
        is_paired: take the rate from `pair`, as over BLE; arrivals serve until there are pairs.
    """

    def __init__(self, rate_hz: float, is_paired: bool = False) -> None:
        self._declared_hz, self._is_paired = rate_hz, is_paired
        self.reset()

    def reset(self) -> None:
        """Forget all packets: a new epoch counts its samples anew."""
        self._points: deque[_Point] = deque(maxlen=POINTS)
        self._pairs: deque[tuple[int, int]] = deque(maxlen=POINTS)  # uptime us, index
        self._best: _Point | None = None  # the quickest packet of this stretch
        self._segment_ns, self._segment_end_ns = FIRST_SEGMENT_NS, 0
        self._newest = 0  # highest `stop` so far
        self._since_fit = 0  # points since the line was fitted
        self._slope = 1e9 / self._declared_hz  # ns per sample
        self._origin = _Point(0, 0)
        self._residual_ns = 0.0
        self._span_s = 0.0
        self._doubted_s = 0.0  # `span_s` since which the declared rate is refuted; 0 where it is not
        self._is_sure = self._is_wrong = False

    def observe(self, stop: int, arrival_ns: int) -> bool:
        """Note a packet; one that was overtaken is ignored.

        Args:
            stop: index one past its last sample, unwrapped.
            arrival_ns: monotonic time of its arrival.

        Returns:
            Whether the line was refitted.
        """
        if self._best is not None and stop <= self._newest:
            return False
        self._newest = stop
        point = _Point(stop, arrival_ns)
        if self._best is None:
            self._best = self._origin = point
            self._segment_end_ns = arrival_ns + self._segment_ns
        elif arrival_ns >= self._segment_end_ns:
            return self._end_segment(self._best, point)
        elif self._is_quicker(point, self._best):
            self._best = point
            if not self._points:
                self._origin = point
        return False

    def pair(self, uptime_us: int, index: int) -> None:
        """Note a pair of the device's clocks out of its telemetry.

        Args:
            uptime_us: microseconds since boot.
            index: sample counter at that moment, unwrapped.
        """
        if not self._is_paired or (self._pairs and uptime_us - self._pairs[-1][0] < PAIR_GAP_US):
            return
        self._pairs.append((uptime_us, index))

    def time_ns(self, index: int) -> int:
        """Monotonic time at which sample `index` was taken; meaningless before the first packet."""
        return self._origin.at_ns + round((index - self._origin.stop) * self._slope)

    @property
    def state(self) -> ClockState:
        """The line as it is now."""
        rate_hz = 1e9 / self._slope
        return ClockState(
            rate_hz=rate_hz,
            ppm=(rate_hz / self._declared_hz - 1) * 1e6,
            zero_ns=self.time_ns(0),
            residual_ms=self._residual_ns / 1e6,
            span_s=self._span_s,
            is_sure=self._is_sure,
            is_wrong=self._is_wrong,
        )

    def _is_quicker(self, point: _Point, other: _Point) -> bool:
        # Less time lies between the two arrivals than their samples take: it was delayed less than the other.
        return point.at_ns - other.at_ns < (point.stop - other.stop) * self._slope

    def _end_segment(self, best: _Point, following: _Point) -> bool:
        """Keep the quickest packet of a stretch and begin the next; whether the line was refitted."""
        self._points.append(best)
        if len(self._points) == FULL and self._segment_ns < LONGEST_SEGMENT_NS:
            # The same iterator twice: neighbours, two and two. FULL is even.
            pairs = list(zip(*[iter(self._points)] * 2, strict=True))
            self._points.clear()
            self._points.extend(b if self._is_quicker(b, a) else a for a, b in pairs)
            self._segment_ns *= 2
        self._best, self._segment_end_ns = following, following.at_ns + self._segment_ns
        self._since_fit += 1
        if len(self._points) > FULL and self._since_fit < REFIT_POINTS:
            return False
        self._since_fit = 0
        self._fit()
        return True

    def _fit(self) -> None:
        """Fit the line again; a stretch has ended."""
        points, measured = list(self._points), self._paired_slope()
        is_paired = measured is not None
        span_s = (points[-1].at_ns - points[0].at_ns) / 1e9
        if is_paired:
            points, span_s = points[-PAIRED_POINTS:], (self._pairs[-1][0] - self._pairs[0][0]) / 1e6
        elif len(points) >= FEWEST and span_s >= FIRST_SPAN_S:
            before, after = _edge_under_mean(points)
            measured = (after.at_ns - before.at_ns) / (after.stop - before.stop)
        self._follow(measured, span_s)
        first = points[0]
        late = [p.at_ns - first.at_ns - (p.stop - first.stop) * self._slope for p in points]  # ns
        quickest = min(range(len(late)), key=late.__getitem__)
        self._origin = points[quickest]
        group = max(1, LONGEST_SEGMENT_NS // self._segment_ns)  # so that it means the same at any length of stretches
        best = [min(late[k : k + group]) for k in range(0, len(late), group)]
        self._residual_ns = median(best) - late[quickest]
        # ppm of a second are 1e-6 * 1e9 = 1e3 ns.
        good = self._residual_ns < SURE_PPM * 1e3 * span_s
        self._is_sure = is_paired or (measured is not None and span_s >= SETTLED_S and good)

    def _follow(self, measured: float | None, span_s: float) -> None:
        """Decide which rate times follow.

        Args:
            measured: time per sample, ns; None while it is unknown.
            span_s: time over which it was measured.
        """
        declared = 1e9 / self._declared_hz
        self._slope = declared
        if measured is None:
            return
        self._span_s = span_s
        off = declared / measured - 1
        if self._is_wrong:
            self._is_wrong = _is_refuted(2 * off, span_s)  # at the bound it says so once
        elif _is_refuted(off, span_s) and self._drifts(declared):
            self._doubted_s = self._doubted_s or span_s
            self._is_wrong = abs(off) > FAR_PPM / 1e6 or span_s - self._doubted_s >= DOUBT * span_s
        else:
            self._doubted_s = 0.0
        if self._is_wrong or span_s >= SETTLED_S:
            self._slope = measured

    def _drifts(self, declared: float) -> bool:
        """Whether the quickest packets at the begin, in the middle and at the end refute the declared rate as well.

        A step of the least delay tilts the edge under the mean up to twice as much as it moves the ends, and lies in
        one half of the time; another rate shows in both.

        Args:
            declared: time per sample, ns.
        """
        points = list(self._points)
        few, middle = max(1, len(points) // 8), len(points) // 2

        def delay(point: _Point) -> float:
            return point.at_ns - points[0].at_ns - (point.stop - points[0].stop) * declared

        parts = (points[:few], points[middle - few // 2 : middle - few // 2 + few], points[-few:])
        first, mid, last = (min(place, key=delay) for place in parts)
        if not first.at_ns < mid.at_ns < last.at_ns:
            return False
        drift, *halves = (
            (delay(b) - delay(a)) / (b.at_ns - a.at_ns) for a, b in ((first, last), (first, mid), (mid, last))
        )
        return _is_refuted(drift, (last.at_ns - first.at_ns) / 1e9) and all(half / drift > 0.5 for half in halves)

    def _paired_slope(self) -> float | None:
        """Time per sample, ns, by the device's own clock; None while there are too few pairs, or they make no sense."""
        if len(self._pairs) < FEWEST or self._pairs[-1][0] - self._pairs[0][0] < PAIRED_S * 1e6:
            return None
        first_us, first = self._pairs[0]
        uptime = np.array([us - first_us for us, _ in self._pairs], np.float64)
        index = np.array([i - first for _, i in self._pairs], np.float64)
        uptime, index = uptime - uptime.mean(), index - index.mean()
        # Least squares through the means, us a sample; 1e3 makes it ns.
        slope = float(uptime @ index / (index @ index)) * 1e3 if index @ index else 0.0
        is_far = slope <= 0 or abs(1e9 / self._declared_hz / slope - 1) > FAR_PPM / 1e6
        return None if is_far else slope  # an uptime that is no microseconds; the arrivals show what is wrong


def _is_refuted(deviation: float, span_s: float) -> bool:
    """Whether a rate that seems off by such a ratio is, though the least delay changed meanwhile."""
    return abs(deviation) > max(WRONG_PPM / 1e6, DELAY_CHANGE_S / span_s)


def _edge_under_mean(points: list[_Point]) -> tuple[_Point, _Point]:
    """The edge of the lower convex hull under the mean index; indices rise strictly."""
    hull: list[_Point] = []
    for point in points:
        while len(hull) > 1 and _turns_down(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    mean = sum(point.stop for point in points) / len(points)
    return next(edge for edge in pairwise(hull) if edge[1].stop >= mean)


def _turns_down(a: _Point, b: _Point, c: _Point) -> bool:
    """Whether b lies on or above the line from a to c; exact, in integers."""
    return (b.stop - a.stop) * (c.at_ns - a.at_ns) <= (b.at_ns - a.at_ns) * (c.stop - a.stop)
