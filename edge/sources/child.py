"""The capture child as its parent sees it: start it, read its records, end it.

Not for what to do when it fails (`microphone`). Invariants: nothing here waits longer than it was told to; a child that
was started is ended by `end`, or by the closed pipe if this process dies first.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from edge.errors import SourceError, WireError
from edge.sources.pipe import Reader, Record

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
