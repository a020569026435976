"""What every source of sound is, whatever it reads.

Not for queues between threads and not for wall time: a source gives blocks and gaps of one stream at the model's rate,
by absolute sample index, to the thread that asks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from edge.errors import ConfigError

if TYPE_CHECKING:  # a child process imports this module and must start fast
    from edge.types import Block, Gap


class Source(Protocol):
    """One stream of sound."""

    name: str
    """What the operator calls it: a path, or `mic:DEVICE`."""

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap]:
        """Blocks and gaps at the model's rate, indices rising; to be called once.

        Args:
            stop: when set, the iteration ends within 0.2 s.

        Raises:
            SourceError: when the source fails for good; everything before it was given.
        """

    def close(self) -> None:
        """Release the file or device; may be called twice, and from another thread."""


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
