"""Retained state: the last value of each topic, and which topics of this node's streams the broker may hold, on disk.

The second is noted so that the state of removed streams can go: a retained message stays at the broker until an empty
one replaces it, and the state of a bed that was taken out of the settings would be shown for ever. A file that cannot
be read counts as empty; one that cannot be written is logged, and the node goes on. Not for what values say or when
they go (`edge.delivery.dispatch`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from edge.contract.fields import Body
from edge.contract.topics import is_topic
from edge.files import StateFile


class RetainedState:
    """The last value of each topic, and whether the broker has it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._values: dict[str, tuple[Body | None, int | None]] = {}  # None: none is to be retained
        self._unpublished: set[str] = set()

    def set(self, topic: str, body: Body | None, expiry_s: int | None) -> None:
        """A new value, which the broker does not have."""
        with self._mutex:
            self._values[topic] = (body, expiry_s)
            self._unpublished.add(topic)

    def forget_published(self) -> None:
        """The broker may have nothing of it."""
        with self._mutex:
            self._unpublished = {*self._values}

    def unpublished(self) -> list[tuple[str, Body | None, int | None]]:
        """Topic, value and expiry in seconds of what the broker does not have."""
        with self._mutex:
            return [(topic, *self._values[topic]) for topic in sorted(self._unpublished)]

    def take(self, choose: Callable[[Collection[str]], Iterable[str]]) -> list[tuple[str, Body | None, int | None]]:
        """The same of those topics that are chosen to be published now."""
        with self._mutex:
            topics = list(choose(self._unpublished))
            self._unpublished.difference_update(topics)
            return [(topic, *self._values[topic]) for topic in topics]


class RetainedTopics:
    """One small JSON file beside the outbox, whose lock keeps a second node away from both.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        effects = "removed streams stay at the broker", "streams that are removed next stay at the broker"
        self._file = StateFile(path, "retained", _topics, effects, is_durable=False)

    def begin(self, topics: Collection[str]) -> list[str]:
        """Note what will be retained from now on.

        Args:
            topics: of all streams of the settings.

        Returns:
            Those of earlier starts that are no more among them: to be cleared at the broker.
        """
        stored = self._file.read() or set()
        self.store(stored | set(topics))
        return sorted(stored.difference(topics))

    def store(self, topics: Collection[str]) -> None:
        """Note these alone: the broker has acknowledged the clearing of those that `begin` returned."""
        self._file.write(json.dumps(sorted(topics)).encode())


def _topics(content: bytes) -> set[str]:
    tree = json.loads(content)
    return {topic for topic in tree if isinstance(topic, str) and is_topic(topic)} if isinstance(tree, list) else set()
