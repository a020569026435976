"""What a message is worth when there is no room for all: the one place that knows the order of their kinds.

Not for the order of sending (`edge.delivery.send_order`) and not for removing anything (`edge.delivery.store`,
`edge.delivery.message_inbox`). The invariant of those two: whatever is full, nothing goes while something of a lower
priority could go instead; of one priority the store takes the oldest.

A change of an alarm is worth most, by the priority that the alarm had; then the begin and the end of a sound; then what
was lost of a stream, which its coverage tells too; then the updates of a sound that lasts, which its end repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from edge.contract.fields import Priority
from edge.delivery.messages import Message


class MessagePriority(IntEnum):
    """Of the kinds of messages in the outbox, least first; the numbers are on disk, so leave them."""

    UPDATE = 10
    GAP = 20
    EVENT = 30
    LOW_ALARM = 40
    MEDIUM_ALARM = 50
    HIGH_ALARM = 60


OF_ALARMS: Mapping[Priority, MessagePriority] = {
    "Lo": MessagePriority.LOW_ALARM,
    "Me": MessagePriority.MEDIUM_ALARM,
    "Hi": MessagePriority.HIGH_ALARM,
}
CAUSES: Mapping[MessagePriority, str] = {  # under which name the health report counts what was dropped
    MessagePriority.UPDATE: "update",
    MessagePriority.GAP: "technical",
    MessagePriority.EVENT: "event",
    MessagePriority.LOW_ALARM: "alarm",
    MessagePriority.MEDIUM_ALARM: "alarm",
    MessagePriority.HIGH_ALARM: "alarm",
}
EXPIRED = "expired"  # too old, whatever its priority


def priority_of(message: Message) -> MessagePriority:
    """What a message is worth."""
    if message.transition is not None:
        return OF_ALARMS[message.body["priority"]]
    if message.event is None:
        return MessagePriority.GAP
    return MessagePriority.UPDATE if message.body.get("type") == "update" else MessagePriority.EVENT


def nothing_dropped() -> dict[str, int]:
    """A count of zero for each cause."""
    return dict.fromkeys([*CAUSES.values(), EXPIRED], 0)
