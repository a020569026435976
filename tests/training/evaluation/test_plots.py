"""Pictures say what the tables say of the training data: a strip in red, where there is something to say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from tests.training.evaluation.made import DETECTION, PERFECT, recording, scores_of
from training.datasets import Annotation, Recording
from training.evaluation.detection_curves import draw_streaming
from training.evaluation.plots import WARNING, draw_task, save
from training.evaluation.report import StreamTable
from training.evaluation.split_scores import judge, splits_of, trained_on
from training.metrics.predictions import Provenance
from training.tasks import TASKS

WHEEZE = Annotation(2.0, 3.0, ("wheeze",), "Wheeze")
RECORDINGS = [recording("a", "CAS", WHEEZE, split="train"), recording("b", "Normal", split="train")]
OTHERS = trained_on([recording("y", "CAS"), recording("z", "Normal")])


def warned(picture: Path) -> int:
    """Pixels of the colour in which nothing but a warning is drawn."""
    away = np.abs(imread(picture)[..., :3] - np.array(to_rgb(WARNING))).max(axis=2)
    return int((away < 1 / 255).sum())


def _streamed(provenance: Provenance, out: Path) -> list[Path]:
    out.mkdir()
    streamed = [scores_of(one, [("wheeze", 2, 3)]) for one in RECORDINGS]
    (split,) = splits_of(RECORDINGS, provenance)
    return draw_streaming("told", StreamTable("sprsound", split, ()), streamed, DETECTION, out)


def test_a_notice_stands_above_the_picture_and_covers_nothing_of_it(tmp_path: Path) -> None:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1])
    save(figure, tmp_path / "plain.png", "")
    save(figure, tmp_path / "warned.png", "THESE RECORDINGS WERE IN THE TRAINING DATA (2 of 2)")
    assert warned(tmp_path / "plain.png") == 0
    red = np.abs(imread(tmp_path / "warned.png")[..., :3] - np.array(to_rgb(WARNING))).max(axis=2) < 1 / 255
    assert red.sum() > 100
    assert np.flatnonzero(red.any(axis=1)).max() < red.shape[0] / 2  # rows from the top


@pytest.mark.parametrize(
    ("provenance", "names"),
    [(trained_on(RECORDINGS), True), (Provenance(), True), (OTHERS, False)],
    ids=["trained on them", "nobody knows", "trained on others"],
)
def test_pictures_of_a_task_are_marked_as_its_table_is(tmp_path: Path, provenance: Provenance, names: bool) -> None:
    judged = judge(PERFECT, TASKS["2-2"], RECORDINGS, provenance)
    assert bool(judged.rows[0].split.notice) is names
    pictures = draw_task(judged, tmp_path)
    assert len(pictures) == 3
    assert [warned(picture) > 100 for picture in pictures] == [names] * 3


def test_every_picture_of_streams_is_marked_as_its_table_is(tmp_path: Path) -> None:
    marked, plain = _streamed(trained_on(RECORDINGS), tmp_path / "in"), _streamed(OTHERS, tmp_path / "out")
    assert len(marked) == len(plain) == 5
    assert [warned(picture) > 100 for picture in marked] == [True] * 5
    assert [warned(picture) for picture in plain] == [0] * 5


def test_the_warning_of_a_confusion_matrix_names_each_row_that_it_is_about(tmp_path: Path) -> None:
    tested: list[Recording] = [recording("c", "CAS", WHEEZE, split="inter"), recording("d", "Normal", split="inter")]
    judged = judge(PERFECT, TASKS["2-2"], [*tested, *RECORDINGS], trained_on(RECORDINGS))
    assert [(row.split.name, bool(row.split.notice)) for row in judged.rows] == [("inter", False), ("train", True)]
    confusion, curves, _ = draw_task(judged, tmp_path)
    assert warned(confusion) > 100  # it shows both rows
    assert warned(curves) == 0  # it shows the first
