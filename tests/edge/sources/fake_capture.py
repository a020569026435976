"""A capture program without a sound card: it speaks the same protocol and misbehaves as it is told.

    python fake_capture.py SCENARIO FOLDER [arguments of the real one]

Times are told, not lived: buffer k ends 0.05 s * (k + 1) after a moment that all runs share. The folder counts the
runs.
"""

from __future__ import annotations

import json
import os
import sys
import time
from array import array
from pathlib import Path

from edge.sources.capture_pipe import Device, Kind, Record, to_json

RATE_HZ, BUFFER = 8000, 400  # 0.05 s
MOMENT_NS = 5_000_000_000
NAME = "Fake: USB Audio (hw:1,0)"


def publish(record: Record) -> None:
    """Into the pipe."""
    os.write(1, record.to_bytes())


def hello() -> None:
    """The device is open."""
    publish(Record(Kind.HELLO, to_json([Device(2, NAME, 1, RATE_HZ, True)])))


def sound(first: int, buffers: int, after_s: float = 0.0, overflow: bool = False) -> None:
    """Buffers from sample `first` of this run on, as if the run had begun `after_s` behind the shared moment."""
    records = []
    for at in range(first, first + buffers * BUFFER, BUFFER):
        samples = array("f", [(at + k) / 2**20 for k in range(BUFFER)])
        time_ns = MOMENT_NS + round(after_s * 1e9) + (at + BUFFER) * 10**9 // RATE_HZ
        records.append(Record(Kind.AUDIO, samples.tobytes(), at, time_ns, overflow and at == first).to_bytes())
    os.write(1, b"".join(records))  # at once: nothing lies between them, however rarely this process has its turn


def wait() -> None:
    """Live on until killed, or until nobody listens."""
    while True:
        time.sleep(0.05)
        publish(Record(Kind.HEARTBEAT))


def main(scenario: str, folder: Path, arguments: list[str]) -> None:
    """Play one run of a scenario."""
    run = len(list(folder.glob("run*"))) + 1
    (folder / f"run{run}").write_text(json.dumps({"pid": os.getpid(), "arguments": arguments}))
    if scenario == "needs PyAudio":
        publish(Record(Kind.CONFIG_ERROR, b"PyAudio is not installed"))
    elif scenario == "unknown device":
        publish(Record(Kind.SOURCE_ERROR, b"mic:Foo: no such device; there are: 0 = Bar"))
    elif scenario == "never answers":
        time.sleep(1000)
    elif scenario == "no device at hello":
        publish(Record(Kind.HELLO, b"[]"))
    else:
        hello()
        if run == 1:
            sound(0, 3)
        first_run_then(scenario, run)


def first_run_then(scenario: str, run: int) -> None:
    """What follows the first three buffers, and what later runs do."""
    if scenario == "steady":
        sound(3 * BUFFER, 7)
    elif scenario == "drops":
        sound(6 * BUFFER, 3)
    elif scenario == "overflows":
        sound(3 * BUFFER, 3, after_s=0.3, overflow=True)
    elif scenario == "not a number":
        publish(
            Record(Kind.AUDIO, array("f", [float("nan"), float("inf"), 0.25, 1e30]).tobytes(), 3 * BUFFER, MOMENT_NS)
        )
    elif run == 1:
        if scenario == "hangs":
            time.sleep(1000)
        elif scenario == "garbage":
            os.write(1, b"Expression 'ret' failed in 'pa_linux_alsa.c'")
        elif scenario == "unplugged":
            publish(Record(Kind.SOURCE_ERROR, b"gives no sound any more"))
        return
    elif run == 2 and scenario == "unplugged":
        publish(Record(Kind.SOURCE_ERROR, b"no such device"))
        return
    else:
        sound(0, 4, after_s=10.0)
    wait()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
