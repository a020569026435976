"""All alarms of a node: measurements, time and commands in, transitions out. Pure: no clock, no disk, no network.

Not for the rules of one alarm (`edge.ward.alarm_rules`). Whoever calls this writes what comes out to the disk
(`edge.delivery.alarm_table`) before anything is published; `Alarms(rules, what was written)` is then the same again,
and so it is with `snapshot`, which holds everything that must be remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from edge.contract.commands import Acknowledge, AlarmCommand, ClipOrder, Command, Inactivate, Limit, NewPatient, Pause
from edge.ward.alarm_records import (
    AlarmState,
    Answer,
    Cause,
    Key,
    Ordered,
    Person,
    Record,
    Rule,
    Transition,
    Value,
)
from edge.ward.alarm_rules import (
    Change,
    acknowledge,
    advance,
    effective_limit,
    inactivate,
    new_patient,
    pause,
    priority_of,
    set_limit,
)
from edge.ward.quotas import Quotas

REMEMBERED = 64  # commands of one user whose ids are known; a sender repeats within seconds
WRITTEN_UNCHANGED = 10  # of one user in a minute: more than people give, and a flood of them fills no disk
MOST_USERS = 16  # whose commands are remembered: who gave one last
RETIRED: Cause = "not configured"  # a line of 0.5 kB for each alarm that a person ever took out of the settings


class Alarms:
    """The alarms of one node; one thread at a time."""

    def __init__(
        self,
        rules: Mapping[Key, Rule],
        history: Iterable[Record] = (),
        rev_floor: int = 0,
        wall: Callable[[float], float] | None = None,
    ) -> None:
        """Go on from what was recorded.

        Args:
            rules: one for each alarm that there is now.
            history: records of earlier processes, oldest first.
            rev_floor: up to here a `rev` of any alarm may have been published that is not in the history.
            wall: from the time of the alarms to that of the wall clock as it is set now; None: not noted.
        """
        self._wall_s: Callable[[float], float | None] = wall or (lambda _now_s: None)
        self._rules, self._rev_floor = dict(rules), rev_floor
        self._last: dict[Key, Transition] = {}
        self._ordered: dict[str, dict[str, Ordered]] = {}  # by user and id
        self._unchanged: dict[str, int] = {}  # orders of a user that changed nothing and are not written yet
        self._written_unchanged = Quotas(WRITTEN_UNCHANGED, 60.0)
        for record in history:
            self._remember(record)

    @property
    def rules(self) -> Mapping[Key, Rule]:
        """The rule of each alarm."""
        return self._rules

    def state(self, key: Key) -> AlarmState:
        """The state of an alarm."""
        last = self._last.get(key)
        state = AlarmState() if last is None else last.state
        return state if state.rev >= self._rev_floor else replace(state, rev=self._rev_floor)

    def cause(self, key: Key) -> str:
        """Why an alarm is as it is; empty before its first transition, and the first after it was not configured."""
        last = self._last.get(key)
        return "" if last is None or last.cause == RETIRED else last.cause

    def snapshot(self) -> list[Record]:
        """What must be remembered, oldest first: the last transition of each alarm, and the last commands."""
        ordered = [each for of_user in self._ordered.values() for each in of_user.values()]
        return sorted([*self._last.values(), *ordered], key=lambda record: record.at_s)

    def advance(self, now_s: float, values: Mapping[Key, Value]) -> list[Transition]:
        """What changes with new measurements and with the time.

        Args:
            now_s: not before the last time.
            values: of each alarm; one that is not in it is not known now.
        """
        transitions = self._retire(now_s)
        for key, rule in self._rules.items():
            transitions += self._note(now_s, key, advance(rule, self.state(key), now_s, values.get(key)))
        return transitions

    def has_ordered(self, user: str, ident: str) -> bool:
        """Whether a command of this user with this id was carried out."""
        return ident in self._ordered.get(user, {})

    def command(
        self, now_s: float, user: str, stream: str, command: Command, clip: str = ""
    ) -> tuple[Answer, list[Record]]:
        """Carry out what a person ordered.

        Args:
            now_s: not before the last time.
            user: whom the broker let speak.
            stream: the bed; empty for the node itself.
            command: what `edge.contract.commands.parse_command` gave.
            clip: id of the clip that is made if it is one that orders it; it changes no alarm.

        Returns:
            The answer, and the records, of which the last is that of the command; none if it was refused, came before,
            which gives the same answer again, or changed nothing and is one of too many of this user: such a one is
            counted, and its id is known until this process ends.
        """
        digest = hashlib.sha256(f"{command.verb} {stream} {command.model_dump_json()}".encode()).hexdigest()[:16]
        answer = Answer(command.id, command.verb, stream, ok=False)
        if (before := self._ordered.get(user, {}).get(command.id)) is not None:
            reason = f"the id {command.id!r} was used for another command"
            return before.answer if before.digest == digest else replace(answer, reason=reason), []
        if reason := self._mistake(stream, command):
            return replace(answer, reason=reason), []
        transitions = self._transitions(now_s, user, stream, command)
        changed = tuple(sorted({each.key.condition for each in transitions}))
        answer = replace(answer, ok=True, conditions=changed, clip=clip)
        unchanged = self._unchanged.pop(user, 0)
        ordered = Ordered(now_s, user, command.by, digest, answer, self._wall_s(now_s), unchanged)
        self._remember(ordered)
        # What changed nothing may change something when it comes again after a death, so its id is written, too.
        if transitions or isinstance(command, ClipOrder) or self._written_unchanged.take(user, now_s):
            return answer, [*transitions, ordered]
        self._unchanged = {user: unchanged + 1, **dict(list(self._unchanged.items())[: MOST_USERS - 1])}
        return answer, []

    def _transitions(self, now_s: float, user: str, stream: str, command: Command) -> list[Transition]:
        if isinstance(command, ClipOrder):
            return []
        if not isinstance(command, NewPatient):
            return self._change(now_s, user, stream, command)
        found = []
        for key, rule in self._rules.items():
            if key.stream == stream:
                found += self._note(now_s, key, new_patient(rule, self.state(key), now_s))
        return found

    def _change(self, now_s: float, user: str, stream: str, command: AlarmCommand) -> list[Transition]:
        keys = [key for key in self._rules if key.stream == stream and command.condition in (None, key.condition)]
        person = Person(f"{command.by} ({user})", now_s, getattr(command, "why", ""))
        return [each for key in keys for each in self._note(now_s, key, self._carried_out(key, command, person))]

    def _mistake(self, stream: str, command: Command) -> str:
        """Why a command cannot be carried out; empty if it can."""
        names = [key.condition for key in self._rules if key.stream == stream]
        if not names:
            beds = sorted({key.stream for key in self._rules if key.stream})
            return f"no bed {stream!r} here; there are {', '.join(beds)}"
        if isinstance(command, ClipOrder | NewPatient):
            return "" if stream else f"a {command.verb} is of a bed, not of the node"
        if command.condition is None:
            needs_one = isinstance(command, Acknowledge) and command.episode is not None
            return "an episode needs its condition" if needs_one else ""
        if command.condition not in names:
            return f"no alarm {command.condition!r} here; there are {', '.join(names)}"
        key = Key(stream, command.condition)
        if isinstance(command, Limit):
            return self._limit_mistake(key, command)
        if isinstance(command, Acknowledge) and command.episode not in (None, now := self.state(key).episode):
            return f"episode {command.episode} is not the present one ({now})"
        return ""

    def _limit_mistake(self, key: Key, command: Limit) -> str:
        """Why a limit cannot be set; empty if it can."""
        rule = self._rules[key]
        if rule.kind != "Phy" or rule.is_binary:
            return f"{key.condition} has no limit"
        if command.is_of_rate != bool(rule.rate):
            return f"{key.condition} needs {'limit_per_min' if rule.rate else 'limit_s_per_min'}"
        requested = rule.limit if command.limit_per_min is None else command.limit_per_min
        opposite = "low" if rule.rate == "high" else "high"
        limits = [
            (other.condition, effective_limit(of, self.state(other)))
            for other, of in self._rules.items()
            if other.stream == key.stream and rule.rate and of.rate == opposite
        ]
        for name, limit in limits:
            if requested is None or limit is None or (requested > limit if rule.rate == "high" else requested < limit):
                continue
            side = "above" if rule.rate == "high" else "below"
            return f"{key.condition} must be {side} {name}, which is {limit:g}; found {requested:g}"
        return ""

    def _carried_out(self, key: Key, command: AlarmCommand, person: Person) -> list[Change]:
        state = self.state(key)
        if isinstance(command, Acknowledge):
            return acknowledge(state, person)
        if isinstance(command, Pause):
            return pause(state, command.duration_s, person)
        if isinstance(command, Inactivate):
            return inactivate(state, command.duration_s, person)
        limit = command.limit_per_min if command.is_of_rate else command.limit_s_per_min
        return set_limit(state, limit, person, command.is_of_rate)

    def _retire(self, now_s: float) -> list[Transition]:
        """Alarms that the settings do not have any more; remembered, for one that returns goes on from its `rev`."""
        gone = [last for key, last in self._last.items() if key not in self._rules and last.cause != RETIRED]
        ended = [
            Transition(
                now_s,
                last.key,
                RETIRED,
                AlarmState(rev=self.state(last.key).rev + 1),
                last.kind,
                last.priority,
                wall_s=self._wall_s(now_s),
            )
            for last in gone
        ]
        for each in ended:
            self._remember(each)
        return ended

    def _note(self, now_s: float, key: Key, changes: list[Change]) -> list[Transition]:
        rule, wall_s = self._rules[key], self._wall_s(now_s) if changes else None
        transitions = [
            Transition(now_s, key, each.cause, each.state, rule.kind, priority_of(rule, each.state), each.by, wall_s)
            for each in changes
        ]
        for each in transitions:
            self._remember(each)
        return transitions

    def _remember(self, record: Record) -> None:
        if isinstance(record, Transition):
            self._last[record.key] = record
            return
        own = self._ordered.pop(record.user, {})
        own[record.answer.id] = record
        self._ordered[record.user] = own  # the last to have given one
        while len(own) > REMEMBERED:
            del own[next(iter(own))]
        while len(self._ordered) > MOST_USERS:
            del self._ordered[next(iter(self._ordered))]
