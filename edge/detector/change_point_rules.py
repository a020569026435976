"""The rules of `edge.detector.change_points` for one group, compiled: they run for every score frame.

As plain Python they were 0.26 of the 2.0 ms of a core that a second of a bed cost in the pipeline. Not for events as
others know them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.kernels import kernel, part

ONSET, UPDATE, END = map(np.int64, range(3))  # as such, so that a function is compiled once and not for each
FALLEN = 0.75  # share of the highest step; at 0, and without `_report_ahead`, events are as good and .26 s later
STEEP = 0.3  # of a step; a ramp that rises slowly is not cut where it begins to (.15 to .5 are alike)
MOST_FRAMES = 64  # of scores that are taken at once, so that `reported` has room for their events
NONE = np.int64(-1)  # stands for a boundary or class that is not known
AT_EDGE, AT_BEGIN, AT_END, RING = map(np.int64, range(4))  # rows of `sums`: three boundaries, the first of the newest
TOTAL, CLASSES = range(2)  # columns of `sums`: over all classes, and the first class; the last has levels
THRESHOLD, KEEP, CONFIRM, QUIET = range(4)  # columns of `rules`

STATE = np.dtype(
    [
        ("update_frames", np.int64),  # 0: there are no updates
        ("first", np.int64),  # score frame of this segment
        ("stop", np.int64),  # one past the last that was taken; NONE: none was
        ("next", np.int64),  # boundary to be decided next
        ("lasts", np.bool_),  # whether a sound does, or none has begun
        ("step", np.float64),  # highest while nothing lasts, lowest while something does
        ("edge", np.int64),  # the boundary where that was
        ("peak", np.float64),  # of the scores since then
        ("begin", np.int64),  # of the sound that has begun and is not over; NONE: there is none
        ("end", np.int64),  # where it may be over; NONE while it lasts
        ("highest", np.float64),  # its peak before `edge`
        ("reported", np.int64),  # class that it was reported of as, column of its group; NONE before it is an event
        ("updates", np.int64),  # whole intervals of updates that it had lasted when it was reported of last
        ("closes", np.bool_),  # whether the segment is over
        ("events", np.int64),  # how many are reported
    ]
)
EVENT = np.dtype(
    [
        ("at", np.int64),  # score frame with which it was decided
        ("kind", np.int64),
        ("column", np.int64),  # class
        ("begin", np.int64),
        ("until", np.int64),
        ("peak", np.float64),
        ("mean", np.float64),
        ("closes", np.bool_),  # whether the segment is over
    ]
)


class Group(NamedTuple):
    """All that is known of a group of C classes with steps of S frames."""

    state: NDArray[np.void]  # (1,) `STATE`
    sums: NDArray[np.float64]
    """(RING + 2 S + 1, 2 + C) of the scores of this segment before a boundary, and the level of the frame behind it;
    the newest ones lie at their frame modulo 2 S + 1."""
    rules: NDArray[np.float64]  # (C, 4) of each class
    reported: NDArray[np.void]  # (E,) `EVENT`
    columns: NDArray[np.int64]  # (C,) of the scores of each class


@kernel
def take(plain: Any, frame: int, scores: NDArray[np.float32], is_over: bool) -> int:
    """Take score frames, or end their segment; how many events were reported, in `reported` of the plain `Group`."""
    group = Group(*plain)
    now, last = group.state[0], group.sums.shape[1] - 1
    now.events, now.closes = 0, False
    for t in range(len(scores)):
        if now.stop == NONE:
            now.first = now.next = now.stop = frame
            now.lasts, now.step, now.edge, now.peak, now.begin = False, 0.0, NONE, 0.0, NONE
            for column in range(last):
                group.sums[_row(group, frame), column] = 0.0
        here, after = _row(group, now.stop), _row(group, now.stop + 1)
        now.stop += 1
        total = 0.0
        for column in range(len(group.columns)):
            score = np.float64(scores[t, group.columns[column]])
            # Sums up to each boundary: what lies between two of them is a difference, however far apart they are.
            group.sums[after, CLASSES + column] = group.sums[here, CLASSES + column] + score
            total += score
        group.sums[here, last] = total
        group.sums[after, TOTAL] = group.sums[here, TOTAL] + total
        # (2 S + 1) // 2 = S frames must lie behind a boundary.
        if now.stop - now.next >= (group.sums.shape[0] - RING) // 2:
            _decide(group)
    if is_over and now.stop != NONE:
        while now.next <= now.stop:
            _decide(group)
        if now.lasts:
            _over(group, now.edge, AT_EDGE)
        now.closes = True
        _end(group)
        now.stop = NONE
    return int(now.events)


@part
def _row(group, boundary):  # type: ignore[no-untyped-def]
    """Where the sums before one of the newest boundaries lie."""
    return RING + boundary % (group.sums.shape[0] - RING)


@part
def _decide(group):  # type: ignore[no-untyped-def]
    """Look at the step at the next boundary."""
    now, half = group.state[0], (group.sums.shape[0] - RING) // 2
    boundary, row = now.next, _row(group, now.next)
    before = group.sums[_row(group, max(now.first, boundary - half)), TOTAL]
    here, after = group.sums[row, TOTAL], group.sums[_row(group, now.stop), TOTAL]
    # By S at the edges of a segment, too, where there are fewer frames: the rest counts as 0.
    step = ((after - here) - (here - before)) / half
    now.next += 1
    if now.lasts:
        _lasting(group, boundary, row, step)
    else:
        _waiting(group, boundary, row, step)
    if now.lasts and now.reported == NONE and now.edge >= boundary - half:
        _report_ahead(group)
    if boundary < now.stop:
        now.peak = max(now.peak, group.sums[row, group.sums.shape[1] - 1])


@part
def _waiting(group, boundary, row, step):  # type: ignore[no-untyped-def]
    """Nothing lasts: find where something begins, or what lasted is over."""
    now = group.state[0]
    if step > now.step:
        now.peak = 0.0
        _edge(group, boundary, row, step)
    elif step <= (FALLEN * now.step if now.step >= STEEP else 0.0) and now.edge != NONE:
        _begin(group)
        now.lasts, now.highest, now.peak = True, max(now.highest, now.peak), 0.0
        _edge(group, boundary, row, step)
        return
    if now.begin != NONE:
        quiet = group.rules[_leader(group, AT_END), QUIET]
        # A rise within the pause that a sound may have: `_begin` will see whether it is the same one.
        may_go_on = now.edge != NONE and now.edge - now.end < quiet
        if not may_go_on and boundary - now.end >= quiet:
            _end(group)


@part
def _edge(group, boundary, row, step):  # type: ignore[no-untyped-def]
    """Something may begin or end here."""
    group.state[0].step, group.state[0].edge = step, boundary
    _copy(group, row, AT_EDGE)


@part
def _begin(group):  # type: ignore[no-untyped-def]
    """Something begins, or goes on."""
    now = group.state[0]
    if now.begin != NONE:
        leader, pause = _leader(group, AT_END), now.edge - now.end
        least = group.rules[leader, KEEP] * _mean(group, now.end, AT_END) * pause
        if pause < group.rules[leader, QUIET] and group.sums[AT_EDGE, TOTAL] - group.sums[AT_END, TOTAL] >= least:
            now.end = NONE
            return
        _end(group)
    now.begin, now.end, now.highest, now.reported, now.updates = now.edge, NONE, 0.0, NONE, 0
    _copy(group, AT_EDGE, AT_BEGIN)


@part
def _lasting(group, boundary, row, step):  # type: ignore[no-untyped-def]
    """Something lasts: find where it ends, and report it."""
    now = group.state[0]
    if step < now.step:
        now.highest, now.peak = max(now.highest, now.peak), 0.0
        _edge(group, boundary, row, step)
        _report(group, boundary, row)
        return
    if step > 0 and now.step <= 0:  # it has fallen since the sound began
        _over(group, now.edge, AT_EDGE)
        now.peak = 0.0
        _edge(group, boundary, row, step)
        return
    leader, behind = _leader(group, AT_EDGE), boundary - now.edge
    least = group.rules[leader, KEEP] * _mean(group, now.edge, AT_EDGE) * behind
    if group.sums[row, TOTAL] - group.sums[AT_EDGE, TOTAL] >= least:
        _report(group, boundary, row)
    elif behind < group.rules[leader, QUIET]:
        _report(group, now.edge, AT_EDGE)
    else:
        _over(group, now.edge, AT_EDGE)
        _end(group)
        now.step, now.edge = 0.0, NONE


@part
def _over(group, end, row):  # type: ignore[no-untyped-def]
    """What lasted may be over: all of it is known."""
    _report(group, end, row)
    group.state[0].end, group.state[0].lasts = end, False
    _copy(group, row, AT_END)


@part
def _report(group, until, row):  # type: ignore[no-untyped-def]
    """What is to be reported of what lasts, by what it is so far."""
    now, frames = group.state[0], until - group.state[0].begin
    before, peak = now.updates, max(now.highest, now.peak)
    now.updates = frames // now.update_frames if now.update_frames else 0
    if now.reported == NONE:
        _onset(group, until, row, peak)
    elif now.updates > before:
        _event(group, UPDATE, until, row, peak)


@part
def _report_ahead(group):  # type: ignore[no-untyped-def]
    """Report what lasts and is no event yet, up to the newest frame that is not quiet or else to where it may end."""
    now, last = group.state[0], group.sums.shape[1] - 1
    rules = group.rules[_leader(group, _row(group, now.stop))]
    until, peak = now.edge, max(now.highest, now.peak)
    for frame in range(until, now.stop):
        level = group.sums[_row(group, frame), last]
        if level >= rules[KEEP] * rules[THRESHOLD]:
            until, peak = frame + 1, max(peak, level)
    _onset(group, until, _row(group, until), peak)


@part
def _onset(group, until, row, peak):  # type: ignore[no-untyped-def]
    """Report that a sound has begun, if what it has before a boundary makes it an event."""
    now, frames = group.state[0], until - group.state[0].begin
    leader = _leader(group, row) if frames else 0
    rules = group.rules[leader]
    if frames >= rules[CONFIRM] and _mean(group, until, row) >= rules[THRESHOLD]:
        now.reported = leader
        _event(group, ONSET, until, row, peak)


@part
def _end(group):  # type: ignore[no-untyped-def]
    """The sound is over, if there is one."""
    now = group.state[0]
    if now.begin != NONE and now.reported != NONE and now.end != NONE:
        _event(group, END, now.end, AT_END, now.highest)
    now.begin = NONE


@part
def _event(group, kind, until, row, peak):  # type: ignore[no-untyped-def]
    now, event = group.state[0], group.reported[group.state[0].events]
    now.events += 1
    event.at, event.kind, event.column, event.begin, event.until = now.stop - 1, kind, now.reported, now.begin, until
    event.peak, event.mean, event.closes = peak, _mean(group, until, row), now.closes


@part
def _mean(group, until, row):  # type: ignore[no-untyped-def]
    """Of the scores of the sound before a boundary behind its begin."""
    return (group.sums[row, TOTAL] - group.sums[AT_BEGIN, TOTAL]) / (until - group.state[0].begin)


@part
def _leader(group, row):  # type: ignore[no-untyped-def]
    """The class that the sound has most of before a boundary, column of its group."""
    leader, most = 0, -np.inf
    for column in range(group.rules.shape[0]):
        has = group.sums[row, CLASSES + column] - group.sums[AT_BEGIN, CLASSES + column]
        if has > most:
            leader, most = column, has
    return leader


@part
def _copy(group, row, to):  # type: ignore[no-untyped-def]
    for column in range(group.sums.shape[1]):
        group.sums[to, column] = group.sums[row, column]
