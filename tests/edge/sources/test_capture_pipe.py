"""Records of the capture child, cut anywhere, and which microphone the operator means."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import SourceError, WireError
from edge.sources.capture_pipe import HEADER, Device, Kind, Reader, Record, choose, from_json, to_json

RECORDS = st.builds(
    Record,
    kind=st.sampled_from([kind for kind in Kind if kind != Kind.AUDIO]),
    payload=st.binary(max_size=50),
    first=st.integers(-(2**63), 2**63 - 1),
    time_ns=st.integers(0, 2**63 - 1),
    overflow=st.booleans(),
)


@given(st.lists(RECORDS, max_size=5), st.lists(st.integers(0, 400), max_size=8))
def test_records_survive_any_cut(records: list[Record], cuts: list[int]) -> None:
    sent = b"".join(record.to_bytes() for record in records)
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    reader = Reader()
    found = [r for a, b in pairwise(edges) for r in reader.push(sent[a:b])]
    assert found == records


@pytest.mark.parametrize(
    "garbage",
    [
        b"ALSA lib pcm.c:2664:(snd_pcm_open_noupdate) Unknown PCM",
        HEADER.pack(b"LAE1", 99, 0, 0, 0, 0),
        HEADER.pack(b"LAE1", Kind.AUDIO, 0, 1 << 30, 0, 0),
        HEADER.pack(b"LAE1", Kind.AUDIO, 0, 3, 0, 0),
        HEADER.pack(b"LAE2", Kind.HEARTBEAT, 0, 0, 0, 0),
    ],
)
def test_what_is_no_record_is_refused_behind_good_ones_too(garbage: bytes) -> None:
    reader = Reader()
    assert reader.push(Record(Kind.HEARTBEAT).to_bytes() + garbage) == [Record(Kind.HEARTBEAT)]
    with pytest.raises(WireError, match="expected a record, found"):
        reader.push(b"")


BUILT_IN = Device(0, "HDA Intel: ALC257 (hw:0,0)", 2, 48000)
STETHOSCOPE = Device(3, "Steth Pro: USB Audio (hw:1,0)", 1, 8000, default=True)
HEADSET = Device(4, "Headset: USB Audio (hw:2,0)", 1, 16000)
ALL = [BUILT_IN, STETHOSCOPE, HEADSET]


@pytest.mark.parametrize(
    ("required", "meant"),
    [
        ("", STETHOSCOPE),
        ("0", BUILT_IN),
        ("4", HEADSET),
        ("steth pro", STETHOSCOPE),
        ("Steth Pro: USB Audio (hw:1,0)", STETHOSCOPE),
        ("Steth Pro: USB Audio (hw:7,0)", STETHOSCOPE),  # the name it had before it was plugged in again
        ("hw:2", HEADSET),
    ],
)
def test_a_device_is_found_by_number_name_or_part_of_it(required: str, meant: Device) -> None:
    assert choose(ALL, required) is meant


def test_without_a_default_the_first_one_is_taken() -> None:
    assert choose([HEADSET, BUILT_IN], "") is HEADSET


@pytest.mark.parametrize(
    ("devices", "required", "line"),
    [
        (ALL, "Foo", r"mic:Foo: no such device; there are: 0 = HDA Intel: ALC257 \(hw:0,0\), 3 = Steth"),
        (ALL, "usb", r"mic:usb: fits 2 devices; choose one of: 3 = Steth Pro: USB Audio \(hw:1,0\), 4 = Headset"),
        ([], "", "mic: this machine has no microphone; plug one in"),
    ],
)
def test_a_name_that_fits_no_single_device_lists_what_there_is(devices: list[Device], required: str, line: str) -> None:
    with pytest.raises(SourceError, match=line):
        choose(devices, required)


def test_the_list_for_the_operator_shows_what_to_type() -> None:
    assert str(STETHOSCOPE) == "mic:3  Steth Pro: USB Audio (hw:1,0)  1 channel, 8000 Hz  (default)"
    assert str(BUILT_IN) == "mic:0  HDA Intel: ALC257 (hw:0,0)  2 channels, 48000 Hz"


def test_devices_survive_the_pipe() -> None:
    assert from_json(to_json(ALL)) == ALL
    for garbage in (b"", b"null", b"[1]", b'[{"name": "x"}]', b"\xff"):
        with pytest.raises(ValueError, match="no list of devices"):
            from_json(garbage)
