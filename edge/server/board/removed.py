"""Beds that a person took from this board because they are gone: hidden over restarts, until they are back.

The broker keeps their last words, which are not the board's to clear: it has no right to write a node's topics, and
other boards have their own view. So a removal is one file of the board's own; whatever a bed says later ends it.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from edge.contract.topics import Address
from edge.files import StateFile
from edge.server.board.latest import Arrival

_TIMES = TypeAdapter(dict[str, float])


class RemovedBeds:
    """Beds by the keys of their tiles, each with when it was removed, seconds since 1970."""

    def __init__(self, path: Path) -> None:
        """Read the file; one that cannot be read hides nothing, and the log says so."""
        effects = "beds that were removed are shown", "beds that are removed come back with the next start"
        self._file = StateFile(path, "board removed", _TIMES.validate_json, effects)
        self._times = self._file.read() or {}

    def hides(self, key: str) -> bool:
        """Whether the tile of this key is not to be shown."""
        return key in self._times

    def add(self, address: Address, wall_s: float) -> None:
        """Hide a bed from now on."""
        self._times[str(address)] = wall_s
        self._write()

    def receive(self, address: Address, ts: float, arrival: Arrival) -> None:
        """A message of a bed, made at `ts` by its node's clock: one that is new brings it back."""
        removed_s = self._times.get(str(address))
        if removed_s is not None and (not arrival.is_stored or ts > removed_s):
            del self._times[str(address)]
            self._write()

    def _write(self) -> None:
        self._file.write(_TIMES.dump_json(self._times))
