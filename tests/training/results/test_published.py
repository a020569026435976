"""Published numbers: each has a source and a reason, and a score follows from its parts or is marked as printed so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.metrics.official import official_score
from training.results.tables import CHALLENGE, Entry, Numbers, load_published
from training.tasks import TASKS

TOLERANCE = 1.1e-3  # published numbers are rounded to .001, or to .01 %
TASKS_OF = {
    **dict.fromkeys(("sprsound-2022", "sprsound-2023"), CHALLENGE),
    "sprsound-2024": ("detection",),
    "icbhi": ("icbhi-2", "icbhi-4"),
    "ood": ("ood",),
}
PUBLISHED = load_published()
ENTRY: dict[str, Any] = {
    "work": "Somebody",
    "source": "arXiv:0000.00000",
    "seen": "abstract",
    "benchmark": "sprsound-2022",
    "test_set": "inter",
    "scores": {"1-1": {"se": 0.8, "sp": 0.6, "score": 0.693}},
    "comparable": "yes",
}


def _expected(numbers: Numbers, task: str) -> float | None:
    """What SE and SP make of it; None where one of them is not given."""
    if numbers.se is None or numbers.sp is None:
        return None
    average = (numbers.se + numbers.sp) / 2
    if task not in CHALLENGE:
        return average
    return (average + numbers.se * numbers.sp / average) / 2 if average else 0.0


def test_the_file_of_the_project_is_whole() -> None:
    assert len(PUBLISHED.entries) > 50
    scores = {(e.work, e.test_set): e.scores for e in PUBLISHED.entries if e.benchmark == "sprsound-2022"}
    assert scores["Chen et al. (UoIT), first in 1-1", "unknown"]["1-1"].score == 0.8926
    assert scores["Shuvo and Hasan, CNN-Transformer", "unknown"]["2-2"].score == 0.571
    assert scores["Hu et al., SupCon ResNet18", "inter"]["2-1"].score == 0.749


def test_a_score_follows_from_its_se_and_sp_or_is_marked_as_printed_so() -> None:
    for entry in PUBLISHED.entries:
        pairs = [(numbers.score, _expected(numbers, task)) for task, numbers in entry.scores.items()]
        slips = [p for p in pairs if None not in p and abs((p[0] or 0) - (p[1] or 0)) > TOLERANCE]
        assert bool(slips) == entry.as_printed, (entry, slips)


def test_an_entry_says_what_it_must() -> None:
    for entry in PUBLISHED.entries:
        assert (entry.comparable == "yes") == (not entry.against), entry
        assert entry.scores or entry.note, entry
        assert (entry.benchmark == "sprsound-2022") != (entry.test_set == "test"), entry
        assert set(entry.scores) <= set(TASKS_OF[entry.benchmark]), entry
        for numbers in entry.scores.values():
            assert not numbers.score is numbers.hs is numbers.event_f1 is None, entry


def test_nothing_published_is_called_comparable_that_was_chosen_on_the_test_set() -> None:
    chosen = {"best-epoch-on-test", "tuned-on-test", "random-split"}
    assert not [each for each in PUBLISHED.entries if chosen & set(each.against) and each.comparable != "no"]


def test_every_reason_is_explained_and_used() -> None:
    assert {reason for entry in PUBLISHED.entries for reason in entry.against} == set(PUBLISHED.reasons)


@given(st.lists(st.integers(1, 50), min_size=4, max_size=4), st.sampled_from(["1-1", "icbhi-2"]))
def test_a_score_follows_from_its_parts_as_the_official_one_does(counts: list[int], task: str) -> None:
    official = official_score(TASKS[task], np.array(counts).reshape(2, 2))
    numbers = Numbers(se=official.sensitivity, sp=official.specificity, score=official.score)
    assert _expected(numbers, task) == pytest.approx(official.score)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": {"1-1": {"score": 89.26}}}, "less than or equal to 1"),
        ({"source": ""}, "source"),
        ({"weights": 3}, "Extra inputs"),
        ({"comparable": "maybe"}, "comparable"),
    ],
)
def test_an_entry_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Entry.model_validate(ENTRY | changes)
