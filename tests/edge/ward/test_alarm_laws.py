"""Random sounds, people and deaths against an independent model of the rules; the laws of alarms at every step."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.contract.commands import Acknowledge, Command, Inactivate, Limit, NewPatient, Pause
from edge.ward.alarm_records import Key, Record, Rule, Transition, from_line, to_line
from edge.ward.alarm_rules import is_audible, priority_of
from edge.ward.alarms import Alarms
from tests.edge.ward.simple_alarm import URGENCY, SimpleAlarm

BED, OTHER = Key("bed1", "continuous"), Key("bed1", "signal-lost")
OF_ITSELF = {"no limit", "new patient"}
MAY_END_ON = {"acknowledged", "cleared", "inactivated", *OF_ITSELF}
BY_A_PERSON = {"acknowledged", "inactivated"}
burdens = st.one_of(st.none(), st.sampled_from([0.0, 3.4, 3.5, 4.9, 5.0, 7.0, 10.0]), st.floats(0, 60))
names = st.sampled_from([None, "continuous", "signal-lost"])


class Ward(RuleBasedStateMachine):
    """A bed with a physiological and a technical alarm."""

    @initialize(
        urgency=st.integers(0, 2),
        latches=st.booleans(),
        delay=st.sampled_from([0, 20]),
        patience=st.sampled_from([30, 10**9]),
        limit=st.sampled_from([None, 5.0]),
    )
    def begin(self, urgency: int, latches: bool, delay: int, patience: int, limit: float | None) -> None:
        self.rules = {
            BED: Rule("Phy", URGENCY[urgency], delay, latches, patience, 60, limit),  # type: ignore[arg-type]
            OTHER: Rule("Tec", "Lo", 10, False, None, 60),
        }
        self.alarms = Alarms(self.rules)
        self.simple = {
            BED: SimpleAlarm(urgency, latches, delay, patience, 60, limit),
            OTHER: SimpleAlarm(0, False, 10, 10**12, 60, 0.5),
        }
        self.now, self.number = 1000, 0
        self.lines: list[bytes] = []
        self.sent: list[Command] = []
        self.counted: set[str] = set()  # orders that changed nothing, beyond those that are written
        self.values: dict[Key, float | None] = {BED: None, OTHER: None}

    def note(self, records: list[Record]) -> None:
        before = dict(self.before)
        for record in records:
            self.lines.append(to_line(record))
            if not isinstance(record, Transition):
                continue
            signal, rev = before[record.key]
            assert record.state.rev == rev + 1
            if signal == "On" and record.state.signal != "On":
                assert record.cause in MAY_END_ON
                assert record.state.signal in ("Ack", "Latch", "Off")
                is_high = record.priority == "Hi"
                assert not is_high or record.state.signal == "Latch" or record.by or record.cause in OF_ITSELF
            assert record.by is not None or record.cause not in BY_A_PERSON
            before[record.key] = record.state.signal, record.state.rev

    def remember(self) -> None:
        self.before = {key: (self.alarms.state(key).signal, self.alarms.state(key).rev) for key in self.rules}

    def look(self) -> None:
        self.remember()
        values = {BED: self.values[BED], OTHER: None if self.values[OTHER] is None else self.values[OTHER] > 0.5}
        self.note([*self.alarms.advance(self.now, values)])
        for key, simple in self.simple.items():
            simple.measure(self.now, self.values[key])

    @rule(burden=burdens, seconds=st.sampled_from([0, 1, 9, 10, 19, 20, 30, 59, 60, 61, 300]))
    def sound(self, burden: float | None, seconds: int) -> None:
        self.now += seconds
        self.values[BED] = burden
        self.look()

    @rule(lost=st.sampled_from([None, 0.0, 1.0]), seconds=st.sampled_from([0, 5, 10, 60, 130]))
    def plug(self, lost: float | None, seconds: int) -> None:
        self.now += seconds
        self.values[OTHER] = lost
        self.look()

    def order(self, command: Command) -> None:
        self.remember()
        answer, records = self.alarms.command(self.now, "board", "bed1", command)
        assert answer.ok
        self.note(records)
        self.sent.append(command)
        if not records:
            self.counted.add(command.id)

    def ident(self) -> str:
        self.number += 1
        return f"c{self.number}"

    def chosen(self, name: str | None) -> list[SimpleAlarm]:
        return [simple for key, simple in self.simple.items() if name in (None, key.condition)]

    @rule(name=names)
    def acknowledge(self, name: str | None) -> None:
        self.order(Acknowledge(id=self.ident(), by="nurse", condition=name))
        for simple in self.chosen(name):
            simple.acknowledge(self.now)

    @rule(name=names, seconds=st.sampled_from([1, 60, 120]))
    def pause(self, name: str | None, seconds: int) -> None:
        self.order(Pause(id=self.ident(), by="nurse", condition=name, duration_s=seconds))
        for simple in self.chosen(name):
            simple.pause(self.now, seconds)

    @rule(name=names, seconds=st.sampled_from([0, 30, 600]))
    def inactivate(self, name: str | None, seconds: int) -> None:
        self.order(Inactivate(id=self.ident(), by="nurse", condition=name, duration_s=seconds, why="suction"))
        for simple in self.chosen(name):
            simple.inactivate(self.now, seconds)

    @rule(limit=st.sampled_from([None, 3.0, 10.0]))
    def limit(self, limit: float | None) -> None:
        self.order(Limit(id=self.ident(), by="nurse", condition="continuous", limit_s_per_min=limit, why="asthma"))
        self.simple[BED].own_limit = limit  # type: ignore[assignment]
        self.look()

    @rule()
    def another_patient(self) -> None:
        self.order(NewPatient(id=self.ident(), by="configure", age="4 years"))
        for key, simple in self.simple.items():
            simple.new_patient(self.now, key == BED)
        self.values[BED] = None
        self.look()

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        answer, records = self.alarms.command(self.now, "board", "bed1", data.draw(st.sampled_from(self.sent[-20:])))
        assert answer.ok
        assert records == []

    @rule()
    def die(self) -> None:
        before = self.alarms
        self.alarms = Alarms(self.rules, [record for line in self.lines if (record := from_line(line)) is not None])
        must = [
            each for each in before.snapshot() if isinstance(each, Transition) or each.answer.id not in self.counted
        ]
        assert sorted(map(to_line, self.alarms.snapshot())) == sorted(map(to_line, must))
        self.sent = [each for each in self.sent if each.id not in self.counted]

    @rule()
    def begin_the_log_anew(self) -> None:
        self.lines = [to_line(record) for record in self.alarms.snapshot()]
        self.counted.clear()  # those are in it

    @invariant()
    def is_as_the_simple_model_says(self) -> None:
        for key, simple in self.simple.items():
            state = self.alarms.state(key)
            found = state.signal, is_audible(state), state.episode, priority_of(self.rules[key], state)
            assert found == (simple.signal, simple.sounds, simple.count, simple.urgency)
            assert (state.inactive_until_s is not None) == simple.is_off


Ward.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


class TestWard(Ward.TestCase):
    """Collected by pytest."""
