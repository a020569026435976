"""What earlier processes recorded of the alarms of a node, from its outbox and from the files of a release before 1.1.

Not for what comes of it (`edge.ward.alarms`). An earlier release wrote a change to its log before the outbox had the
message of it: what died in between is found here, for the outbox knows the last `rev` of each alarm that it was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.delivery.alarm_messages import name_of, transition_message
from edge.delivery.before_one_file import log_beside, read_log
from edge.delivery.message_inbox import Rows
from edge.delivery.messages import Node
from edge.delivery.outbox import Outbox
from edge.ward.alarm_records import NOT_PUBLISHED, Record, Transition


@dataclass(frozen=True)
class PastAlarms:
    """From where the alarms of this process go on."""

    records: Sequence[Record] = ()
    """What must be remembered, oldest first."""
    rev_floor: int = 0
    """Every alarm goes on above this `rev`."""


def past_alarms(outbox: Outbox, node: Node) -> PastAlarms:
    """What is known of the alarms of a node; files of an earlier release are read in.

    Args:
        outbox: whose numbers are those of the node already, and which is not delivered from yet.
        node: which one.
    """
    records, floor = outbox.alarm_records()
    old, known_revs = read_log(outbox, log_beside(outbox.path, node.node)), outbox.alarm_revs
    floor = max(floor, old.rev_floor)
    if old.files is None:
        return PastAlarms(records, floor)
    if known_revs is None:  # the next process reads them in, for nobody knows now what was published
        return PastAlarms(_in_order([*records, *old.records]), floor)
    transitions = [each for each in old.records if isinstance(each, Transition)]
    own = {name_of(each.key): each.state.rev for each in [*records, *transitions] if isinstance(each, Transition)}
    beyond = max((rev for name, rev in known_revs.items() if rev > own.get(name, 0)), default=0)
    unpublished = [
        each for each in transitions if is_published(each) and each.state.rev > known_revs.get(name_of(each.key), 0)
    ]
    outbox.put([transition_message(node, each, float) for each in unpublished], Rows(old.records, files=old.files))
    return PastAlarms(_in_order([*records, *old.records]), max(floor, beyond))


def is_published(each: Transition) -> bool:
    """Whether a change is published as a message of its own; others are in the retained state alone."""
    return each.cause not in NOT_PUBLISHED


def _in_order(records: Sequence[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.at_s)
