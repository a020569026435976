"""`laennec devices`: the microphones of this machine."""

from __future__ import annotations


def devices() -> None:
    """List the microphones that `--source mic:DEVICE` can take."""
    from edge.sources.microphone import list_devices

    found = list_devices()
    for device in found:
        print(device)
    if not found:
        print("no microphone found")
