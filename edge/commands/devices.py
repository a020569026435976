"""`laennec devices`: the microphones of this machine."""

from __future__ import annotations

ADVICE = """no microphone found
-> plug one in; `arecord -l` (apt install alsa-utils) shows what the system itself sees
-> if it sees one that is missing here: this user must be in the group audio, and no other program may hold it
-> a stethoscope with a microcontroller is no microphone: laennec link monitor --serial PORT"""


def devices() -> None:
    """List the microphones that `--source mic:DEVICE` can take."""
    from edge.sources.microphone import list_devices

    found = list_devices()
    for device in found:
        print(device)
    if not found:
        print(ADVICE)
