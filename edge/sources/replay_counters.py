"""How far the authenticated packets of each device had got, on disk, so that a restart does not accept a replay.

Not for keys. Without this file, whoever recorded packets could play them to a program that has just been started. One
that cannot be read counts as none, with a log line: the stream goes on, and the first authenticated packet is accepted.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from edge.private_files import make_private_folder, open_private
from firmware_bridge.auth import ReplayCounter

INTERVAL_NS = 5_000_000_000  # between writes, unless a session begins
MAX_BYTES = 1 << 20

logger = logging.getLogger(__name__)


class ReplayCounters:
    """One small JSON file: key id, session and highest packet number by device id; replaced as a whole.

    Args:
        path: the file; None stores nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stored: Mapping[int, ReplayCounter] = {}
        self._stored_ns = 0

    def read(self) -> dict[int, ReplayCounter]:
        """What was stored, by device id; empty if there is nothing that can be read."""
        if self._path is None or not self._path.exists():
            return {}
        try:
            with self._path.open("rb") as file:
                tree = json.loads(file.read(MAX_BYTES))
            return {int(device, 16): ReplayCounter(str(k), int(s), int(n)) for device, (k, s, n) in tree.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            logger.warning(
                'link replay_counters=%s cannot be read reason="%s"; replays are detected from now on',
                self._path,
                error,
            )
            return {}

    def update(self, seen: Mapping[int, ReplayCounter], now_ns: int) -> None:
        """Write every `INTERVAL_NS`, and at once when a device begins a session.

        Args:
            seen: how far each device got, by id.
            now_ns: monotonic time.
        """
        sessions = {device: each.session for device, each in seen.items()}
        is_new = sessions != {device: each.session for device, each in self._stored.items()}
        if is_new or (now_ns - self._stored_ns >= INTERVAL_NS and seen != self._stored):
            self._stored_ns = now_ns
            self.write(seen)

    def write(self, seen: Mapping[int, ReplayCounter]) -> None:
        """Write now, if anything changed; a disk that fails is logged and does not stop the sound."""
        if self._path is None or seen == self._stored:
            return
        self._stored = dict(seen)
        draft = self._path.with_suffix(".new")
        try:
            make_private_folder(self._path.parent)
            with open_private(draft, "w") as file:
                file.write(json.dumps({f"{device:08x}": list(each) for device, each in seen.items()}))
            os.replace(draft, self._path)
        except OSError as error:
            logger.error('link replay_counters=%s cannot be written reason="%s"', self._path, error)
