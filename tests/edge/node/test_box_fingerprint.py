"""The mark of a machine: two clones of one image differ, one machine does not change."""

from __future__ import annotations

import re
from pathlib import Path

from edge.node.health import box_fingerprint


def machine(root: Path, serial: str = "", address: str = "", machine_id: str = "one image") -> Path:
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "machine-id").write_text(machine_id)
    if serial:
        (root / "sys/firmware/devicetree/base").mkdir(parents=True)
        (root / "sys/firmware/devicetree/base" / "serial-number").write_text(serial + "\0")
    for card, text in (("eth0", address), ("docker0", "02:42:00:00:00:01")):
        (root / "sys" / "class" / "net" / card).mkdir(parents=True)
        (root / "sys" / "class" / "net" / card / "address").write_text(text)
    if address:
        (root / "sys" / "class" / "net" / "eth0" / "device").mkdir()
    return root


def test_boxes_of_one_image_differ_by_serial_number_or_network_card(tmp_path: Path) -> None:
    boards = [machine(tmp_path / f"board{number}", serial=f"100{number}", address="aa") for number in (1, 2)]
    cards = [machine(tmp_path / f"card{number}", address=f"02:00:00:00:00:0{number}") for number in (1, 2)]
    assert len({box_fingerprint(root) for root in boards + cards}) == 4


def test_a_serial_number_is_enough_whatever_is_plugged_in(tmp_path: Path) -> None:
    before, after = (machine(tmp_path / name, serial="1001", address=name) for name in ("before", "after"))
    assert box_fingerprint(before) == box_fingerprint(after)


def test_a_machine_that_tells_nothing_has_a_mark_all_the_same(tmp_path: Path) -> None:
    assert re.fullmatch("[0-9a-f]{8}", box_fingerprint(tmp_path / "nothing"))
    assert box_fingerprint(machine(tmp_path / "a")) != box_fingerprint(machine(tmp_path / "b", machine_id="other"))
    assert box_fingerprint() == box_fingerprint()
