"""Why nothing is received from a link, in words for the person who sets it up.

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

SILENT_AFTER_NS = (
    3_000_000_000  # an open link without data for so long is reported; a device sends many packets a second
)


@dataclass(frozen=True, slots=True)
class LinkWarnings:
    """Which links give no packets, and why."""

    current: tuple[str, ...] = ()
    """One line for each link that gives none now."""
    new: tuple[str, ...] = ()
    """Lines that were not in the check before, and links that have opened since then."""


class LinkChecker:
    """Checks the same links again and again, and reports what has changed.

    Args:
        links: those that are read.
    """

    def __init__(self, links: Sequence[Transport]) -> None:
        self._links = links
        self._open_since_ns: dict[str, int] = {}
        self._reported: dict[str, tuple[bool, str]] = {}  # name -> whether it was open, and the line about it

    def check(self, report: Report, now_ns: int, is_over: bool = False) -> LinkWarnings:
        """State of all links.

        Args:
            report: of the receiver.
            now_ns: monotonic time.
            is_over: whether this is the last check; a link without data is then reported at once.
        """
        current, new = [], []
        for link in self._links:
            is_open = link.state.is_open
            since_ns = self._open_since_ns.setdefault(link.name, now_ns) if is_open else now_ns
            if not is_open:
                self._open_since_ns.pop(link.name, None)
                text = _closed(link)
            else:
                text = _why_silent(link, report) if is_over or now_ns - since_ns >= SILENT_AFTER_NS else ""
            was_open, before = self._reported.get(link.name, (True, ""))
            self._reported[link.name] = is_open, text
            if is_open and not was_open:
                new.append(f"{link.name}: open now")
            if text and text != before:
                new.append(text)
            if text:
                current.append(text)
        return LinkWarnings(tuple(current), tuple(new))


def _why_silent(link: Transport, report: Report) -> str:
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
