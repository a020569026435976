"""Checks of microphones, files and links: whether each opens, and whether the model knows what comes from it.

Not for what devices send (`laennec link monitor`). The running service may have a port or a microphone: no port is
opened, only its rights and keys are looked at, and a microphone that is open is looked for in the list of devices.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from packaging.version import Version

from edge.commands.doctor import Check, fail, ok, warn
from edge.commands.doctor.box import denied
from edge.detector.sound_check import SoundCheck
from edge.errors import ConfigError, LaennecError, SourceError
from edge.model.adaptation import load_adaptation
from edge.model.releases.signature import check_signed
from edge.settings.names import MICROPHONE
from edge.settings.node import Models
from edge.sources.opening import open_source
from edge.sources.source import read_source
from edge.types import Block, Gap

if TYPE_CHECKING:
    from edge.model.adaptation import Adaptation
    from edge.model.model import Model
    from edge.settings.link import LinkSettings
    from edge.settings.node import Config, Stream

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


SOUND_CARDS = Path("/dev/snd")
RECORD_S = 10.0  # as long as a recording that the model was trained on
FAINTEST_DB = -75.0  # rms re full scale; chest recordings have -54 to -35; `edge.node.stream_status.UNPLUGGED_DB`
CLIPPED = 0.99  # of full scale
FIRST_PYAUDIO = Version("0.2.12")  # its C code before lacks PY_SSIZE_T_CLEAN: Python 3.10 refuses the first buffer


def source(stream: Stream, model: Model, is_running: bool, listen: bool) -> Check:
    """Whether the source of one stream opens, and if asked for what a microphone hears.

    Args:
        stream: its settings.
        model: what will score it.
        is_running: whether the service runs, and so may have the microphone open.
        listen: whether to record `RECORD_S` from a microphone.
    """
    name = f"source {stream.id}"
    is_microphone = stream.source.partition(":")[0] == MICROPHONE
    if is_microphone and (closed := denied("audio", [*SOUND_CARDS.glob("pcm*c")])):
        return fail(name, f"{stream.source}: {closed[0]}", closed[1])
    if is_microphone and (found := outdated_pyaudio()):
        return fail(name, found, f"{sys.executable} -m pip install 'pyaudio>=0.2.14' (deploy/README.md, The box)")
    if is_microphone and is_running:
        return _find_device(name, stream)
    try:
        with closing(open_source(stream.source, model.rate_hz, stream.channel)) as opened:
            if is_microphone and listen:
                adaptation = None if stream.adaptation is None else load_adaptation(stream.adaptation, model)
                return judged(
                    name, stream.source, _record(partial(read_source, opened), model.rate_hz), model, adaptation
                )
            return ok(name, f"{stream.source}: opens")
    except SourceError as error:
        if is_microphone:
            advice = "plug it in and try again; laennec devices lists what there is; the service goes on looking for it"
            return warn(name, str(error), advice)
        return fail(name, str(error), f"change streams ({stream.id}).source")
    except LaennecError as error:
        return fail(name, str(error), f"change the stream {stream.id} in the configuration")


def listening(config: Config) -> Check:
    """Say which beds people may listen to live, or why none."""
    beds = [stream.id for stream in config.streams if config.may_listen(stream)]
    if not beds:
        return ok(
            "listen",
            "nobody may listen to a bed live; `listen: true` at beds whose patient agreed (SAFETY.md) lets them",
        )
    return ok("listen", f"people may listen live to {', '.join(beds)}: their patients agreed? (SAFETY.md)")


def adapted(stream: Stream, model: Model, models: Models) -> Check:
    """Whether the adaptation that a stream names is whole, of this model, and signed where the settings ask for it."""
    assert stream.adaptation is not None
    name = f"adaptation {stream.id}"
    try:
        found = whole_adaptation(stream.adaptation, model, models)
    except LaennecError as error:
        return fail(name, str(error), f"the service does not start; change streams ({stream.id}).adaptation")
    return ok(name, found.lines()[0].removeprefix("adaptation: "))


def whole_adaptation(path: Path, model: Model, models: Models) -> Adaptation:
    """An adaptation that a node may use.

    Raises:
        LaennecError: it is not signed where the settings ask for it, damaged, or of another model.
    """
    check_signed(models, [path])
    return load_adaptation(path, model)


def outdated_pyaudio() -> str:
    """Why the installed PyAudio is too old; empty if it is not, or if there is none."""
    with suppress(metadata.PackageNotFoundError):
        version = metadata.version("pyaudio")
        if Version(version) < FIRST_PYAUDIO:
            return f"PyAudio {version} is installed; below {FIRST_PYAUDIO} it records nothing with Python 3.10 or newer"
    return ""


def _find_device(name: str, stream: Stream) -> Check:
    from edge.sources.capture_pipe import choose
    from edge.sources.microphone import list_devices

    try:
        found = choose(list_devices(), stream.source.partition(":")[2])
    except ConfigError as error:
        return fail(name, str(error), "install it, then try again")
    except SourceError:
        return ok(name, f"{stream.source}: not opened, the running service may use it; see  systemctl status laennec")
    return ok(name, f"{stream.source}: {found.name} is there; not opened, the running service may use it")


def level(name: str, what: str, samples: NDArray[np.float32], rate_hz: int) -> Check:
    """Judge a microphone by the level of a few seconds of its sound.

    Args:
        name: of the check.
        what: the source, as the operator calls it.
        samples: (N,) what was recorded, full scale = 1.0.
        rate_hz: its rate, Hz.
    """
    if len(samples) < rate_hz / 2:
        return warn(
            name, f"{what}: opens, but records nothing", "is it muted, or used by another program? alsamixer -c"
        )
    rms_db = 10 * float(np.log10(max(float(np.mean(np.square(samples, dtype=np.float64))), 1e-30)))
    peak_db = 20 * float(np.log10(max(float(np.max(np.abs(samples))), 1e-15)))
    clipped = float(np.mean(np.abs(samples) >= CLIPPED))
    found = f"{what}: {rms_db:.0f} dBFS rms, peak {peak_db:.0f} dBFS in {len(samples) / rate_hz:.1f} s"
    if rms_db < FAINTEST_DB:
        return warn(name, f"{found}: almost nothing", "check the plug and the mute switch; raise the gain: alsamixer")
    if clipped > 1e-3:
        return warn(name, f"{found}: {100 * clipped:.1f} % clipped", "lower the gain: alsamixer")
    return ok(name, found)


def judged(
    name: str, what: str, samples: NDArray[np.float32], model: Model, adaptation: Adaptation | None = None
) -> Check:
    """Judge a microphone by its level, and by whether the model knows such sound.

    Args:
        name: of the check.
        what: the source, as the operator calls it.
        samples: (N,) what was recorded, full scale = 1.0.
        model: what will score it.
        adaptation: of the device.
    """
    check = level(name, what, samples, model.rate_hz)
    if check.verdict != "ok":
        return check
    verdict = SoundCheck.of(model, samples, adaptation)
    if verdict.verified is False:
        advice = (
            "listen again with the stethoscope on a chest; if it stays so, the model does not know this stethoscope: "
            "laennec adapt"
        )
        return warn(name, f"{check.found}; {verdict.reason}", advice)
    return check if verdict.verified is None else ok(name, f"{check.found}, as the model knows it")


def _record(blocks: Callable[[threading.Event], Iterator[Block | Gap]], rate_hz: int) -> NDArray[np.float32]:
    """(N,) the first `RECORD_S` seconds."""
    stop, samples = threading.Event(), np.zeros(0, np.float32)
    timer = threading.Timer(RECORD_S + 2.0, stop.set)  # for a device that opens and then sends nothing
    timer.start()
    for item in blocks(stop):
        if isinstance(item, Block) and not stop.is_set():
            samples = np.concatenate([samples, item.samples])
            if len(samples) >= RECORD_S * rate_hz:
                stop.set()
    timer.cancel()
    return samples
