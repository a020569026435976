"""Where blocks come from: files and microphones; synthetic sound for tests, demo and training.

Not for queues between threads and not for wall time: a source gives blocks and gaps of one stream at the model's rate,
by absolute sample index, to the thread that asks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from edge.errors import ConfigError

if TYPE_CHECKING:  # a child process imports this package and must start fast
    from edge.sources.bridge import Bridge
    from edge.types import Block, Gap

MICROPHONE = "mic"
LINK = "link"
LIVE = (MICROPHONE, LINK)  # kinds that come in real time, whatever the settings say


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
        """Give the file or device free; may be called twice, and from another thread."""


def open_source(
    text: str, rate_hz: int, channel: int | None = None, pace: bool = False, bridge: Bridge | None = None
) -> Source:
    """Open what the operator named.

    Args:
        text: `mic`, `mic:DEVICE` (a number or a part of the name as `laennec devices` shows them), `link:DEVICE` or
            `link:DEVICE/STREAM`, else a path; a file that is called `mic` can be given as `./mic`.
        rate_hz: rate of the model, Hz.
        channel: which channel of several, counted from 1; None if there is only one.
        pace: whether a file is played in real time; a microphone always is.
        bridge: reads the links; needed for `link:` alone.

    Returns:
        A source that is open: what can be known to be wrong has been raised.

    Raises:
        ConfigError: the operator must choose otherwise (channel, missing extra).
        SourceError: the file or device is missing, or gives no sound.
    """
    kind, _, device = text.partition(":")
    if kind == MICROPHONE:
        from edge.sources.microphone import Microphone

        return Microphone(device, rate_hz, channel)
    if kind == LINK:
        if bridge is None:
            raise ConfigError(f"{text}: needs a configuration with a section `link` that says where devices are heard")
        return bridge.source(text, channel)
    from edge.sources.file import FileSource

    return FileSource(text, rate_hz, channel, pace)


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
