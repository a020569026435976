"""The links to microcontrollers: are the ports there and open to this user, are the keys readable?

Not for what devices send (`laennec link monitor` shows that). No port is opened: the running service may have it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.doctoring import Check, fail, ok, warn
from edge.doctoring.rights import denied
from edge.errors import ConfigError, LaennecError, SourceError

if TYPE_CHECKING:
    from edge.link_settings import Link

PLUG = "plug it in; ls -l /dev/serial/by-id shows what there is; the service goes on looking for it"


def links(settings: Link) -> list[Check]:
    """One check for each serial port, and one for keys and addresses."""
    from edge.sources.link_opening import open_receiver

    checks = [_port(item.port) for item in settings.serial]
    try:
        open_receiver(settings)
    except LaennecError as error:
        return [*checks, fail("link", str(error), "make it readable for the service, or change link.devices")]
    udp = [f"UDP on {settings.udp.bind}:{settings.udp.port}"] if settings.udp is not None else []
    ble = [f"Bluetooth {item.address}" for item in settings.ble]
    heard = ", ".join([*(f"serial {item.port}" for item in settings.serial), *udp, *ble]) or "a capture"
    return [*checks, ok("link", f"{len(settings.devices)} devices believed, over {heard}")]


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
    if closed := denied("dialout", [path]):
        return fail("serial", closed[0], closed[1])
    return ok("serial", f"{text}: is there and may be opened")
