"""A day of 6 beds on a clock that only counts: tracker, burden, coverage and alarms, with people who answer.

Scores are made up, constant for 4 s, so that a plain sum tells every burden and a count of loud stretches every event.
Alarms are compared at every look with the independent model of their rules.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.contract.commands import Acknowledge, Command, Inactivate, Pause
from edge.detector.tracker import Tracker
from edge.node.alarm_inputs import BedReading, bed_values, rules_of
from edge.settings.node import parse_config
from edge.types import Scores
from edge.ward.alarm_records import Key, Rule, Value, from_line, to_line
from edge.ward.alarms import Alarms
from edge.ward.burden import LEAST_COVERAGE, Reading
from edge.ward.coverage import Coverage
from tests.edge.ward.scoring import CLASSES, GROUPS, HOP_SAMPLES, MINUTE, RATE_HZ, STEP, burden, part
from tests.edge.ward.simple_alarm import URGENCY, SimpleAlarm

BEDS, HOURS = 6, 24
STEPS = HOURS * 900  # of 4 s
WINDOW = 75  # steps of 5 min
LOOKS = (5, 10, 15)  # after so many steps of a minute
LIMIT, LOUD, QUIET = 6.0, 0.9, 0.01
CALM = 2  # beds without an episode
PIECE = 3 * STEP  # score frames that the tracker takes at once: where all are quiet, it is done with them at once
NAMES = tuple(group.name for group in GROUPS)
THRESHOLDS = {"wheeze": 0.5, "rhonchus": 0.5, "fine_crackle": 0.5}
FAR = 10**9


@dataclass
class Script:
    """What one bed sounds like, by steps."""

    wheeze: NDArray[np.float32]
    """(S,) probability in each frame of the step."""
    valid: NDArray[np.bool_]
    """(S,) whether it can be measured."""
    episodes: int
    """Of wheeze, each long enough for an alarm."""

    @classmethod
    def of(cls, bed: int) -> Script:
        rng = np.random.default_rng(bed)
        wheeze, valid = np.full(STEPS, QUIET, np.float32), np.ones(STEPS, np.bool_)
        wheeze[rng.integers(0, STEPS // 4, 100) * 4] = LOUD  # single sounds all day
        episodes = 0 if bed < CALM else 1 + bed % 3
        for number in range(episodes):
            begin = (2 + 7 * number) * 900 + 4 * int(rng.integers(900))
            for step in range(begin, begin + int(rng.integers(150, 600)), 4):
                wheeze[step : step + 2] = LOUD
        for begin in rng.integers(0, STEPS - 300, 3).tolist():
            valid[begin : begin + int(rng.integers(15, 300))] = False
        return cls(wheeze, valid, episodes)

    def scores(self, first: int, start: int) -> Scores:
        """A minute of scores from a step on; `start` is the score frame at which the day began."""
        values = np.zeros((MINUTE, len(CLASSES)), np.float32)
        values[:, 0] = np.repeat(self.wheeze[first : first + 15], STEP)
        return Scores(start + first * STEP, values, np.repeat(self.valid[first : first + 15], STEP))

    def sounds(self) -> int:
        """Loud stretches that could be heard, each of which is one event; a step that was not heard ends one."""
        loud = (self.wheeze > 0.5) & self.valid
        return int(loud[0]) + int((loud[1:] & ~loud[:-1]).sum())

    def plain(self) -> list[float | None]:
        """Burden over 5 min after each step, by a plain sum; None: less than half could be measured."""
        valid, sums = np.cumsum([np.r_[0, self.valid], np.r_[0, self.valid * self.wheeze.astype(np.float64)]], axis=1)
        ends = np.arange(1, STEPS + 1)
        first = np.maximum(ends - WINDOW, 0)
        count, total = valid[ends] - valid[first], sums[ends] - sums[first]
        known = count >= LEAST_COVERAGE * WINDOW
        return [
            60 * t / c if k else None for t, c, k in zip(total.tolist(), count.tolist(), known.tolist(), strict=True)
        ]


class Bed:
    """One bed as a node keeps it."""

    def __init__(self, bed: int) -> None:
        self.id, self.script = f"bed{bed}", Script.of(bed)
        crossed = 2 ** (31 + bed % 2) // HOP_SAMPLES // STEP  # the step in which its samples cross 2^31 or 2^32
        self._start = (crossed - 450) * STEP
        self._tracker = Tracker(GROUPS, CLASSES, THRESHOLDS, HOP_SAMPLES)
        self._burden, self._coverage = burden(), Coverage(HOP_SAMPLES, RATE_HZ)
        self.begun = self.ended = 0  # events

    def minute(self, number: int) -> list[Reading]:
        scores = self.script.scores(15 * number, self._start)
        pieces = (part(scores, first, first + PIECE) for first in range(0, MINUTE, PIECE))
        events = [event for piece in pieces for event in self._tracker.push(piece)]
        self.begun += sum(event.kind == "onset" for event in events)
        self.ended += sum(event.kind == "end" for event in events)
        self._coverage.push(scores, None)
        readings = self._burden.push(scores)
        assert len(readings) == 15
        return readings

    def size(self) -> int:
        """Bytes that it must remember."""
        return len(pickle.dumps((self._tracker, self._burden, self._coverage)))

    def missing_s(self) -> float:
        """Of the last hour, what was not measured, seconds."""
        stop = self._start + STEPS * STEP
        return 3600.0 - self._coverage.over(3600, stop).measured_s


class People:
    """Who answers: at random, the same to the alarms and to the model of their rules."""

    def __init__(self, alarms: Alarms, simple: dict[Key, SimpleAlarm]) -> None:
        self._alarms, self._simple, self._rng, self._number = alarms, simple, np.random.default_rng(99), 0

    def answer(self, now_s: int) -> list[bytes]:
        """What somebody does now, if anything; the lines of the log."""
        signalled = [key for key in self._simple if self._simple[key].signal in ("On", "Latch")]
        if not signalled or self._rng.random() > 0.05:
            return []
        key, kind = signalled[int(self._rng.integers(len(signalled)))], int(self._rng.integers(3))
        self._number += 1
        named = {"id": f"c{self._number}", "by": "nurse", "condition": key.condition}
        command: Command = Acknowledge(**named)
        if kind == 0:
            self._simple[key].acknowledge(now_s)
        elif kind == 1:
            command = Pause(**named, duration_s=60)
            self._simple[key].pause(now_s, 60)
        else:
            command = Inactivate(**named, duration_s=600, why="suction")
            self._simple[key].inactivate(now_s, 600)
        answer, records = self._alarms.command(now_s, "board", key.stream, command)
        assert answer.ok
        return [to_line(record) for record in records]


def rules() -> dict[Key, Rule]:
    streams = [{"id": f"bed{bed}", "source": "none"} for bed in range(BEDS)]
    section = {"burden": {"continuous": {"limit_s_per_min": LIMIT, "escalate_s": 300}}}
    return rules_of(parse_config({"streams": streams, "alarms": section}, "test"), NAMES)


def simple_of(rule: Rule) -> SimpleAlarm:
    patience = FAR if rule.escalate_s is None else round(rule.escalate_s)
    urgency, delay, group = URGENCY.index(rule.priority), round(rule.delay_s), round(rule.group_s)
    return SimpleAlarm(urgency, rule.latching, delay, patience, group, rule.limit)


def measured(bed: Bed, step: int, reading: Reading) -> dict[Key, Value]:
    """What the alarms of a bed see after a step."""
    values = {one.group: one.s_per_min for one in reading.over(300).groups}
    return bed_values(bed.id, BedReading("ok" if bed.script.valid[step] else "degraded", burden=values), NAMES)


def test_a_day_of_6_beds_has_every_event_every_burden_and_every_alarm() -> None:
    beds, all_rules = [Bed(number) for number in range(BEDS)], rules()
    alarms, log, sizes = Alarms(all_rules), list[bytes](), list[int]()
    simple = {key: simple_of(rule) for key, rule in all_rules.items() if key.condition in NAMES}
    people, plain = People(alarms, simple), [bed.script.plain() for bed in beds]
    raised = dict.fromkeys(simple, 0)
    for minute in range(HOURS * 60):
        valid = [bed.minute(minute) for bed in beds]
        for step in (15 * minute + look - 1 for look in LOOKS):
            now_s, values = 4 * (step + 1), dict[Key, Value]()
            for bed, readings, expected in zip(beds, valid, plain, strict=True):
                values |= measured(bed, step, readings[step % 15])
                found = values[Key(bed.id, "continuous")]
                assert found == expected[step] or abs(float(found or 0) - float(expected[step] or 0)) < 1e-6
            log += [to_line(each) for each in alarms.advance(now_s, values)]
            for key, model in simple.items():
                before = model.count
                model.measure(now_s, values[key])
                raised[key] += model.count - before
                assert (alarms.state(key).signal, alarms.state(key).episode) == (model.signal, model.count)
            log += people.answer(now_s)
        if minute in (120, HOURS * 60 - 1):
            sizes.append(sum(bed.size() for bed in beds))
    assert [(bed.begun, bed.ended) for bed in beds] == [(bed.script.sounds(),) * 2 for bed in beds]
    assert [raised[Key(bed.id, "continuous")] >= bed.script.episodes for bed in beds] == [True] * BEDS
    assert [raised[Key(f"bed{calm}", "continuous")] for calm in range(CALM)] == [0] * CALM
    again = Alarms(all_rules, [record for line in log if (record := from_line(line)) is not None])
    assert {key: again.state(key) for key in all_rules} == {key: alarms.state(key) for key in all_rules}
    assert [bed.missing_s() for bed in beds] == [4.0 * (~bed.script.valid[-900:]).sum() for bed in beds]
    assert sizes[1] < 1.05 * sizes[0], "memory grows"
