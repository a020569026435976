"""Published numbers: each has a source and a reason, and a slip of the pen is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from training.metrics.official import official_score
from training.results.published import CHALLENGE, PATH, Entry, Numbers, load_published
from training.tasks import TASKS

ENTRY: dict[str, Any] = {
    "work": "Somebody",
    "source": "arXiv:0000.00000",
    "seen": "abstract",
    "benchmark": "sprsound-2022",
    "test_set": "inter",
    "scores": {"1-1": {"se": 0.8, "sp": 0.6, "score": 0.693}},
    "comparable": "yes",
}


def _changed(**changes: Any) -> Entry:
    return Entry.model_validate(ENTRY | changes)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file of published numbers that holds one entry."""
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump({"reasons": {}, "entries": [ENTRY]}))
    return path


def test_the_file_of_the_project_is_whole() -> None:
    published = load_published()
    assert len(published.entries) > 50
    scores = {(e.work, e.test_set): e.scores for e in published.entries if e.benchmark == "sprsound-2022"}
    assert scores["Chen et al. (UoIT), first in 1-1", "unknown"]["1-1"].score == 0.8926
    assert scores["Shuvo and Hasan, CNN-Transformer", "unknown"]["2-2"].score == 0.571
    assert scores["Hu et al., SupCon ResNet18", "inter"]["2-1"].score == 0.749


def test_nothing_published_is_called_comparable_that_was_chosen_on_the_test_set() -> None:
    for entry in load_published().entries:
        if {"best-epoch-on-test", "tuned-on-test", "random-split"} & set(entry.against):
            assert entry.comparable == "no", entry.work


@given(st.lists(st.integers(1, 50), min_size=4, max_size=4), st.sampled_from(["1-1", "icbhi-2"]))
def test_a_score_follows_from_its_parts_as_the_official_one_does(counts: list[int], task: str) -> None:
    official = official_score(TASKS[task], np.array(counts).reshape(2, 2))
    numbers = Numbers(se=official.sensitivity, sp=official.specificity, score=official.score)
    assert numbers.expected_score(task) == pytest.approx(official.score)


def test_a_score_that_does_not_follow_is_refused_unless_it_is_printed_so() -> None:
    wrong = {"1-1": {"se": 0.8, "sp": 0.6, "score": 0.703}}
    with pytest.raises(ValueError, match=r"score = 0\.703, but se and sp make 0\.6929"):
        _changed(scores=wrong)
    assert _changed(scores=wrong, as_printed=True).faults()
    with pytest.raises(ValueError, match="every score follows"):
        _changed(as_printed=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"comparable": "no"}, "comparable = no with 0 reasons"),
        ({"against": ["derived"]}, "comparable = yes with 1 reasons"),
        ({"scores": {}}, "expected scores, or a note"),
        ({"test_set": "test"}, "does not fit sprsound-2022"),
        ({"scores": {"icbhi-4": {"score": 0.5}}}, "expected one of 1-1, 1-2, 2-1, 2-2"),
        ({"scores": {"1-1": {"score": 89.26}}}, "less than or equal to 1"),
        ({"scores": {"1-1": {"se": 0.5}}}, "expected score, hs or event_f1"),
        ({"source": ""}, "source"),
        ({"weights": 3}, "Extra inputs"),
    ],
)
def test_an_entry_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _changed(**changes)


def test_a_reason_must_be_explained_and_used(own: Path) -> None:
    own.write_text(yaml.safe_dump({"reasons": {"derived": "x"}, "entries": [ENTRY]}))
    with pytest.raises(ConfigError, match=r"explained and not used: \['derived'\]"):
        load_published(own)
    partly = ENTRY | {"comparable": "partly", "against": ["unheard-of"]}
    own.write_text(yaml.safe_dump({"reasons": {}, "entries": [partly]}))
    with pytest.raises(ConfigError, match=r"not explained: \['unheard-of'\]"):
        load_published(own)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "not valid YAML"), ("- 1", "the whole: "), ("reasons: {}", "entries: Field required")],
)
def test_a_damaged_file_is_one_clear_error(own: Path, text: str, message: str) -> None:
    own.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_published(own)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected the published numbers"):
        load_published(tmp_path / "none.yaml")


def test_every_number_in_the_file_is_a_task_that_we_know() -> None:
    tasks = {task for entry in yaml.safe_load(PATH.read_text())["entries"] for task in entry.get("scores", {})}
    assert tasks <= {*CHALLENGE, "icbhi-2", "icbhi-4", "ood", "detection"}
