"""The table of `laennec link monitor`, a line for each stream of each device, and why nothing is received.

For a person who sets links up, not for a ward: there the reason is in the status of each stream and its health
(`edge.node.service`). A number that is not known is `-`, not zero. A port that is away, one that this user may not open
and a device that says nothing all look alike in the table, so the reason is given in words.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from edge.commands.doctor.box import denied
from edge.errors import LaennecError
from edge.settings.link import format_device_id
from firmware_bridge.links import Transport
from firmware_bridge.links.serial import find
from firmware_bridge.records import Condition
from firmware_bridge.report import DeviceReport, Report, StreamReport

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


HEAD = (
    f"{'device':<10} {'stream':>6} {'declared Hz':>11} {'measured Hz':>11} {'ppm':>7} {'packets lost %':>14} "
    f"{'audio lost %':>12} {'audio masked %':>14} {'batt %':>6} {'contact':>7} {'idle s':>6}  link, conditions"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One stream of one device; None where a number is not known."""

    device: str
    stream: int | None
    """None for a device that has not yet announced its streams."""
    declared_hz: float | None
    """Sampling rate that the device announces."""
    measured_hz: float | None
    """By this machine's clock; None until it is known well enough."""
    ppm: float | None
    """Deviation of the measured from the declared rate, parts per million."""
    loss: float | None
    """Share of all packets that did not arrive, 0 to 1, since the start."""
    lost: float | None
    """Share of the sound of the last 10 s that was lost, 0 to 1."""
    masked: float | None
    """Share of the sound of the last 10 s that is not used, lost or not (clipping, no contact), 0 to 1."""
    battery_percent: int | None
    """Charge, 0 to 100."""
    contact: int | None
    """Contact with the skin, 0 (none) to 254 (full)."""
    seen_s: float
    """Since the last packet, seconds."""
    link: str
    """Name of the link, and the sender's address where it has one."""
    firmware: str
    """Version that the device names; empty if it named none."""
    conditions: tuple[str, ...]
    """What is wrong with the device or stream now."""
    details: tuple[str, ...]
    """The reading behind each condition."""


def rows(report: Report, now_ns: int) -> list[Row]:
    """One for each stream, and one for each device without any.

    Args:
        report: of the receiver.
        now_ns: monotonic time.
    """
    out = []
    for device in report.devices:
        out += [_row(device, stream, now_ns) for stream in device.streams or (None,)]
    return out


def as_line(row: Row, wall_s: float) -> str:
    """A row as one line of JSON."""
    return json.dumps({"ts": round(wall_s, 3), **asdict(row)}, allow_nan=False)


def as_text(row: Row) -> str:
    """A row for a person, under `HEAD`."""
    contact = None if row.contact is None else f"{row.contact}/254"
    conditions = (f"{name} ({detail})" for name, detail in zip(row.conditions, row.details, strict=True))
    tail = ", ".join((row.link, *conditions))
    return (
        f"{row.device:<10} {_shown(row.stream, 6)} {_shown(row.declared_hz, 11, 1)} {_shown(row.measured_hz, 11, 1)} "
        f"{_shown(row.ppm, 7, 1)} {_percent(row.loss, 14)} {_percent(row.lost, 12)} "
        f"{_percent(row.masked, 14)} "
        f"{_shown(row.battery_percent, 6)} {_shown(contact, 7)} {_shown(row.seen_s, 6, 1)}  {tail}"
    )


def refusals(report: Report) -> str:
    """Packets that were dropped and why, in one line; empty if there were none."""
    parts = [
        f"{format_device_id(device)} is not listed: {count} packets" for device, count in sorted(report.refused.items())
    ]
    for name, counts in report.links.items():
        bad = {
            "not COBS": counts.cobs_errors,
            "damaged": counts.crc_errors,
            "too short or long": counts.length_errors,
            "of another version": counts.unknown_versions,
            "malformed": counts.malformed,
            "not authenticated": counts.not_authenticated,
        }
        parts += [f"{name}: {count} {what}" for what, count in bad.items() if count]
    return "; ".join(parts)


def table(report: Report, now_ns: int) -> str:
    """Heading and a line for each row, if there is any; and what was refused."""
    lines = [as_text(row) for row in rows(report, now_ns)]
    return "\n".join(filter(None, [HEAD if lines else "", *lines, refusals(report)]))


def now_line(report: Report, now_ns: int, is_json: bool) -> list[str]:
    """What is printed each second where the output is no terminal; refusals are not part of the JSON."""
    wall_s = time.time()
    lines = [as_line(row, wall_s) if is_json else as_text(row) for row in rows(report, now_ns)]
    refused = "" if is_json else refusals(report)
    return [*lines, refused] if refused else lines


def _row(device: DeviceReport, stream: StreamReport | None, now_ns: int) -> Row:
    readings = device.telemetry
    battery = readings.battery if readings else None
    clock = stream.clock if stream and stream.clock.is_sure else None
    conditions: tuple[Condition, ...] = (*device.conditions, *(stream.conditions if stream else ()))
    return Row(
        device=format_device_id(device.device_id),
        stream=stream.info.stream if stream else None,
        declared_hz=stream.info.rate_mhz / 1000 if stream else None,
        measured_hz=round(clock.rate_hz, 3) if clock else None,
        ppm=round(clock.ppm, 1) if clock else None,
        loss=round(stream.loss, 5) if stream else None,
        lost=round(stream.lost_share, 5) if stream else None,
        masked=round(stream.masked_share, 5) if stream else None,
        battery_percent=battery.percent if battery else None,
        contact=readings.contact if readings else None,
        seen_s=round(max(0, now_ns - device.received_ns) / 1e9, 2),
        link=f"{device.link} {device.peer}".strip(),
        firmware=device.hello.firmware if device.hello else "",
        conditions=tuple(each.name if each.measurable else f"not measurable: {each.name}" for each in conditions),
        details=tuple(each.detail for each in conditions),
    )


def _shown(value: float | str | None, width: int, digits: int = 0) -> str:
    if value is None:
        return f"{'-':>{width}}"
    return f"{value:>{width}.{digits}f}" if isinstance(value, float) else f"{value:>{width}}"


def _percent(share: float | None, width: int) -> str:
    return _shown(None if share is None else 100 * share, width, 2)
