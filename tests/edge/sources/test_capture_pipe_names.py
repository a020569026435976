"""Which microphone the operator means."""

from __future__ import annotations

import pytest

from edge.errors import SourceError
from edge.sources.capture_pipe import Device, choose, from_json, to_json

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
