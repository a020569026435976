"""The links to microcontrollers: whether the service can open each of them and read the keys.

Not for what devices send (`laennec link monitor` shows that). No port is opened: the running service may have it.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.doctor import Check, fail, ok, warn
from edge.doctor.rights import denied
from edge.errors import ConfigError, LaennecError, SourceError

if TYPE_CHECKING:
    from edge.settings.link import LinkSettings

INSTALL = f"{sys.executable} -m pip install bleak, with the Python of the service (firmware_bridge/README.md)"
PLUG = "plug it in; ls -l /dev/serial/by-id shows what there is; the service goes on looking for it"


def links(settings: LinkSettings) -> list[Check]:
    """One check for each serial port, for the UDP address, for Bluetooth, for the capture, and for the keys."""
    from edge.sources.link_opening import open_receiver

    checks = [_port(item.port) for item in settings.serial]
    if settings.udp is not None:
        checks.append(_address(str(settings.udp.bind)))
    if settings.ble:
        checks.append(_bluetooth(", ".join(item.address for item in settings.ble)))
    if settings.capture is not None:
        checks.append(_capture(settings.capture))
    try:
        open_receiver(settings)
    except LaennecError as error:
        return [*checks, fail("link", str(error), "make it readable for the service, or change link.devices")]
    return [*checks, ok("link", f"{len(settings.devices)} devices listed; every key file can be read")]


def _port(text: str) -> Check:
    from firmware_bridge.links.serial import find

    try:
        path = Path(find(text))
    except SourceError as error:
        return warn("serial", str(error), PLUG)
    except ConfigError as error:
        return fail("serial", str(error), "change link.serial")
    if not path.exists():
        return warn("serial", f"{text}: not there", PLUG)
    if not path.is_char_device():
        what = "folder" if path.is_dir() else "file"
        return fail("serial", f"{text}: is a {what} and no serial port", "change link.serial")
    if closed := denied("dialout", [path]):
        return fail("serial", closed[0], closed[1])
    return ok("serial", f"{text}: is there and may be opened")


def _address(host: str) -> Check:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tried:
        try:
            tried.bind((host, 0))  # any free port: the running service may have its own
        except OSError as error:
            return fail(
                "udp",
                f"{host}: cannot be bound ({error.strerror}); the service does not start",
                "give link.udp.bind an address of this machine, of the interface that devices are on: ip address",
            )
    return ok("udp", f"{host}: is an address of this machine")


def _capture(path: Path) -> Check:
    from firmware_bridge.links.replay import Replay

    try:
        Replay(path).close()
    except SourceError as error:
        return fail("capture", f"{error}; the service does not start", "change link.capture")
    return ok("capture", f"{path}: is a capture and can be read")


def _bluetooth(wearables: str) -> Check:
    if importlib.util.find_spec("bleak") is None:
        return fail("bluetooth", f"{wearables}: bleak is not installed; the service does not start", INSTALL)
    return ok("bluetooth", f"{wearables}: bleak is installed; nothing was connected")
