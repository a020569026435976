"""Capture files: what went in comes out, byte for byte; damage is told, a missing tail is not damage."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import SourceError
from firmware_bridge import capture
from firmware_bridge.capture import Reader, Writer
from firmware_bridge.links.replay import Replay
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import LinkBytes
from tests.firmware_bridge.sounding import SERIAL, UDP, feed, hello, sound

PIECES = [
    LinkBytes(5, SERIAL, "", b"\0abc"),
    LinkBytes(7, UDP, "10.0.0.7:9", b""),
    LinkBytes(7, UDP, "10.0.0.8:9", bytes(999)),
]


def written(path: Path, pieces: list[LinkBytes]) -> Path:
    writer = Writer(path)
    for piece in pieces:
        writer.write(piece)
    assert path.stat().st_size <= writer.size
    writer.close()
    assert path.stat().st_size == writer.size
    return path


def read(path: Path) -> list[LinkBytes]:
    reader = Reader(path)
    try:
        return list(reader.pieces())
    finally:
        reader.close()


NAMES = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.builds(LinkBytes, st.integers(0, 2**63 - 1), NAMES, NAMES, st.binary(max_size=300))))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, pieces: list[LinkBytes]) -> None:
    assert read(written(tmp_path_factory.mktemp("capture") / "a.cap", pieces)) == pieces


def test_a_tail_that_was_cut_off_anywhere_ends_the_file(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.cap", PIECES).read_bytes()
    for size in range(capture.HEAD.size, len(whole)):
        (tmp_path / "b.cap").write_bytes(whole[:size])
        found = read(tmp_path / "b.cap")
        assert found == PIECES[: len(found)]
        assert len(found) < len(PIECES)


def test_what_is_no_capture_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"RIFF" + bytes(100))
    with pytest.raises(SourceError, match="no capture of a link; `laennec link record` makes one"):
        Reader(tmp_path / "x.wav")
    with pytest.raises(SourceError, match="cannot be read"):
        Reader(tmp_path / "missing.cap")


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.cap").write_bytes(capture.HEAD.pack(capture.MAGIC, 2, 0, 0))
    with pytest.raises(SourceError, match="version 2, expected 1"):
        Reader(tmp_path / "a.cap")


@pytest.mark.parametrize(
    "record",
    [
        capture.RECORD.pack(9, 0, 0, 0),
        capture.RECORD.pack(capture.BYTES, 3, 0, 1) + b"x",
        capture.RECORD.pack(capture.BYTES, 0, 0, 1 << 31),
    ],
)
def test_a_record_that_cannot_be_one_is_told_after_what_came_before(tmp_path: Path, record: bytes) -> None:
    path = written(tmp_path / "a.cap", PIECES[:1])
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + record)
    with closing(Reader(path)) as reader:
        pieces = reader.pieces()
        assert next(pieces) == PIECES[0]
        with pytest.raises(SourceError, match=f"damaged at byte {size}"):
            next(pieces)


def test_a_file_stays_under_its_limit_and_counts_what_it_left_out(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.cap", limit=1000)
    for k in range(20):
        writer.write(LinkBytes(k, SERIAL, "", bytes(100)))
    writer.close()
    size = (tmp_path / "a.cap").stat().st_size
    assert size == writer.size <= 1000
    assert len(read(tmp_path / "a.cap")) + writer.dropped == 20
    assert writer.dropped > 10


def test_an_older_capture_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.cap").write_bytes(b"precious")
    with pytest.raises(SourceError, match="exists already"):
        Writer(tmp_path / "a.cap")
    assert (tmp_path / "a.cap").read_bytes() == b"precious"


@pytest.mark.parametrize("speed", [0.0, 1000.0])
def test_a_replay_gives_the_same_blocks_bit_for_bit(tmp_path: Path, speed: float) -> None:
    pieces = [hello(), *(sound(k) for k in range(300) if k % 7)]
    receiver = Receiver(Settings())
    live = feed(receiver, pieces) + receiver.flush()
    replay = Replay(written(tmp_path / "a.cap", pieces), speed)
    again, now_ns = Receiver(Settings()), 0
    received = []
    while not replay.is_over:
        received += feed(again, replay.tend(now_ns))
        now_ns += 1_000_000
    assert repr(received + again.flush()) == repr(live)
    assert replay.state.reason == "end of the capture"


def test_a_replay_in_real_time_gives_each_piece_when_it_is_due(tmp_path: Path) -> None:
    replay = Replay(written(tmp_path / "a.cap", [LinkBytes(k * 10**9, UDP, "", b"x") for k in (50, 51, 53)]))
    assert [len(replay.tend(now)) for now in (0, 999_999_999, 10**9, 2 * 10**9, 3 * 10**9)] == [1, 0, 1, 0, 1]
    assert replay.is_over


def test_a_damaged_capture_ends_the_replay_and_says_why(tmp_path: Path) -> None:
    path = written(tmp_path / "a.cap", PIECES)
    path.write_bytes(path.read_bytes() + capture.RECORD.pack(9, 0, 0, 0))
    replay = Replay(path, 0.0)
    assert replay.tend(0) == PIECES
    assert "damaged" in replay.state.reason
    assert not replay.state.is_open
