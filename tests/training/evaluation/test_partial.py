"""What is judged is said and on the disk before the next task is asked; a sample is told apart from a whole set."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import ConfigError
from tests.training.evaluation.made import DETECTION, PERFECT, clip, recording, scores_of
from training.datasets import Annotation, Recording
from training.evaluation.command import Options, evaluate_predictor, sample
from training.evaluation.delays import StreamedRecording
from training.evaluation.detection_curves import called
from training.evaluation.plots import questions
from training.metrics.predictions import ARGMAX, Predictions
from training.results.judged import read_evaluations
from training.tasks import TASKS, Clip, Task

WHEEZE = Annotation(1.0, 2.0, ("wheeze",), "Wheeze", 0)
BREATH = Annotation(3.0, 4.5, (), "Normal", 1)
WARD = [
    recording(f"{split}-{i}", label, *events, split=split)
    for split in ("inter", "intra")
    for i, (label, events) in enumerate((("Normal", (BREATH,)), ("CAS", (WHEEZE, BREATH)), ("Poor Quality", ())))
]
COUGHS = [Recording(Path(f"c{i}.wav"), f"c{i}", "cough", (), is_negative=True, dataset="negatives") for i in range(3)]


@dataclass
class Spy:
    """Always right, hears streams too, and remembers what lay on the disk at each question."""

    out: Path
    stops_at: str = ""
    name: str = "spy"
    detection: Any = DETECTION
    before: dict[str, dict[str, Any]] = field(default_factory=dict)

    def _look(self, question: str) -> None:
        self.before[question] = json.loads((self.out / "results.json").read_text())
        if question == self.stops_at:
            raise KeyboardInterrupt

    def predict(self, task: Task, clips: Sequence[Clip]) -> NDArray[np.float32]:
        self._look(task.name)
        return PERFECT.predict(task, clips)

    def detect(self, recordings: Sequence[Recording]) -> list[StreamedRecording]:
        self._look(f"streams of {recordings[0].dataset}")
        return [scores_of(r, [("wheeze", 1.1, 2.0)]) for r in recordings]


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recordings have no sound that a picture could show."""
    monkeypatch.setattr("training.evaluation.command.illustrate", lambda *_: None)


def test_every_task_is_said_and_written_before_the_next_one_is_asked(tmp_path: Path) -> None:
    answer_text: list[str] = []
    spy = Spy(tmp_path)
    text = evaluate_predictor(spy, [*WARD, *COUGHS], Options(Path("m"), tmp_path, "all", tmp_path), answer_text.append)
    judged = {q: [task["task"] for task in content["tasks"]] for q, content in spy.before.items()}
    assert judged["1-1"] == []
    assert judged["1-2"] == ["1-1"]
    assert judged["2-2"] == ["1-1", "1-2", "2-1"]
    assert [s["dataset"] for s in spy.before["streams of sprsound"]["streaming"]] == ["negatives"]
    assert spy.before["2-1"]["pending"] == ["2-1", "2-2", "icbhi-4", "ood", "icbhi-2", "streaming"]
    assert "".join(answer_text) == text == (tmp_path / "table.txt").read_text()
    assert [piece.split()[:2] for piece in answer_text[1:3]] == [["Task", "1-1:"], ["Task", "1-2:"]]
    content = json.loads((tmp_path / "results.json").read_text())
    assert (content["pending"], content["limit"]) == ([], None)
    assert set(content["not_judged"]) == {"icbhi-2", "icbhi-4"}
    assert "Challenge total, inter: 1.0000" in text


def test_what_was_judged_is_there_after_ctrl_c(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        evaluate_predictor(Spy(tmp_path, "2-2"), WARD, Options(Path("m"), tmp_path, "all", tmp_path))
    assert (tmp_path / "predictions-2-1.csv").exists()
    assert not (tmp_path / "predictions-2-2.csv").exists()
    table = (tmp_path / "table.txt").read_text()
    assert "Task 2-1:" in table
    assert table.endswith("Not judged yet: 2-2, icbhi-4, ood, icbhi-2, streaming\n")
    (left,) = read_evaluations([tmp_path], {}).left_out
    assert left.why.startswith("not finished: 2-2, icbhi-4")


def test_a_disk_that_gets_full_ends_the_evaluation_and_is_no_task_without_an_answer(tmp_path: Path) -> None:
    (tmp_path / "predictions-1-2.csv").symlink_to("/dev/full")
    with pytest.raises(ConfigError, match="cannot be written"):
        evaluate_predictor(Spy(tmp_path), WARD, Options(Path("m"), tmp_path, "all", tmp_path))


def test_a_limit_takes_so_many_recordings_of_every_split_and_says_so(tmp_path: Path) -> None:
    options = Options(Path("m"), tmp_path, "all", tmp_path, limit=2)
    text = evaluate_predictor(Spy(tmp_path), [*WARD, *COUGHS], options)
    assert "A SAMPLE: at most 2 recordings of each split" in text
    content = json.loads((tmp_path / "results.json").read_text())
    counts = {(s["dataset"], s["split"]): s["recordings"] for s in content["streaming"]}
    assert counts == {
        ("negatives", "train"): 2,
        ("sprsound", "inter"): 2,
        ("sprsound", "intra"): 2,
        ("sprsound", "total"): 4,
    }
    (left,) = read_evaluations([tmp_path], {}).left_out
    assert left.why == "a sample (--limit 2); evaluate it whole"


@pytest.mark.parametrize("limit", [1, 3, 4, 10, 99])
def test_a_sample_is_small_the_same_each_time_and_has_every_label_it_can(limit: int) -> None:
    labels = ["Normal"] * 30 + ["CAS", "DAS"]
    ward = [
        recording(f"{split}-{i}", label, split=split) for split in ("inter", "intra") for i, label in enumerate(labels)
    ]
    stored = sample(ward, limit)
    assert Counter(r.split for r in stored) == dict.fromkeys(("inter", "intra"), min(limit, len(labels)))
    assert [r for r in ward if r in stored] == stored == sample(ward, limit)
    assert limit < 3 or {r.record_label for r in stored if r.split == "intra"} == {"Normal", "CAS", "DAS"}


@pytest.mark.parametrize("name", ["1-1", "1-2", "2-1", "2-2", "icbhi-4"])
def test_no_legend_has_one_name_in_two_spellings(name: str) -> None:
    task = TASKS[name]
    clips = tuple(clip(label, patient) for label in task.labels for patient in "ab")
    answer_text = PERFECT.predict(task, clips)
    answered = Predictions(task, clips, answer_text, answer_text.argmax(1).astype(np.int64), ARGMAX)
    names = [question.name for question in questions(answered)]
    assert names[0] == "not Normal"
    assert names[1:] == ([f"{label}, against the rest" for label in task.labels] if len(task.labels) > 2 else [])


def test_what_was_reported_is_spelled_as_what_was_annotated() -> None:
    later = Annotation(5.0, 6.0, ("wheeze", "crackle"), "Wheeze & Crackle", 2)
    rows, columns, _ = called([scores_of(recording("p", "CAS", WHEEZE, later), [("wheeze", 1.1, 2.0)])], 8000)
    assert rows == ["Wheeze", "Wheeze+Crackle"]
    assert columns == ["Wheeze", "Rhonchi", "Stridor", "Fine Crackle", "Coarse Crackle", "nothing"]
