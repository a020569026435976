"""Labels on the disk: there when it is said so, the last one counts, a torn line takes no other with it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edge.contract.topics import Address
from edge.errors import ConfigError
from edge.server.board.labels import EventFacts, Label, Labels
from tests.edge.full_disk import small_disk

BED = Address("ward-b", "box-1", "bed1")


def label(event: str = "e1", by: str = "nurse K", verdict: str = "false", sound: str = "") -> Label:
    facts = EventFacts(event, "wheeze", 1000.0, 1.5, 0.9, 0.6, "")
    return Label(facts, BED, verdict, sound, by, 2000.0)  # type: ignore[arg-type]


def test_a_label_is_there_after_a_restart_and_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "state" / "labels.jsonl"
    labels = Labels(path)
    for each in (label(), label("e2"), label(by="Dr. L", verdict="other", sound="stridor")):
        labels.add(each)
    again = Labels(path)
    assert [(each.event.id, each.by) for each in again.all()] == [("e1", "Dr. L"), ("e2", "nurse K")]
    assert again.of("e1") == label(by="Dr. L", verdict="other", sound="stridor")
    assert len(path.read_text().splitlines()) == 3, "what was said before stays"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_label_is_synced_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, synced = Labels(tmp_path / "labels.jsonl"), []
    monkeypatch.setattr("edge.files.os.fsync", lambda handle: synced.append(labels.of("e1")))
    labels.add(label())
    assert synced == [None, None], "the file, then its folder, and only then it is known"
    assert labels.of("e1") == label()


def test_a_torn_line_is_counted_and_takes_no_other_with_it(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    Labels(path).add(label())
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    torn = Labels(path)
    torn.add(label("e2"))
    again = Labels(path)
    assert [each.event.id for each in again.all()] == ["e1", "e2"]
    assert (torn.damaged, again.damaged) == (1, 1)


def test_a_full_disk_keeps_no_label_and_the_next_one_is_whole(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        labels = Labels(disk.path / "labels.jsonl")
        labels.add(label())
        disk.fill()
        several = (label(f"full{number}", by="x" * 40) for number in range(100))  # its last block takes some
        with pytest.raises(OSError, match="No space"):
            list(map(labels.add, several))
        stored = {each.event.id for each in labels.all()}
        disk.free()
        labels.add(label("e2"))
        assert {each.event.id for each in Labels(disk.path / "labels.jsonl").all()} == stored | {"e2"}


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    with pytest.raises(ConfigError) as refused:
        Labels(tmp_path / "labels")
    assert str(refused.value) == f"labels: cannot read {tmp_path / 'labels'}: Is a directory; give another file"
