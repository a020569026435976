"""What every source of sound is, whatever it reads.

Not for queues between threads and not for wall time: a source gives blocks and gaps of one stream at the model's rate,
by absolute sample index, to the thread that asks. It does not wait: where nothing has come yet it gives a `Wait`, so
that one thread can read many.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from edge.errors import ConfigError

if TYPE_CHECKING:  # a child process imports this module and must start fast
    from edge.types import Block, Gap


class Wait(NamedTuple):
    """Nothing has come yet; the reader may read others meanwhile."""

    seconds: float
    """After which it is worth to ask again."""


class Source(Protocol):
    """One stream of sound."""

    name: str
    """What the operator calls it: a path, or `mic:DEVICE`."""

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        """Blocks and gaps at the model's rate, indices rising; to be called once. A file that is not paced never waits.

        Args:
            stop: when set, the iteration ends soon.

        Raises:
            SourceError: when the source fails for good; everything before it was given.
        """

    def close(self) -> None:
        """Release the file or device; may be called twice, and from another thread."""


def read_source(source: Source, stop: threading.Event) -> Iterator[Block | Gap]:
    """What one source gives, for whoever reads no other: waits where nothing has come yet.

    Args:
        source: read to its end.
        stop: ends it early.

    Raises:
        SourceError: as the source.
    """
    for item in source.blocks(stop):
        if isinstance(item, Wait):
            stop.wait(item.seconds)
        else:
            yield item


def check_channel(channel: int | None, available: int, what: str) -> int:
    """Position of the chosen channel.

    Args:
        channel: counted from 1; None if the operator chose none.
        available: channels there are.
        what: name of the file or device, for the message.

    Returns:
        The position, counted from 0.

    Raises:
        ConfigError: if there are several and none was chosen, or the chosen one does not exist.
    """
    if channel is None and available > 1:
        raise ConfigError(f"{what}: has {available} channels; choose one with --channel 1 to {available}")
    chosen = 1 if channel is None else channel
    if not 1 <= chosen <= available:
        allowed = "it has only channel 1" if available == 1 else f"channels are counted from 1 to {available}"
        raise ConfigError(f"{what}: no channel {channel}; {allowed}")
    return chosen - 1
