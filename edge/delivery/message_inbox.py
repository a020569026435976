"""Messages on their way to the outbox: a bounded queue in memory, which nobody who has a message waits for.

Not for keeping (`edge.delivery.outbox`). It is full where the disk has stalled; then the least important message is
dropped, which may be the one that comes, and of several the newest. What is left keeps its order.
"""

from __future__ import annotations

import threading

from edge.delivery.messages import Message
from edge.delivery.priority import MessagePriority, priority_of


class MessageInbox:
    """Safe to use from several threads; nobody waits."""

    def __init__(self, most: int) -> None:
        """Hold `most` messages."""
        self._most, self._mutex = most, threading.Lock()
        self._messages: list[Message] = []
        self._priorities: list[MessagePriority] = []  # of each

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._messages)

    def put(self, message: Message) -> Message | None:
        """Take a message; what was dropped for want of room, if anything was."""
        priority, dropped = priority_of(message), None
        with self._mutex:
            if len(self._messages) >= self._most:
                least = min(self._priorities)
                if priority <= least:
                    return message
                newest = len(self._messages) - 1 - self._priorities[::-1].index(least)
                dropped = self._messages.pop(newest)
                del self._priorities[newest]
            self._messages.append(message)
            self._priorities.append(priority)
        return dropped

    def take(self) -> list[Message]:
        """All that wait, oldest first."""
        with self._mutex:
            messages, self._messages, self._priorities = self._messages, [], []
        return messages
