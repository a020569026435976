"""The history of alarms made short: what is said again and changes no signal becomes one record with a count. Pure.

Not for files (`edge.delivery.alarm_history`). Whatever changes a signal, an episode or a priority stays as it was.
Between two such changes of an alarm, of each cause and person the last record stays: it says how many there were, and
since when. So whoever pauses a signal a thousand times writes one line of history, and what was before it stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from edge.ward.alarm_records import Key, Record, Transition

MOST_PEOPLE = 8  # of one alarm between two changes of its signal who are told apart; a name is what a sender writes


def folded(records: Iterable[Record]) -> list[Record]:
    """The same history, shorter.

    Args:
        records: oldest first, none of them twice; folded ones may be among them.

    Returns:
        Oldest first. Of commands only those that made a clip: what all others changed, the transitions say.
    """
    found: dict[int, Record] = {}
    before: dict[Key, Transition] = {}
    runs: dict[Key, dict[tuple[str, ...], int]] = {}
    for number, record in enumerate(records):
        found[number] = record
        if not isinstance(record, Transition):
            if not record.answer.clip:
                del found[number]
            continue
        last, before[record.key] = before.get(record.key), record
        run = runs.setdefault(record.key, {})
        if last is None or changes_signal(last, record):
            run.clear()
            continue
        kind = _kind(record, run)
        if kind in run:
            earlier = found.pop(run[kind])
            assert isinstance(earlier, Transition), "a run holds transitions"
            first_s = earlier.at_s if earlier.first_s is None else earlier.first_s
            found[number] = replace(record, repeats=earlier.repeats + 1 + record.repeats, first_s=first_s)
        run[kind] = number
    return list(found.values())


def signals_alone(records: Iterable[Record]) -> list[Record]:
    """What is left where not even the folded history has room: each change of a signal."""
    before: dict[Key, Transition] = {}
    found: list[Record] = []
    for record in records:
        if isinstance(record, Transition):
            last, before[record.key] = before.get(record.key), record
            if last is None or changes_signal(last, record):
                found.append(record)
    return found


def beyond(records: Iterable[Record], older: Sequence[Record]) -> list[Record]:
    """Those records that are not in an older part of the same history already, folded or not."""
    last = {each.key: each for each in older if isinstance(each, Transition)}
    known = {each for each in older if not isinstance(each, Transition)}
    return [each for each in records if not (_is_in(each, last) if isinstance(each, Transition) else each in known)]


def changes_signal(last: Transition, record: Transition) -> bool:
    """Whether a person sees or hears another signal since."""
    was, now = last.state, record.state
    return (was.signal, was.episode, last.priority) != (now.signal, now.episode, record.priority)


def _is_in(record: Transition, last: dict[Key, Transition]) -> bool:
    """By its `rev`, which only grows; by its time, too, for after a disk that took nothing one may come again."""
    found = last.get(record.key)
    return found is not None and record.state.rev <= found.state.rev and record.at_s <= found.at_s


def _kind(record: Transition, run: dict[tuple[str, ...], int]) -> tuple[str, ...]:
    """What it says: cause, who and why; where too many people do the same, the cause alone."""
    by = record.by
    kind = (record.cause,) if by is None else (record.cause, by.by, by.why)
    return kind if kind in run or len(run) < MOST_PEOPLE else (record.cause,)
