"""Validation patients are scored in every task; the duration rule stands beside those that it answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.clips.batches import ClipSet
from training.clips.front_end import ClipFrames
from training.clips.train import scores_of
from training.datasets import Recording
from training.frames import FrameStore
from training.tasks import TASKS, Clip


@pytest.mark.parametrize(
    ("task", "rows"), [("1-1", {"model", "duration only"}), ("icbhi-2", {"model"}), ("2-1", {"model"})]
)
def test_the_rule_stands_beside_the_tasks_that_it_answers(task: str, rows: set[str]) -> None:
    asked = TASKS[task]
    clips = tuple(
        Clip(Recording(Path(f"{i}.wav"), f"p{i}", "", ()), 0.0, 1.0 + i % 2, asked.labels[i % 2], i) for i in range(4)
    )
    none = ClipFrames((FrameStore(np.zeros((0, 1), np.float16), np.zeros(4, np.int64)),))
    held = ClipSet(asked, clips, none, np.arange(4), np.zeros(4, np.float32), 1)
    said = np.eye(len(asked.labels), dtype=np.float32)[[0, 1, 0, 0]]
    found = scores_of(held, said, held)
    assert set(found) == rows
    assert (found["model"]["sensitivity"], found["model"]["specificity"]) == (0.5, 1.0)
