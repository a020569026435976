"""From what the operator named to a source that is open. Each kind is imported only when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import ConfigError
from edge.settings.kinds import LINK, MICROPHONE

if TYPE_CHECKING:
    from edge.sources.bridge import Bridge
    from edge.sources.source import Source


def open_source(
    text: str, rate_hz: int, channel: int | None = None, pace: bool = False, bridge: Bridge | None = None
) -> Source:
    """Open what the operator named.

    Args:
        text: `mic`, `mic:DEVICE` (a number or a part of the name as `laennec devices` shows them), `link:DEVICE` or
            `link:DEVICE/STREAM`, else a path; a file that is called `mic` or `-` can be given as `./mic` or `./-`.
        rate_hz: rate of the model, Hz.
        channel: which channel of several, counted from 1; None if there is only one.
        pace: whether a file is played in real time; a microphone always is.
        bridge: reads the links; only `link:` needs it.

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
            raise ConfigError(f"{text}: needs settings with a section `link` that says how devices are connected")
        return bridge.source(text, channel)
    from edge.sources.file import FileSource

    return FileSource(text, rate_hz, channel, pace)
