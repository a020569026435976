"""Conditions of a monitored device, as `firmware_bridge` found them, as trouble, vitals and log lines of the edge.

Not for deciding what is wrong (`firmware_bridge.devices`). "Not measurable" keeps its own words, for it is not the same
as "no event".
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from edge.log import BurstLimitedLog
from edge.settings.link import format_device_id
from edge.sources.vitals import Trouble, Vitals
from firmware_bridge.records import Condition
from firmware_bridge.report import DeviceReport, StreamReport


def trouble_of(conditions: Sequence[Condition]) -> Trouble:
    """The worst of the conditions that last, in the states of the MQTT contract."""
    if not conditions:
        return Trouble("", "")
    worst = min(conditions, key=lambda each: (each.name not in ("lost", "ended"), each.measurable))
    text = f"{worst.name} ({worst.detail})"
    if worst.name == "ended":
        return Trouble("lost", worst.detail)
    if worst.name == "lost":
        return Trouble("lost", f"device {text}")
    return Trouble("degraded", text if worst.measurable else f"not measurable: {text}")


def vitals_of(
    name: str, conditions: Sequence[Condition], device: DeviceReport | None, stream: StreamReport | None
) -> Vitals:
    """What the health report says of one stream's device.

    Args:
        name: id of the device, for people.
        conditions: those of the device and of the stream that last.
        device: None before its first packet.
        stream: None before the device has announced it.
    """
    readings = device.telemetry if device else None
    battery = readings.battery if readings else None
    return Vitals(
        device=name,
        measurable=stream is not None and all(each.measurable for each in conditions),
        conditions=tuple(each.name for each in conditions),
        rate_hz=stream.clock.rate_hz if stream else None,
        ppm=stream.clock.ppm if stream else None,
        residual_ms=stream.clock.residual_ms if stream else None,
        lost=stream.lost_share if stream else None,
        masked=stream.masked_share if stream else None,
        battery_percent=battery.percent if battery else None,
        contact=readings.contact if readings else None,
        motion_mg=readings.motion.rms_mg if readings and readings.motion else None,
        rssi_dbm=readings.rssi_dbm if readings else None,
        firmware=device.hello.firmware if device and device.hello else "",
    )


class ConditionLog:
    """Writes a line where a condition begins, changes or ends; limits those of one that flickers.

    Args:
        logger: where to write.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._limited = BurstLimitedLog(logger)

    def log_condition(self, device_id: int, stream: int, item: Condition) -> None:
        """Write that a condition began, changed or ended; `stream` is -1 for one of the whole device."""
        where = format_device_id(device_id) + ("" if stream < 0 else f" stream={stream}")
        phase = "begins" if item.active else "over"
        line = f'device={where} condition="{item.name}" {phase} detail="{item.detail}"'
        self._limited.log(f"{where} {item.name}", line)

    def log_text(self, device_id: int, text: str) -> None:
        """Write a log text that a device sent."""
        self._limited.log(
            format_device_id(device_id), f'device={format_device_id(device_id)} says="{text}"', logging.INFO
        )
