"""The microphone source against a real child process that misbehaves as told."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import edge.sources.microphone
from edge.errors import ConfigError, SourceError
from edge.sources.microphone import Microphone, Timeouts, list_devices
from edge.sources.source import read_source
from edge.types import Block, Gap
from tests.edge.node.test_stream_state import Time

FAKE = Path(__file__).with_name("fake_capture.py")
PATIENT = Timeouts(open_s=60.0, silent_s=60.0, retry_s=(0.01,))


def command(scenario: str, folder: Path) -> list[str]:
    """The fake program, importable from the child's folder, which is the repository."""
    start = f"import sys; sys.argv = sys.argv[1:]; sys.path.insert(0, {str(FAKE.parent)!r}); import fake_capture as f; "
    start += "from pathlib import Path; f.main(sys.argv[0], Path(sys.argv[1]), sys.argv[2:])"
    return [sys.executable, "-c", start, scenario, str(folder)]


def microphone(scenario: str, folder: Path, timeouts: Timeouts = PATIENT, device: str = "") -> Microphone:
    """A microphone on the fake program, 8 kHz on both sides."""
    return Microphone(device, 8000, timeouts=timeouts, command=command(scenario, folder))


def output_of(source: Microphone, samples: int) -> list[Block | Gap]:
    """What the source gives up to sample `samples`, then until it has stopped."""
    stop, items = threading.Event(), []
    for item in read_source(source, stop):
        items.append(item)
        if item.stop >= samples:
            stop.set()
    return items


def runs(folder: Path) -> Iterator[dict[str, object]]:
    """What the runs of the fake program noted of themselves."""
    for path in sorted(folder.glob("run*")):
        yield json.loads(path.read_text())


def gaps(items: list[Block | Gap]) -> list[Gap]:
    """The gaps among them; checks that nothing is told twice or left out."""
    for before, after in pairwise(items):
        assert after.start == before.stop
    return [item for item in items if isinstance(item, Gap)]


def test_sound_arrives_as_it_was_recorded(tmp_path: Path) -> None:
    items = output_of(microphone("steady", tmp_path), 4000)
    assert gaps(items) == []
    samples = np.concatenate([item.samples for item in items if isinstance(item, Block)])
    np.testing.assert_array_equal(samples, np.arange(4000, dtype=np.float32) / 2**20)


def test_a_reader_that_had_no_turn_for_long_takes_what_came_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, stop, items = Time(), threading.Event(), list[Block | Gap]()
    monkeypatch.setattr(edge.sources.microphone, "time", clock)
    for item in read_source(microphone("steady", tmp_path), stop):
        items.append(item)
        clock.now_s += 2 * PATIENT.silent_s
        if item.stop >= 4000:
            stop.set()
    assert gaps(items) == []
    assert items[-1].stop == 4000


def test_a_buffer_dropped_in_the_child_is_a_gap_of_its_length(tmp_path: Path) -> None:
    assert gaps(output_of(microphone("drops", tmp_path), 3600)) == [Gap(1200, 2400, "overflow")]


def test_an_overflow_of_the_system_is_a_gap_measured_by_the_clock(tmp_path: Path) -> None:
    assert gaps(output_of(microphone("overflows", tmp_path), 4800)) == [Gap(1200, 1200 + 2400, "overflow")]


@pytest.mark.parametrize(("scenario", "attempts"), [("dies", 2), ("garbage", 2), ("unplugged", 3)])
def test_a_lost_device_is_found_again_and_the_time_between_is_a_gap(
    tmp_path: Path, scenario: str, attempts: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="edge.sources.microphone"):
        items = output_of(microphone(scenario, tmp_path), 80_400)
    assert gaps(items) == [Gap(1200, 80_000, "device lost")]  # the new run began 10 s behind the old one
    assert len(list(runs(tmp_path))) == attempts
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split()[1] for line in lines] == [
        "state=lost",
        "state=back",
    ]  # once each


def test_a_child_that_hangs_is_killed_and_replaced(tmp_path: Path) -> None:
    items = output_of(microphone("hangs", tmp_path, Timeouts(open_s=60.0, silent_s=1.0, retry_s=(0.01,))), 80_400)
    assert gaps(items)[0] == Gap(1200, 80_000, "device lost")
    first, *_ = runs(tmp_path)
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(first["pid"])), 0)


def test_a_device_that_stays_away_is_a_gap_when_the_stream_is_stopped(tmp_path: Path) -> None:
    source = microphone("dies", tmp_path, Timeouts(open_s=60.0, silent_s=60.0, retry_s=(600.0,)))
    stop = threading.Event()
    reported = logging.getLogger("edge.sources.microphone")
    reported.addFilter(lambda record: stop.set() or True)  # the first line is about the loss
    try:
        items = list(read_source(source, stop))
    finally:
        reported.filters.clear()
    assert [(gap.start, gap.cause) for gap in gaps(items)] == [(1200, "device lost")]


def test_a_number_becomes_a_name_before_the_device_is_looked_for_again(tmp_path: Path) -> None:
    output_of(microphone("dies", tmp_path, device="2"), 80_400)
    first, second, *_ = (run["arguments"] for run in runs(tmp_path))
    assert first == ["--device", "2"]
    assert second == ["--device", "Fake: USB Audio (hw:1,0)", "--rate", "8000"]


def test_samples_that_are_no_numbers_are_invalid(tmp_path: Path) -> None:
    last = output_of(microphone("not a number", tmp_path), 1204)[-1]
    assert isinstance(last, Block)
    assert last.valid.tolist() == [False, False, True, False]
    assert last.samples.tolist() == [0.0, 0.0, 0.25, 0.0]


@pytest.mark.parametrize(
    ("scenario", "error", "line"),
    [
        ("needs PyAudio", ConfigError, "PyAudio is not installed"),
        ("unknown device", SourceError, "mic:Foo: no such device; there are: 0 = Bar"),
        ("no device at hello", SourceError, "opened no device"),
    ],
)
def test_what_is_wrong_at_the_start_is_said_at_the_start(
    tmp_path: Path, scenario: str, error: type[Exception], line: str
) -> None:
    with pytest.raises(error, match=line):
        microphone(scenario, tmp_path)


def test_an_audio_system_that_never_answers_is_given_up_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not answer"):
        microphone("never answers", tmp_path, Timeouts(open_s=1.0))


def test_close_from_another_thread_ends_the_stream_and_the_child(tmp_path: Path) -> None:
    source = microphone("steady", tmp_path)
    blocks = read_source(source, threading.Event())
    next(blocks)
    closer = threading.Thread(target=source.close)
    closer.start()
    for _ in blocks:
        pass
    closer.join()
    source.close()
    (run,) = runs(tmp_path)
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(run["pid"])), 0)


def test_a_program_that_cannot_be_started_is_told() -> None:
    with pytest.raises(SourceError, match="cannot be started"):
        list_devices(["/nowhere/capture"])


def test_listing_gives_up_on_an_audio_system_that_hangs(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not answer within 1 s"):
        list_devices(command("never answers", tmp_path), timeout_s=1.0)
