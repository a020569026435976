"""Watching links without a detector: a live table, a capture file, a replay.

Not for a ward: nothing is published and no model is loaded. One thread, the caller's.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.commands.link_table import LinkChecker, LinkWarnings
from edge.errors import SourceError
from edge.sources.link_opening import limits_of
from firmware_bridge.capture import Reader, Writer
from firmware_bridge.links import Transport, serve
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import LinkBytes
from firmware_bridge.report import Report

SECOND_NS = 1_000_000_000
Show = Callable[[Report, int, LinkWarnings], None]


@dataclass(frozen=True)
class WatchOptions:
    """How long to watch, and whether to record."""

    seconds: float | None = None
    """None: until it is stopped."""
    capture: Path | None = None
    """File to record to; None: nothing is recorded."""


class LinkWatch:
    """Reads links, and shows what they carry every second.

    Args:
        links: open; closed at the end, and when this is refused.
        receiver: makes devices of their bytes.
        options: how long, and whether to write a capture.
        show: called every second and at the end, with a report, the monotonic time in ns and the warnings about links.

    Raises:
        SourceError: the capture cannot be written.
    """

    def __init__(self, links: Sequence[Transport], receiver: Receiver, options: WatchOptions, show: Show) -> None:
        self._links, self._receiver, self._options, self._show = links, receiver, options, show
        self._checker, self._last = LinkChecker(links), LinkWarnings()
        self._by_name = {link.name: link for link in links}
        try:
            self._writer = Writer(options.capture) if options.capture is not None else None
        except SourceError:
            for link in links:
                link.close()
            raise
        self._due_ns = time.monotonic_ns()
        self._end_ns = None if options.seconds is None else self._due_ns + round(options.seconds * SECOND_NS)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set or the time is over.

        Raises:
            SourceError: the capture is full, or the disk is.
        """
        try:
            asyncio.run(serve(self._links, self._on_pieces, self._tick, lambda: self._is_over(stop)))
            if self._writer is not None:
                self._writer.end(time.monotonic_ns())
        except OSError as error:
            raise SourceError(
                f"{self._options.capture}: cannot be written ({error.strerror}); free space there"
            ) from error
        finally:
            if self._writer is not None:
                self._writer.close()
        self._receiver.flush()
        self._show(self._receiver.report(), time.monotonic_ns(), self._last)
        if self._writer is not None and self._writer.dropped:
            lost = f"{self._writer.dropped} pieces were not recorded"
            raise SourceError(f"{self._options.capture}: full; {lost}; start another file sooner")

    def _on_pieces(self, pieces: Sequence[LinkBytes]) -> None:
        for piece in pieces:
            if self._writer is not None:
                self._writer.write(piece)
            self._receiver.feed(piece)

    def _tick(self, now_ns: int) -> None:
        self._receiver.tick(now_ns)
        for order in self._receiver.outgoing(now_ns):
            if (link := self._by_name.get(order.link)) is not None:
                link.send(order.content, order.peer)
        if now_ns >= self._due_ns:
            self._due_ns += SECOND_NS
            report = self._receiver.report()
            self._show(report, now_ns, self._checker.check(report, now_ns))

    def _is_over(self, stop: threading.Event) -> bool:
        now_ns = time.monotonic_ns()
        if not stop.is_set() and (self._end_ns is None or now_ns < self._end_ns):
            return False
        self._last = self._checker.check(self._receiver.report(), now_ns, is_over=True)  # before the links are closed
        return True


def replay(path: Path, allowed: frozenset[int] | None, stop: threading.Event) -> tuple[Report, int, float]:
    """Feed a capture to the receiver that devices have, as fast as it goes and always with the same result.

    Args:
        path: a file of `watch`.
        allowed: device ids; None for all.
        stop: ends it early.

    Returns:
        The report at the end, and its time: on the clock of the capture in ns, and in seconds since 1970.

    Raises:
        SourceError: it cannot be read, or is damaged.
    """
    reader, receiver = Reader(path), Receiver(Settings(allowed, limits=limits_of(None)))
    now_ns = 0
    try:
        for piece in reader.pieces():
            now_ns = max(now_ns, piece.arrival_ns)
            receiver.feed(piece)
            if stop.is_set():
                break
    finally:
        reader.close()
    receiver.tick(now_ns)  # a device that fell silent before the end is lost
    receiver.flush()
    return receiver.report(), now_ns, (now_ns + reader.wall_offset_ns) / 1e9
