"""The section `link` of the settings: which devices may send sound, and over which links it is received.

Not for opening anything (`edge.sources.bridge`) and not for secrets: a device's key is named by the file that holds it.
Packets of a device that is not listed are counted and dropped.

    link:
      devices:
        - {id: 0x1a2b3c4d, name: chest-left, key_file: /etc/laennec/keys/chest-left}
      serial:
        - {port: /dev/ttyACM0}
      udp: {bind: 192.168.7.1, port: 7355}
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from edge.errors import ConfigError
from edge.settings.names import LINK
from edge.settings.section import PathBeside, Section

PREFIX = f"{LINK}:"  # of a source
DEVICE_ID = re.compile(r"0[xX][0-9a-fA-F]{1,8}")
NAME_PATTERN = r"^[a-z][a-z0-9-]{0,31}$"
BLE_PATTERN = r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$"
PATTERNS = {
    NAME_PATTERN: "a name; use a letter of a-z, then up to 31 of a-z, 0-9 and '-'",
    BLE_PATTERN: "a Bluetooth address such as C0:FF:EE:12:34:56",
}


def _device_id(value: object) -> object:
    """A device id as a number; text must begin with 0x, for 12345678 could be decimal or hexadecimal."""
    if isinstance(value, str):
        if not DEVICE_ID.fullmatch(value):
            raise ValueError("write the id as the device shows it, in hexadecimal such as 0x1a2b3c4d")
        return int(value, 16)
    if isinstance(value, bool):
        raise ValueError("write the id as the device shows it, in hexadecimal such as 0x1a2b3c4d")
    return value


class LinkDevice(Section):
    """One device whose packets are accepted."""

    id: Annotated[int, BeforeValidator(_device_id), Field(ge=1, le=0xFFFFFFFF)]
    """The number that it puts into every packet."""
    name: Annotated[str, Field(pattern=NAME_PATTERN)] | None = None
    """What it is called in `source: link:NAME`; else `link:0x1a2b3c4d`."""
    key_file: PathBeside | None = None
    """File with its secret key in hexadecimal; with it, packets that are not authenticated by it are refused."""


class SerialPort(Section):
    """One serial port."""

    port: Annotated[str, Field(min_length=1)]
    """A path such as /dev/ttyACM0, or `usb:VID:PID` or `usb:VID:PID:SERIAL` as `lsusb` shows them."""
    baud: Annotated[int, Field(ge=1200, le=12_000_000)] = 460_800
    """Bits per second; USB-CDC ignores it."""


class Udp(Section):
    """The UDP socket on which devices' datagrams are received."""

    bind: IPv4Address = IPv4Address("127.0.0.1")
    """Address of the one interface that devices are on."""
    port: Annotated[int, Field(ge=1, le=65535)] = 7355

    @field_validator("bind")
    @classmethod
    def _is_one_interface(cls, value: IPv4Address) -> IPv4Address:
        if value.is_unspecified:
            raise ValueError("would listen on every interface; give the address of the one that the devices are on")
        return value


class Ble(Section):
    """One wearable over Bluetooth Low Energy; bond it first (firmware_bridge/README.md)."""

    address: Annotated[str, Field(pattern=BLE_PATTERN)]
    notify: Literal["start", "acquire"] = "start"
    """How BlueZ hands over notifications: over D-Bus, or a socket (`AcquireNotify`)."""


class LinkSettings(Section):
    """How microcontrollers are connected, and which of them are accepted."""

    devices: tuple[LinkDevice, ...] = ()
    """The allow-list: packets of any other device are dropped."""
    serial: tuple[SerialPort, ...] = ()
    udp: Udp | None = None
    ble: tuple[Ble, ...] = ()
    capture: PathBeside | None = None
    """A file of `laennec link record`, replayed at its pace as if its devices sent now."""
    rate_error: Literal["resample", "refuse"] = "resample"
    """What to do with a device whose clock is more than 500 ppm off its declared rate; beyond 5 % it is refused."""

    @field_validator("udp", mode="before")
    @classmethod
    def _udp_may_be_empty(cls, value: object) -> object:
        return {} if value is None else value

    @model_validator(mode="after")
    def _is_whole(self) -> LinkSettings:
        if not (self.serial or self.udp or self.ble or self.capture):
            raise ValueError("devices without a link; add serial, udp or ble")
        for what in ("id", "name"):
            known = [value for device in self.devices if (value := getattr(device, what)) is not None]
            twice = next((value for index, value in enumerate(known) if value in known[:index]), None)
            if twice is not None:
                raise ValueError(f"two devices have the {what} {format_device_id(twice) if what == 'id' else twice}")
        return self

    def stream_key(self, source: str) -> tuple[int, int]:
        """Device id and stream that a source names.

        Args:
            source: `link:DEVICE` or `link:DEVICE/STREAM`, DEVICE a name or an id in hexadecimal, STREAM 0 to 15.

        Raises:
            ConfigError: if it is not in the list.
        """
        text, _, stream = source.removeprefix(PREFIX).partition("/")
        if not re.fullmatch(r"\d|1[0-5]|", stream):
            raise ConfigError(f"{source}: {stream!r} is no stream; they are numbered from 0 to 15")
        number = int(text, 16) if DEVICE_ID.fullmatch(text) else None
        for device in self.devices:
            if number == device.id or text == device.name:
                return device.id, int(stream or 0)
        known = ", ".join(device.name or format_device_id(device.id) for device in self.devices) or "none"
        raise ConfigError(f"{source}: no device {text!r} in link.devices; there are {known}")


def format_device_id(device_id: int) -> str:
    """A device id as people see it, such as `0x1a2b3c4d`."""
    return f"0x{device_id:08x}"


def mistakes_of_streams(link: LinkSettings | None, sources: Sequence[str]) -> list[str]:
    """What is wrong with streams of devices that the section does not list, each with what to add.

    Args:
        link: the section, or None.
        sources: what the streams name, in order.
    """
    mistakes = []
    for index, text in enumerate(sources):
        if not text.startswith(PREFIX):
            continue
        try:
            if link is None:
                raise ConfigError(f"{text} needs a section `link` that says how devices are connected")
            link.stream_key(text)
        except ConfigError as error:
            mistakes.append(f"streams[{index}].source: {error}")
    return mistakes
