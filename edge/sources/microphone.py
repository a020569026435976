"""A microphone as a source: PortAudio in a child process that is started again until the device is back.

Not for opening devices (`edge.sources.capture`) and not for checking that the sound makes sense (a dead sensor gives
silence). Nothing here waits longer than its caller allows; a child that was started is ended by `end`, or by the closed
pipe if this process dies first.

Sample indices go on over every loss: behind a gap they continue by the monotonic clock, from the last sample before it,
so that an hour of outage is an hour of samples but for the 50 ms that buffers wander; drift of the device's clock never
adds up. A loss has one of two causes: `overflow` (this machine was too busy; known to the sample if the child dropped
it, else by the clock) and `device lost` (unplugged, hung, or the child died). The gap comes when sound is back, or at
the end.
"""

from __future__ import annotations

import logging
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import ConfigError, LaennecError, SourceError, WireError
from edge.sources.capture_pipe import Device, Kind, Reader, Record, from_json
from edge.sources.resample import RateAdapter
from edge.sources.source import LOUDEST, Wait
from edge.types import Block, Gap

COMMAND = (sys.executable, "-m", "edge.sources.capture")
ROOT = Path(__file__).resolve().parents[2]
READ_BYTES = 1 << 16  # what a pipe holds


class Child:
    """One run of the capture program.

    Args:
        command: the program and its arguments.

    Raises:
        SourceError: if it cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._mutex = threading.Lock()  # between `read` and `end`
        self._reader = Reader()
        self._pipe, far_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=far_end,
                stderr=subprocess.DEVNULL,  # ALSA and JACK fill it with what is of no use to the operator
                start_new_session=True,
                cwd=ROOT,  # where `-m` looks first
            )
        except OSError as error:
            os.close(self._pipe)
            raise SourceError(f"{command[0]}: cannot be started ({error.strerror})") from error
        finally:
            os.close(far_end)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe, selectors.EVENT_READ)
        self._ended = False

    def read(self, timeout_s: float) -> list[Record]:
        """Records that have come, after waiting for at most `timeout_s` seconds.

        Raises:
            SourceError: if the child has ended, or sends what is no record.
        """
        try:
            self._reader.push(b"")  # raises if garbage stood behind the last records
            with self._mutex:
                if not self._ended and not self._selector.select(timeout_s):
                    return []
                received = b"" if self._ended else os.read(self._pipe, READ_BYTES)
            if not received:
                raise SourceError("the capture process ended")
            return self._reader.push(received)
        except WireError as error:
            raise SourceError(f"the capture process sent garbage ({error})") from error

    def end(self) -> None:
        """Kill it and release its resources; may be called twice, and from another thread."""
        self._process.kill()
        with self._mutex:
            if self._ended:
                return
            self._ended = True
            self._selector.close()
            os.close(self._pipe)
        self._process.wait()


POLL_S = 0.1  # how often a device that is not there is looked at
READ_S = 0.02  # how often the pipe is looked at; a buffer holds 50 ms
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for a device, and between attempts to find it again."""

    open_s: float = 10.0
    """For the child to find and open it, seconds."""
    silent_s: float = 3.0
    """Without a buffer before it counts as lost, seconds."""
    retry_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
    """Between attempts to find it again, seconds; the last one for ever after."""
    remind_s: float = 60.0
    """Between log lines while it is lost, seconds."""


