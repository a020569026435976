"""Serial ports: UART adapters and USB-CDC devices.

Not for finding out which port is which (`find`, by udev or pyserial's list, does). pyserial opens and configures the
port, exclusively, so that two programs never share its bytes; after that the descriptor is read bare. Unplugged, it is
opened again at growing intervals.
"""

from __future__ import annotations

import contextlib
import errno
import os
import termios
import time

import serial
from serial.tools import list_ports

from edge.errors import ConfigError, SourceError
from firmware_bridge.links import TransportState
from firmware_bridge.records import LinkBytes

READ_BYTES = 65536
READS = 16  # in one turn, before other links get theirs
IN_USE, AWAY = "held by another program", "not there; plug it in"
OBSTACLES = {errno.EBUSY: IN_USE, errno.EAGAIN: IN_USE, errno.ENOENT: AWAY, errno.ENODEV: AWAY, errno.ENXIO: AWAY}
FIRST_WAIT_NS, LONGEST_WAIT_NS = 250_000_000, 8_000_000_000


def find(text: str) -> str:
    """Path of a port.

    Args:
        text: a path, or `usb:VID:PID` or `usb:VID:PID:SERIAL` in hexadecimal as `lsusb` shows them.

    Raises:
        ConfigError: if it is neither.
        SourceError: if no such USB device is plugged in, or several are.
    """
    if not text.startswith("usb:"):
        return text
    parts = text.split(":")
    try:
        vendor, product = int(parts[1], 16), int(parts[2], 16)
    except (IndexError, ValueError):
        raise ConfigError(
            f"serial port {text}: expected a path or usb:VID:PID[:SERIAL], such as usb:2e8a:000a"
        ) from None
    serial_number = ":".join(parts[3:])
    ports = [
        port.device
        for port in list_ports.comports()
        if (port.vid, port.pid) == (vendor, product) and serial_number in ("", port.serial_number)
    ]
    if len(ports) != 1:
        found = f"found {', '.join(sorted(ports))}; add its serial number" if ports else "found none; is it plugged in?"
        raise SourceError(f"serial port {text}: expected one such device, {found}")
    return ports[0]


class Serial:
    """One serial port.

    Args:
        port: what `find` understands; looked for again at each reconnect.
        baud: bits per second; without meaning for USB-CDC.

    Raises:
        ConfigError: if `port` is written wrongly.
        SourceError: if another program holds the port; one that is missing is waited for.
    """

    def __init__(self, port: str, baud: int = 460_800) -> None:
        self.name = f"serial:{port}"
        self._port, self._baud = port, baud
        self._device: serial.Serial | None = None
        self._reason = ""
        self._opened = self._bytes = 0
        self._wait_ns, self._try_at_ns = FIRST_WAIT_NS, 0
        self._fresh = False  # opened, and the empty piece not yet given
        self._open()
        if self._device is None and IN_USE in self._reason:
            raise SourceError(f"{self._reason}; stop the other one")

    def fileno(self) -> int | None:
        """Descriptor of the port; None while it is away."""
        return None if self._device is None else int(self._device.fileno())

    def receive(self) -> list[LinkBytes]:
        """What has arrived, in one piece; an empty one before it if the port was opened anew."""
        pieces: list[bytes] = []
        now_ns = time.monotonic_ns()
        out = self._opening(now_ns)
        for _ in range(READS):
            number = self.fileno()
            if number is None:
                break
            try:
                piece = os.read(number, READ_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                self._close_device(f"{self._port}: unplugged ({error.strerror})")
                break
            if not piece:
                self._close_device(f"{self._port}: unplugged (end of file)")
                break
            pieces.append(piece)
            if len(piece) < READ_BYTES:
                break
        received = b"".join(pieces)
        self._bytes += len(received)
        return [*out, LinkBytes(now_ns, self.name, "", received)] if received else out

    @property
    def is_drained(self) -> bool:
        """Always: what is read now counts as having arrived now."""
        return True

    def tend(self, now_ns: int) -> list[LinkBytes]:
        """Open the port again when it is time."""
        if self._device is None and now_ns >= self._try_at_ns:
            self._open()
            self._try_at_ns = now_ns + self._wait_ns
            self._wait_ns = min(2 * self._wait_ns, LONGEST_WAIT_NS)
        return self._opening(now_ns)

    def send(self, content: bytes, peer: str = "") -> bool:
        """Write without waiting; what does not fit the port's buffer is not sent."""
        number = self.fileno()
        if number is None:
            return False
        try:
            return os.write(number, content) == len(content)
        except OSError:  # full, or unplugged; the latter is found by who reads
            return False

    @property
    def state(self) -> TransportState:
        """State of the port now."""
        return TransportState(self._device is not None, self._reason, self._opened, self._bytes, 0)

    def close(self) -> None:
        """Release the port; may be called twice."""
        self._close_device("closed")
        self._try_at_ns = 1 << 62

    def _open(self) -> None:
        try:
            device = _opened(find(self._port), self._baud)
        except serial.SerialException as error:
            self._reason = f"{self._port}: {OBSTACLES.get(error.errno or 0) or f'cannot be opened ({error})'}"
        except (OSError, termios.error) as error:
            self._reason = f"{self._port}: cannot be opened ({error.args[-1]})"
        except (SourceError, ValueError) as error:
            self._reason = str(error)
        else:
            self._device, self._reason, self._fresh = device, "", True
            self._opened += 1
            self._wait_ns = FIRST_WAIT_NS

    def _opening(self, now_ns: int) -> list[LinkBytes]:
        fresh, self._fresh = self._fresh, False
        return [LinkBytes(now_ns, self.name, "", b"")] if fresh else []

    def _close_device(self, reason: str) -> None:
        device, self._device, self._fresh = self._device, None, False
        if device is not None:
            self._reason = reason
            self._try_at_ns = time.monotonic_ns() + self._wait_ns
            with contextlib.suppress(OSError, serial.SerialException):
                device.close()


def _opened(port: str, baud: int) -> serial.Serial:
    """The port, ready to be read bare; `termios.error`, which is no OSError, where it is unplugged meanwhile."""
    device = serial.Serial(port, baud, timeout=0, write_timeout=0, exclusive=True)
    try:
        _make_empty_read_an_error(device.fileno())
    except (OSError, termios.error):
        device.close()
        raise
    return device


def _make_empty_read_an_error(number: int) -> None:
    """Make a read of nothing an error: with the VMIN of 0 that pyserial sets it is empty, as of an unplugged port."""
    os.set_blocking(number, False)
    attributes = termios.tcgetattr(number)
    attributes[6][termios.VMIN] = 1
    termios.tcsetattr(number, termios.TCSANOW, attributes)
