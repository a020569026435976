"""What a node hears with: microphones and files, and how loud it is.

Not for links to microcontrollers (`links`). A microphone that the running service has is only looked for, not opened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from packaging.version import Version

from edge.doctor import Check, fail, ok, warn
from edge.doctor.rights import denied
from edge.errors import ConfigError, LaennecError, SourceError
from edge.settings.kinds import MICROPHONE
from edge.sources.opening import open_source
from edge.types import Block, Gap

if TYPE_CHECKING:
    from edge.settings.config import Stream

SOUND_CARDS = Path("/dev/snd")
LISTEN_S = 2.0
FAINTEST_DB = (
    -75.0
)  # rms re full scale; real chest recordings have -54 to -35, see also `edge.node.stream.UNPLUGGED_DB`
CLIPPED = 0.99  # of full scale
FIRST_PYAUDIO = Version("0.2.12")  # its C code before lacks PY_SSIZE_T_CLEAN: Python 3.10 refuses the first buffer


def source(stream: Stream, rate_hz: int, is_running: bool, listen: bool) -> Check:
    """Whether the source of one stream opens, and if wanted how loud it is.

    Args:
        stream: its settings.
        rate_hz: rate of the model, Hz.
        is_running: whether the service runs, and so has its microphones open.
        listen: whether to hear `LISTEN_S` of a microphone.
    """
    name = f"source {stream.id}"
    is_microphone = stream.source.partition(":")[0] == MICROPHONE
    if is_microphone and (closed := denied("audio", [*SOUND_CARDS.glob("pcm*c")])):
        return fail(name, f"{stream.source}: {closed[0]}", closed[1])
    if is_microphone and (found := outdated_pyaudio()):
        return fail(name, found, "pip install 'pyaudio>=0.2.14' (deploy/README.md, The box)")
    if is_microphone and is_running:
        return _looked_for(name, stream)
    try:
        with closing(open_source(stream.source, rate_hz, stream.channel)) as opened:
            if is_microphone and listen:
                return _heard(name, stream.source, opened.blocks, rate_hz)
            return ok(name, f"{stream.source}: opens")
    except SourceError as error:
        if is_microphone:
            advice = "plug it in and try again; laennec devices lists what there is; the service goes on looking for it"
            return warn(name, str(error), advice)
        return fail(name, str(error), f"change streams ({stream.id}).source")
    except LaennecError as error:
        return fail(name, str(error), f"change the stream {stream.id} in the configuration")


def outdated_pyaudio() -> str:
    """What is wrong with the PyAudio that is installed; empty if nothing is, or if there is none."""
    with suppress(metadata.PackageNotFoundError):
        version = metadata.version("pyaudio")
        if Version(version) < FIRST_PYAUDIO:
            return f"PyAudio {version} is there; before {FIRST_PYAUDIO} it gives no sound with Python 3.10 or newer"
    return ""


def _looked_for(name: str, stream: Stream) -> Check:
    from edge.sources.devices import choose
    from edge.sources.microphone import list_devices

    try:
        found = choose(list_devices(), stream.source.partition(":")[2])
    except ConfigError as error:
        return fail(name, str(error), "install it, then try again")
    except SourceError:
        return ok(
            name, f"{stream.source}: not tried, for the running service may have it; see  systemctl status laennec"
        )
    return ok(name, f"{stream.source}: {found.name} is there; the running service may have it open")


def level(name: str, what: str, samples: NDArray[np.float32], rate_hz: int) -> Check:
    """What a few seconds of sound say about a microphone.

    Args:
        name: of the check.
        what: the source, as the operator calls it.
        samples: (N,) what was heard, full scale = 1.0.
        rate_hz: its rate, Hz.
    """
    if len(samples) < rate_hz / 2:
        return warn(name, f"{what}: opens, but gives no sound", "is it muted, or used by another program? alsamixer -c")
    rms_db = 10 * float(np.log10(max(float(np.mean(np.square(samples, dtype=np.float64))), 1e-30)))
    peak_db = 20 * float(np.log10(max(float(np.max(np.abs(samples))), 1e-15)))
    clipped = float(np.mean(np.abs(samples) >= CLIPPED))
    found = f"{what}: {rms_db:.0f} dBFS rms, peak {peak_db:.0f} dBFS in {len(samples) / rate_hz:.1f} s"
    if rms_db < FAINTEST_DB:
        return warn(name, f"{found}: almost nothing", "check the plug and the mute switch; raise the gain: alsamixer")
    if clipped > 1e-3:
        return warn(name, f"{found}: {100 * clipped:.1f} % clipped", "lower the gain: alsamixer")
    return ok(name, found)


def _heard(name: str, what: str, blocks: Callable[[threading.Event], Iterator[Block | Gap]], rate_hz: int) -> Check:
    stop, samples = threading.Event(), np.zeros(0, np.float32)
    timer = threading.Timer(2 * LISTEN_S, stop.set)  # for a device that opens and then gives nothing
    timer.start()
    for item in blocks(stop):
        if isinstance(item, Block) and not stop.is_set():
            samples = np.concatenate([samples, item.samples])
            if len(samples) >= LISTEN_S * rate_hz:
                stop.set()
    timer.cancel()
    return level(name, what, samples, rate_hz)
