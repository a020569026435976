"""A fingerprint of this machine, so that two boxes with one name can be distinguished.

Not an address of anything and not a secret: eight hexadecimal digits of a hash. Boxes that were flashed from one image
have the same host name and often the same /etc/machine-id, but not the same serial number or network hardware: those
are hashed where the kernel shows them. Only the warning that two boxes have one name depends on it.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

SERIAL = "sys/firmware/devicetree/base/serial-number"  # Raspberry Pi, Jetson
NETWORK = "sys/class/net"
MACHINE_ID = "etc/machine-id"  # what is left in a container


def box_fingerprint(root: Path = Path("/")) -> str:
    """Eight hexadecimal digits, the same at each start.

    Args:
        root: root of the file system.
    """
    traits = [_read(root / SERIAL)]
    if not any(traits):  # a serial number stays when a network adapter is plugged in
        traits = sorted(_read(card / "address") for card in _cards(root / NETWORK))
    if not any(traits):
        traits = [_read(root / MACHINE_ID)]
    return hashlib.sha256("\n".join(traits).encode()).hexdigest()[:8]


def _cards(folder: Path) -> list[Path]:
    """Network cards that are hardware; their addresses are their makers'."""
    with suppress(OSError):
        return [card for card in folder.iterdir() if (card / "device").exists()]
    return []


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace").strip("\0\n ")
    return ""
