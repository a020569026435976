"""What is dropped first where there is no room: each kind of message has a priority, which is on the disk with it.

Whatever is full, the queue on the way to the disk or the disk itself, nothing is dropped while something of a lower
priority could be; of one priority the store drops the oldest (`edge.delivery.store.Store.shrink`), and the queue, which
is full where the disk has stalled, the newest (`edge.delivery.message_inbox`). What is left keeps its order.

A change of an alarm is worth most, by the priority that the alarm had; then the begin and the end of a sound; then what
was lost of a stream, which its coverage reports too; then the updates of a sound that lasts, which its end repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from edge.contract.fields import Body
from edge.delivery.messages import Message


class MessagePriority(IntEnum):
    """Of the kinds of messages in the outbox, least first; the numbers are on disk, so leave them."""

    UPDATE = 10
    GAP = 20
    EVENT = 30
    LOW_ALARM = 40
    MEDIUM_ALARM = 50
    HIGH_ALARM = 60


OF_ALARMS: Mapping[str, MessagePriority] = {
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
DAMAGED = "damaged"  # only on a page of the file that cannot be read any more


def priority_of(message: Message) -> MessagePriority:
    """What a message is worth."""
    return priority_of_body(message.body, message.event)


def priority_of_body(body: Body, event: tuple[str, int] | None) -> MessagePriority:
    """The same of a message that waits; changes of alarms alone have a priority of their own."""
    if event is None:
        return OF_ALARMS.get(body.get("priority", ""), MessagePriority.GAP)
    return MessagePriority.UPDATE if body.get("type") == "update" else MessagePriority.EVENT


def nothing_dropped() -> dict[str, int]:
    """A count of zero for each cause."""
    return dict.fromkeys([*CAUSES.values(), EXPIRED, DAMAGED], 0)
