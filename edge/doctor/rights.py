"""Whether this user may open a device, and which group would let it.

Not for whether the device works.
"""

from __future__ import annotations

import getpass
import grp
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def denied(group: str, devices: Sequence[Path]) -> tuple[str, str] | None:
    """What is wrong and what to do, if devices are there but this user may open none of them; else None.

    Args:
        group: whose members may open them.
        devices: paths of those that are there.
    """
    closed = [device for device in devices if not os.access(device, os.R_OK | os.W_OK)]
    if not closed or len(closed) < len(devices):
        return None
    user = str(os.getuid())
    with suppress(KeyError, OSError):  # a container may have a user without a name
        user = getpass.getuser()
    members: list[str] = []
    with suppress(KeyError):
        members = grp.getgrnam(group).gr_mem
    again = "log in again" if user in members else f"sudo usermod -aG {group} {user}, and log in again"
    return f"{closed[0]} may not be opened by {user}", f"{again}; the service has the group {group} by its unit"
