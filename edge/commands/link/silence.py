"""Why nothing is heard from a link, in words for the person who sets it up.

Not for a ward: there the reason is in the status of each stream. A port that is away, one that this user may not open
and a device that says nothing all look alike in the table: it is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge.doctor.rights import denied
from edge.errors import LaennecError
from firmware_bridge.links import Transport
from firmware_bridge.links.serial import find
from firmware_bridge.report import Report

PATIENCE_NS = 3_000_000_000  # so long may an open link be silent; a device that sends sound does so many times a second


@dataclass(frozen=True, slots=True)
class Silence:
    """What is to be said of links that are not heard."""

    lines: tuple[str, ...] = ()
    """How it is now, a line for each of them."""
    news: tuple[str, ...] = ()
    """What has changed since the last look."""


class Silences:
    """Looks at links again and again.

    Args:
        links: those that are read.
    """

    def __init__(self, links: Sequence[Transport]) -> None:
        """Nothing was looked at yet."""
        self._links = links
        self._open_since_ns: dict[str, int] = {}
        self._told: dict[str, tuple[bool, str]] = {}  # name -> whether it was open, and what was said of it

    def look(self, report: Report, now_ns: int, is_over: bool = False) -> Silence:
        """How the links are.

        Args:
            report: of the receiver.
            now_ns: monotonic time.
            is_over: whether this is the last look, after which no patience helps.
        """
        lines, news = [], []
        for link in self._links:
            is_open = link.state.is_open
            since_ns = self._open_since_ns.setdefault(link.name, now_ns) if is_open else now_ns
            if not is_open:
                self._open_since_ns.pop(link.name, None)
                text = _closed(link)
            else:
                text = _unheard(link, report) if is_over or now_ns - since_ns >= PATIENCE_NS else ""
            was_open, before = self._told.get(link.name, (True, ""))
            self._told[link.name] = is_open, text
            if is_open and not was_open:
                news.append(f"{link.name}: open now")
            if text and text != before:
                news.append(text)
            if text:
                lines.append(text)
        return Silence(tuple(lines), tuple(news))


def _unheard(link: Transport, report: Report) -> str:
    counts = report.links.get(link.name)
    if (counts is not None and counts.packets) or link.name.startswith("replay:"):  # its packets have their old link
        return ""
    return f"{'no whole packet' if link.state.received_bytes else 'nothing'} received yet from {link.name}"


def _closed(link: Transport) -> str:
    kind, _, address = link.name.partition(":")
    if kind != "serial":
        return f"{link.name}: {link.state.reason}"
    with suppress(LaennecError):
        path = Path(find(address))
        if path.exists() and (closed := denied("dialout", [path])):
            return "; ".join(closed)
    return link.state.reason