class Microphone:
    """One channel of one microphone, for as long as it takes.

    Args:
        device: number, name or part of the name; empty for the default.
        rate_hz: rate of the model, Hz.
        channel: which channel, counted from 1; None for a mono recording.
        timeouts: None for the defaults.
        command: the capture program.

    Raises:
        ConfigError: if PyAudio is not installed or the channel does not exist.
        SourceError: if there is no such device, or it does not open.
    """

    def __init__(
        self,
        device: str,
        rate_hz: int,
        channel: int | None = None,
        timeouts: Timeouts | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Open the device; sound waits in the child until `blocks` asks for it."""
        self.name = f"mic:{device}" if device else "mic"
        self._timeouts = timeouts or Timeouts()
        self._closed = threading.Event()
        self._unread: list[Record] = []  # records that came right behind the first one
        start = [*command, *(["--channel", str(channel)] if channel is not None else [])]
        self._child = Child([*start, "--device", device])
        try:
            found = self._await_hello()
        except BaseException:
            self._child.end()
            raise
        again = found.name if device.isdecimal() else device  # a number may mean another device tomorrow
        self._command = [*start, "--device", again, "--rate", str(found.rate_hz)]
        self._rate_hz = found.rate_hz
        self._adapter = RateAdapter(found.rate_hz, rate_hz)
        self._stop = 0  # index one past the last sample
        self._stop_ns: int | None = None  # when that was, on the monotonic clock
        self._offset: int | None = None  # index of the child's sample 0; None until it gave one
        self._lost_s = self._logged_s = 0.0  # when it was lost and when that was last logged, on the monotonic clock

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        """Sound until `stop` is set, see `edge.sources.source.Source`; a lost device is retried and does not end it."""
        try:
            yield from self._blocks(stop)
        finally:
            self._child.end()
            self._adapter.reset()

    def _blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        attempts = 0
        while not self._ended(stop):
            try:
                if attempts:
                    yield from self._start_again(stop, attempts)
                for record in self._records(stop):
                    if isinstance(record, Wait):
                        yield record
                        continue
                    attempts = 0
                    yield from self._on_record(record)
            except LaennecError as error:
                self._child.end()
                self._log_loss(error, first=not attempts)
                attempts += 1
        if attempts and self._stop_ns is not None:
            lost = round((time.monotonic_ns() - self._stop_ns) * self._rate_hz / 1e9)
            yield from self._adapter.push(Gap(self._stop, self._stop + lost, "device lost"))
        yield from self._adapter.flush()

    def close(self) -> None:
        """Release the device; `blocks` ends soon after, in its own thread."""
        self._closed.set()
        self._child.end()

    def _ended(self, stop: threading.Event) -> bool:
        return stop.is_set() or self._closed.is_set()

    def _await_hello(self) -> Device:
        """The device that the child has opened.

        Raises:
            ConfigError: the child reports a mistake of the operator.
            SourceError: the child reports a fault, or nothing within the time.
        """
        until_s = time.monotonic() + self._timeouts.open_s
        while time.monotonic() < until_s:
            records = self._child.read(POLL_S)
            for at, record in enumerate(records, start=1):
                _raise_if_error(record)
                if record.kind == Kind.HELLO:
                    self._unread = records[at:]
                    return _hello(record)
        raise SourceError(f"{self.name}: the audio system does not answer; is the device used by another program?")

    def _start_again(self, stop: threading.Event, attempts: int) -> Iterator[Wait]:
        """Wait, then start another child; the time between attempts grows."""
        waits_s = self._timeouts.retry_s
        until_s = time.monotonic() + waits_s[min(attempts, len(waits_s)) - 1]
        while not self._ended(stop) and time.monotonic() < until_s:
            yield Wait(POLL_S)
        if not self._ended(stop):
            self._child = Child(self._command)
            self._offset = None

    def _log_loss(self, error: LaennecError, first: bool) -> None:
        """One line when the device is lost, then one a minute."""
        now_s = time.monotonic()
        if first:
            self._lost_s = now_s
        if first or now_s - self._logged_s >= self._timeouts.remind_s:
            self._logged_s = now_s
            logger.warning(
                "source=%s state=lost lost_s=%.0f action=retrying reason=%s", self.name, now_s - self._lost_s, error
            )

    def _records(self, stop: threading.Event) -> Iterator[Record | Wait]:
        """Buffers of sound, until `stop` is set.

        Raises:
            LaennecError: if the device is lost.
        """
        since_s = time.monotonic()
        wait_s = self._timeouts.silent_s if self._offset is not None else self._timeouts.open_s
        while not self._ended(stop):
            now_s = time.monotonic()  # before the look: what came while this thread had no turn is no silence
            records, self._unread = self._unread or self._child.read(0.0), []
            for record in records:
                _raise_if_error(record)
                if record.kind == Kind.AUDIO and record.payload:
                    yield record
                    since_s, wait_s = time.monotonic(), self._timeouts.silent_s
            if now_s - since_s > wait_s:
                raise SourceError(f"no sound for {wait_s:g} s")
            if not records:
                yield Wait(READ_S)

    def _on_record(self, record: Record) -> list[Block | Gap]:
        """Place one buffer on the stream's indices."""
        samples = np.frombuffer(record.payload, "<f4").astype(np.float32)
        cause = "overflow" if record.overflow or self._offset is not None else "device lost"
        if self._offset is None or record.overflow:  # only the clock knows how many samples are missing
            missing = 0
            if self._stop_ns is not None:
                began_ns = record.time_ns - round(len(samples) * 1e9 / self._rate_hz)
                missing = max(0, round((began_ns - self._stop_ns) * self._rate_hz / 1e9))
            if self._offset is None and missing:
                logger.info("source=%s state=back lost_s=%.2f", self.name, missing / self._rate_hz)
            self._offset = self._stop + missing - record.first
        start = max(self._stop, self._offset + record.first)
        gap = self._adapter.push(Gap(self._stop, start, cause)) if start > self._stop else []
        valid = np.abs(samples) <= LOUDEST  # false for NaN
        block = Block(start, np.where(valid, samples, np.float32(0.0)), valid)
        self._stop, self._stop_ns = block.stop, record.time_ns
        return gap + self._adapter.push(block)


def list_devices(command: Sequence[str] = COMMAND, timeout_s: float = 15.0) -> list[Device]:
    """The microphones that there are now.

    Args:
        command: the capture program.
        timeout_s: how long it may take, seconds.

    Returns:
        One for each device with an input, in PortAudio's order.

    Raises:
        ConfigError: if PyAudio is not installed.
        SourceError: if the audio system does not answer.
    """
    child = Child([*command, "--list"])
    until_s = time.monotonic() + timeout_s
    try:
        while time.monotonic() < until_s:
            for record in child.read(POLL_S):
                _raise_if_error(record)
                if record.kind == Kind.DEVICES:
                    return _devices(record)
    finally:
        child.end()
    raise SourceError(f"the audio system does not answer within {timeout_s:g} s")


def _hello(record: Record) -> Device:
    devices = _devices(record)
    if len(devices) != 1 or devices[0].rate_hz <= 0:
        raise SourceError(f"the capture process opened no device: {record.payload[:100]!r}")
    return devices[0]


def _devices(record: Record) -> list[Device]:
    try:
        return from_json(record.payload)
    except ValueError as error:
        raise SourceError(f"the capture process sent garbage ({error})") from error


def _raise_if_error(record: Record) -> None:
    line = record.payload.decode(errors="replace")
    if record.kind == Kind.CONFIG_ERROR:
        raise ConfigError(line)
    if record.kind == Kind.SOURCE_ERROR:
        raise SourceError(line)
