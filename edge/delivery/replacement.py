"""What happens to an outbox whose file turns out to be damaged while the node runs.

What is known here of its messages goes on in memory, and the file is replaced by one with what can be read of it
(`edge.delivery.database`) and what the alarms are now. Not for writing what is in memory into that file, as after every
refusal of a disk (`edge.delivery.outbox`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from edge.delivery.alarm_rows import AlarmRows
from edge.delivery.disk import Disk
from edge.delivery.entries import LiveEntries, Stamp
from edge.delivery.message_inbox import Rows
from edge.delivery.store import Store

REPLACE_S = 600.0  # at least, between two replacements: a disk that damages files must not fill itself with them


class Replacement:
    """Of one outbox, whose mutex is held."""

    def __init__(self, disk: Disk, memory: Store, live: LiveEntries, rows: AlarmRows) -> None:
        self._disk, self._memory, self._live, self._rows = disk, memory, live, rows
        self._replaced_s, self._held = -math.inf, set[int]()
        self.lost = 0
        """Messages that waited in the file that was replaced last, and are nowhere any more."""

    def hold(self, last_seq: int, written_s: float) -> None:
        """Let memory have what is known of the messages in a damaged file.

        Args:
            last_seq: the highest number in use.
            written_s: wall time, seconds since 1970.
        """
        if self._disk.damage is not None:
            entries = self._live.all()
            self._held |= {entry.seq for entry in entries}
            self._memory.take_copied([entry.copied(written_s) for entry in entries], {})
            self._live.forget(last_seq)

    def replace(self, stamp: Callable[[], Stamp], now_s: float) -> bool:
        """Replace the file if it is damaged; whether that was done, and what is in memory belongs into the new one.

        Args:
            stamp: of what is written next.
            now_s: monotonic, seconds.
        """
        if self._disk.damage is None or now_s < self._replaced_s + REPLACE_S:
            return False
        last_seq = stamp().first_seq - 1
        self.hold(last_seq, stamp().written_s)
        if not self._disk.replace(last_seq, stamp().operating_s):
            return False
        self._replaced_s = now_s
        self._rows.on_open()
        records = self._rows.not_in_file()
        self.lost = self._disk.lost(self._held)
        self._held.clear()
        self._memory.insert(stamp(), [], rows=Rows(records))
        self._rows.last += len(records)
        return True
