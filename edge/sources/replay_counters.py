"""The replay counters of devices that seal their packets, kept over a restart of this program.

Not for keys. Without it, whoever recorded packets could play them to a program that has just been started. A file that
cannot be read counts as none, with a log line: reception goes on, and the first sealed packet is accepted.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from firmware_bridge.auth import ReplayCounter

EVERY_NS = 5_000_000_000
MAX_BYTES = 1 << 20

logger = logging.getLogger(__name__)


class SeenFile:
    """One small JSON file, replaced as a whole.

    Args:
        path: the file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        """Touch nothing yet."""
        self._path = path
        self._kept: Mapping[int, ReplayCounter] = {}
        self._kept_ns = 0

    def read(self) -> dict[int, ReplayCounter]:
        """What was kept, by device id; empty if there is nothing that can be read."""
        if self._path is None or not self._path.exists():
            return {}
        try:
            with self._path.open("rb") as file:
                tree = json.loads(file.read(MAX_BYTES))
            return {int(device, 16): ReplayCounter(str(k), int(s), int(n)) for device, (k, s, n) in tree.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            logger.warning('link seen=%s cannot be read reason="%s"; replays are found from now on', self._path, error)
            return {}

    def note(self, seen: Mapping[int, ReplayCounter], now_ns: int) -> None:
        """Keep it every few seconds, and at once where a session began."""
        sessions = {device: each.session for device, each in seen.items()}
        is_new = sessions != {device: each.session for device, each in self._kept.items()}
        if is_new or (now_ns - self._kept_ns >= EVERY_NS and seen != self._kept):
            self._kept_ns = now_ns
            self.keep(seen)

    def keep(self, seen: Mapping[int, ReplayCounter]) -> None:
        """Write it; a disk that refuses is told and does not stop the sound."""
        if self._path is None or seen == self._kept:
            return
        self._kept = dict(seen)
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps({f"{device:08x}": list(each) for device, each in seen.items()}))
            os.replace(fresh, self._path)
        except OSError as error:
            logger.error('link seen=%s cannot be written reason="%s"', self._path, error)
