"""What people said on the board, as recordings: the reader of a user's own folder really reads what is exported."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from edge.contract.topics import Address
from edge.delivery.messages import ulid
from edge.errors import ConfigError
from edge.server.board.clips import ClipIndex
from edge.server.board.labels import LEFT_OUT, TABLE, EventFacts, Exported, Label, export_labels
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.board_clips import a_clip, hearing, put
from training.datasets import read_folder
from training.datasets.targets import COLUMNS
from training.detector.truth import LabelSpec, Timeline

FRAME_S = 0.032
BED = Address("ward-b", "box-1", "bed1")


def answered(event: str, sound: str, label: str = "wheeze") -> Label:
    verdict = "false" if not sound else "true" if sound == label else "other"
    return Label(EventFacts(event, label, made.WALL_S, 2.0, 0.9, 0.6, ""), BED, verdict, sound, "nurse K", 1.0)  # type: ignore[arg-type]  # one of three


def exported(folder: Path, labels: list[Label], out: Path) -> Exported:
    index = ClipIndex(folder)
    index.refresh()
    return export_labels(labels, folder, index.clips, out)


def test_the_reader_reads_labels_with_their_times_and_the_rest_of_the_clip_is_unknown(tmp_path: Path) -> None:
    events = [ulid(made.WALL_S + number) for number in range(3)]
    for number, event in enumerate(events):
        put(tmp_path / "clips", a_clip(event, made.WALL_S + number, is_over=number != 2), hearing(f"bed{number}"))
    labels = [answered(event, sound) for event, sound in zip(events, ("wheeze", "", "fine_crackle"), strict=True)]
    made_of = exported(tmp_path / "clips", labels, tmp_path / "out")
    assert (made_of.labels, made_of.clips, made_of.left_out) == (3, 3, ())
    recordings = read_folder(tmp_path / "out")
    found = [(r.patient, r.record_label, [(e.start_s, e.end_s, e.labels) for e in r.events]) for r in recordings]
    assert found == [
        ("out-ward-b-box-1-bed0", "", [(3.0, 5.0, ("wheeze",))]),
        ("out-ward-b-box-1-bed1", "", [(3.0, 5.0, ())]),
        ("out-ward-b-box-1-bed2", "", [(3.0, 8.0, ("fine_crackle",))]),
    ]
    truth = Timeline(recordings[1], LabelSpec(), 8.0).truth(0.0, 250, FRAME_S)
    sure = truth.weights[:, [COLUMNS.continuous, COLUMNS.discontinuous]].all(axis=1)
    assert np.flatnonzero(sure).tolist() == list(range(93, 157)), "frames that lie in 3 to 5 s, in part or whole"
    assert not truth.targets[sure][:, [COLUMNS.continuous, COLUMNS.discontinuous]].any(), "known to be silent there"


def test_labels_without_a_clip_are_listed_with_why(tmp_path: Path) -> None:
    stored, odd = ulid(made.WALL_S), ulid(made.WALL_S + 1)
    put(tmp_path / "clips", a_clip(stored))
    put(tmp_path / "clips", a_clip(odd, made.WALL_S + 1, label="rub"))
    labels = [answered(stored, "wheeze"), answered("gone", ""), answered(odd, "rub", "rub")]
    made_of = exported(tmp_path / "clips", labels, tmp_path / "out")
    assert [(label.event.id, why) for label, why in made_of.left_out] == [
        ("gone", "its clip is not there"),
        (odd, "'rub' is no class of a training"),
    ]
    rows = list(csv.DictReader((tmp_path / "out" / LEFT_OUT).read_text().splitlines()))
    assert [(row["event"], row["by"]) for row in rows] == [("gone", "nurse K"), (odd, "nurse K")]
    assert len(read_folder(tmp_path / "out")) == 1


def test_two_labels_of_one_clip_are_two_events_of_one_recording(tmp_path: Path) -> None:
    events = [ulid(made.WALL_S), ulid(made.WALL_S + 1)]
    clip = a_clip(events[0])
    second = a_clip(events[1]).events[0]
    put(tmp_path / "clips", type(clip)(clip.id, clip.start, clip.pcm, (), (clip.events[0], second), clip.cause))
    exported(tmp_path / "clips", [answered(events[0], "wheeze"), answered(events[1], "")], tmp_path / "out")
    (recording,) = read_folder(tmp_path / "out")
    assert sorted(event.labels for event in recording.events) == [(), ("wheeze",)]


def test_a_table_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / TABLE).write_text("file,start_s,end_s,label\n")
    with pytest.raises(ConfigError, match="of somebody else"):
        exported(tmp_path / "clips", [], tmp_path)
    assert (tmp_path / TABLE).read_text() == "file,start_s,end_s,label\n"
