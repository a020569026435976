"""Beds that a person took from this board because they are gone: hidden over restarts, until they are back.

The broker keeps their last words, which are not the board's to clear: it has no right to write a node's topics, and
other boards have their own view. So a removal is one file of the board's own; whatever a bed says later ends it.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from edge.contract.topics import Address
from edge.files import written_whole
from edge.server.board.latest import Arrival

MAX_BYTES = 1_000_000

logger = logging.getLogger(__name__)
_TIMES = TypeAdapter(dict[str, float])


class RemovedBeds:
    """Beds by the keys of their tiles, each with when it was removed, seconds since 1970."""

    def __init__(self, path: Path) -> None:
        """Read the file; one that cannot be read hides nothing, and the log says so."""
        self._path = path
        self._times: dict[str, float] = {}
        try:
            with path.open("rb") as file:
                self._times = _TIMES.validate_json(file.read(MAX_BYTES))
        except FileNotFoundError:
            pass
        except (OSError, ValidationError) as error:
            line = 'board removed=unread file=%s reason="%s"; beds that were removed are shown'
            logger.warning(line, path, str(error).splitlines()[0])

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
        try:
            with written_whole(self._path) as file:
                file.write(_TIMES.dump_json(self._times))
        except OSError as error:
            logger.warning('board removed=unwritten file=%s reason="%s"; make room there', self._path, error.strerror)
