"""Which retained topics of this node's streams the broker may hold, on disk, so that those of removed streams can go.

Not for what they say (`edge.delivery.dispatch`). A retained message stays at the broker until an empty one replaces it:
the state of a bed that was taken out of the settings would be shown for ever. A file that cannot be read counts as
empty; one that cannot be written is logged, and the node goes on.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection
from pathlib import Path

from edge.contract.topics import is_topic
from edge.files import open_private

MAX_BYTES = 1 << 20

logger = logging.getLogger(__name__)


class RetainedTopics:
    """One small JSON file beside the outbox, whose lock keeps a second node away from both.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, topics: Collection[str]) -> list[str]:
        """Note what will be retained from now on.

        Args:
            topics: of all streams of the settings.

        Returns:
            Those of earlier starts that are no more among them: to be cleared at the broker.
        """
        stored = self._read()
        self._write(stored | set(topics))
        return sorted(stored.difference(topics))

    def settle(self, topics: Collection[str]) -> None:
        """The broker has been told of those that `begin` gave: forget them."""
        self._write(set(topics))

    def _read(self) -> set[str]:
        try:
            with self._path.open("rb") as file:
                tree = json.loads(file.read(MAX_BYTES))
        except FileNotFoundError:
            return set()
        except (OSError, ValueError) as error:
            logger.warning(
                'retained=%s cannot be read reason="%s"; removed streams stay at the broker', self._path, error
            )
            return set()
        topics = tree if isinstance(tree, list) else []
        return {topic for topic in topics if isinstance(topic, str) and is_topic(topic)}

    def _write(self, topics: set[str]) -> None:
        draft = self._path.with_suffix(".new")
        try:
            with open_private(draft, "w") as file:
                file.write(json.dumps(sorted(topics)))
            os.replace(draft, self._path)
        except OSError as error:
            logger.warning('retained=%s cannot be written reason="%s"', self._path, error)
