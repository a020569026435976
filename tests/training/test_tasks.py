"""The official tasks judge the pieces that the organisers cut, by the labels they gave."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from edge.errors import ConfigError
from training.datasets import Annotation, Recording, read_sprsound
from training.tasks import TASKS

EVENTS = (
    Annotation(0.1, 0.9, ("fine_crackle",), "Fine Crackle", number=2),
    Annotation(1.0, 1.9, (), "Normal", number=0),
    Annotation(2.0, 2.9, ("stridor",), "Stridor", number=1),
    Annotation(3.0, 3.9, ("wheeze", "crackle"), "Wheeze & Crackle", number=3),
)
CHILD = Recording(Path("10_3.0_0_p1_7.wav"), "10", "CAS & DAS", EVENTS, dataset="sprsound")
ADULT = Recording(
    Path("101_1b1_Al_sc_Meditron.wav"),
    "101",
    "CAS",
    (Annotation(0.0, 1.0, ("wheeze", "crackle"), "Both"), Annotation(1.0, 2.0, (), "Normal", number=1)),
    dataset="icbhi",
)


def _labels(task: str) -> list[str]:
    return [clip.label for clip in TASKS[task].clips([CHILD, ADULT])]


def test_a_clip_is_named_by_the_number_of_its_event_in_the_published_file() -> None:
    assert [clip.name for clip in TASKS["1-2"].clips([CHILD])] == [f"10_3.0_0_p1_7_{n}" for n in (2, 0, 1, 3)]


def test_a_whole_recording_is_named_by_itself() -> None:
    assert [(clip.name, clip.end_s) for clip in TASKS["2-2"].clips([CHILD])] == [("10_3.0_0_p1_7", None)]


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("1-1", ["Adventitious", "Normal", "Adventitious", "Adventitious"]),
        ("1-2", ["Fine Crackle", "Normal", "Stridor", "Wheeze+Crackle"]),
        ("2-1", ["Adventitious"]),
        ("2-2", ["CAS & DAS"]),
        ("icbhi-2", ["Abnormal", "Normal"]),
        ("icbhi-4", ["Both", "Normal"]),
        ("ood", ["Crackle", "Normal", "Both"]),  # stridor and rhonchi are no class of ICBHI
    ],
)
def test_each_task_takes_its_own_set_and_maps_its_labels(task: str, labels: list[str]) -> None:
    assert _labels(task) == labels


def test_every_mapped_label_is_one_of_the_tasks_and_the_negative_class_is_first() -> None:
    for task in TASKS.values():
        assert set(task.map.values()) == set(task.labels)
        assert task.labels[0] == "Normal"
        assert set(task.ignored) < set(task.labels)


def test_a_label_without_an_example_is_named() -> None:
    task = TASKS["1-2"]
    with pytest.raises(ConfigError, match="task 1-2: no training clip of Rhonchi, Wheeze, Coarse Crackle among 4; add"):
        task.check_examples(task.clips([CHILD]))
    task = TASKS["1-1"]
    task.check_examples(task.clips([CHILD]))


def test_negatives_are_in_no_task() -> None:
    cough = Recording(Path("cough.wav"), "c", "Normal", (), dataset="sprsound", is_negative=True)
    assert TASKS["2-1"].clips([cough]) == []


def test_real_clips_are_numbered_as_in_the_files(real_data: Path) -> None:
    recordings = read_sprsound(real_data / "sprsound" / "train")
    clips = TASKS["1-2"].clips(recordings)
    counts = Counter(clip.label for clip in clips)
    assert counts == {
        **{"Normal": 5159, "Fine Crackle": 912, "Wheeze": 452, "Coarse Crackle": 49},
        **{"Rhonchi": 39, "Wheeze+Crackle": 30, "Stridor": 15},
    }
    for clip in clips[::50]:
        published = json.loads(clip.recording.path.with_suffix(".json").read_text())["event_annotation"][clip.index]
        assert (float(published["start"]) / 1000, published["type"]) == (clip.start_s, clip.label)
