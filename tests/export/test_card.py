"""The model card: its numbers are those of the run, and what a ward must know stands on it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from edge.errors import ConfigError
from export.card import LIMITS, card_fields, card_page
from training.detector.hyperparameters import Recipe

SCORES = {"1-1": (0.9012, 0.8823, 0.8917), "1-2": (0.7311, 0.8944, 0.8087), "2-2": (0.4412, 0.8123, 0.5989)}
PARTS = ("SE", "SP", "Score")
RESULT: dict[str, Any] = {
    "parameters": 322151,
    "recordings": 1949,
    "patients": 251,
    "validation": {
        "frame AP wheeze": 0.3061,
        "record AUC": 0.9104,
        "false alarms per hour Normal": 57.2103,
        **{f"task {task} {part}": v for task, row in SCORES.items() for part, v in zip(PARTS, row, strict=True)},
        "task 2-2 recall of Poor Quality": 0.1299,
    },
    "budgets": [
        {
            "budget_per_hour": 10.0,
            "thresholds": {"wheeze": 0.71, "stridor": 0.71, "fine_crackle": 0.83},
            "false_alarms": {"Normal": 9.46, "cough": 1.06},
            "sensitivity": 0.4873,
            "event_f1": 0.3141,
            "segment_f1": 0.3926,
        }
    ],
}


def _page(result: dict[str, Any] = RESULT, recipe: Recipe | None = None) -> str:
    card = card_fields(result, recipe or Recipe(), "1.2.3", date(2026, 11, 21))
    return card_page(json.loads(json.dumps(card)))  # as the artefact carries it


def _cells(page: str, first: str) -> list[str]:
    line = next(line for line in page.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_number_of_the_streams_is_on_the_page() -> None:
    assert _cells(_page(), "record AUC") == ["record AUC", "0.910"]
    assert _cells(_page(), "false alarms per hour Normal")[1] == "57.210"


@pytest.mark.parametrize("task", SCORES)
def test_a_task_has_its_row_apart_from_the_streams(task: str) -> None:
    page = _page()
    assert _cells(page, task)[2:] == [*(f"{v:.3f}" for v in SCORES[task]), "0.130" if task == "2-2" else "-"]
    assert f"| task {task}" not in page


def test_a_task_that_was_not_measured_has_no_row() -> None:
    assert "| 2-1 |" not in _page()


def test_a_budget_says_what_it_costs_and_which_thresholds_it_needs() -> None:
    cells = _cells(_page(), "10")
    assert cells == ["10", "0.487", "0.314", "0.393", "9.46", "1.06", "0.71 wheeze, stridor; 0.83 fine_crackle"]


def test_budgets_that_cannot_be_kept_are_named() -> None:
    assert "No budget of 2, 5, 20 per hour can be promised" in _page()
    without = _page({k: v for k, v in RESULT.items() if k != "budgets"})
    assert "No budget of 2, 5, 10, 20 per hour can be promised" in without


NESTED = RESULT | {
    "intervals": {"record AUC": [0.88, 0.94]},
    "shift": {
        "youngest": {
            "patients": 83,
            "recordings": 640,
            "validation": {"record AUC": 0.8301},
            "intervals": {"record AUC": [0.77, 0.8801]},
        }
    },
}


def test_a_nested_validation_has_its_intervals_and_its_shifts_beside() -> None:
    page = _page(NESTED)
    assert _cells(page, "metric") == ["metric", "value", "youngest third"]
    assert _cells(page, "record AUC")[1:] == ["0.910 [0.880, 0.940]", "0.830 [0.770, 0.880]"]
    assert _cells(page, "frame AP wheeze")[1:] == ["0.306", "-"]
    assert "offsets and the regression for a fold come from the other folds alone" in page
    assert "What an outsider will find is nearer to this than to the folds" in page
    assert "measured on patients that did not choose its thresholds" in page


def test_the_card_says_what_those_who_are_unlike_the_others_had_to_say() -> None:
    card = card_fields(NESTED, Recipe(), "1.2.3", date(2026, 11, 21))
    assert card["outside"]["youngest"] == NESTED["shift"]["youngest"]
    assert "met none of them" in card["outside"]["about"]
    assert card_fields(RESULT, Recipe(), "1.2.3", date(2026, 11, 21))["outside"] == {}
    assert "met none of them" not in _page()


def test_the_limits_are_on_the_page() -> None:
    page = _page()
    assert all(f"- {limit}" in page for limit in LIMITS)
    for expected in ("44 %", "nobody annotated", "Poor Quality", "2 patients", "length"):
        assert expected in page.split("## Limits")[1].split("## ")[0]


def test_the_page_tells_of_the_teacher_only_when_there_was_one() -> None:
    assert "distillation" in _page(recipe=replace(Recipe(), teachers=1))
    assert "distillation" not in _page(recipe=replace(Recipe(), teachers=0))


def test_tables_are_whole() -> None:
    blocks = re.findall(r"(?:^\|.*\|\n)+", _page(), re.MULTILINE)
    assert len(blocks) == 3
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_a_result_without_what_a_card_must_say_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"result\.json: patients, validation missing"):
        _page({"parameters": 1, "recordings": 2})


def test_the_page_says_what_it_is_worth_at_each_age_and_what_infants_get() -> None:
    of_age = {"patients": 13, "normal_patients": 7, "normal_minutes": 4.6, "validation": {"record AUC": 0.8}}
    infants = {
        "to_years": 1.0,
        "thresholds": {"wheeze": 0.95, "fine_crackle": 0.97},
        "own": {"false_alarms_per_hour": 77.7, "sensitivity": 0.35},
        "everybody": {"false_alarms_per_hour": 427.2, "sensitivity": 0.9},
    }
    page = _page(
        {**RESULT, "ages": {"under 1 year": of_age | {"intervals": {"record AUC": [0.66, 0.9]}}}, "infants": infants}
    )
    assert "| under 1 year | 13 | 7, 4.6 | - | - | 0.800 [0.660, 0.900] |" in page
    assert "(0.95 and 0.97): 77.7 false alarms an hour instead of 427.2" in page
    assert "By age" not in _page()


def test_the_page_says_what_it_is_worth_on_other_stethoscopes() -> None:
    cycles = {"auc": 0.9, "interval": [0.7, 1.0]}
    found = {"patients": 11, "recordings": 42, "measurable": 0.95, "continuous": cycles, "discontinuous": {"auc": None}}
    page = _page({**RESULT, "devices": {"default": {"ICBHI, all": found}}})
    assert "| ICBHI, all | 11 | 42 | 0.95 | 0.90 [0.70, 1.00] | - |" in page
    assert (
        "other stethoscopes" not in _page({**RESULT, "devices": {"light": {"ICBHI, all": found}}}).split("## Limits")[0]
    )
