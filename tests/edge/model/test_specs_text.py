"""The card of a model as a person reads it."""

from __future__ import annotations

from edge.model.specs import as_text


def test_a_figure_stands_beside_its_interval_at_any_depth_and_one_without_stands_alone() -> None:
    validation = {"validation": {"event F1": 0.34, "speech": 0.0}, "intervals": {"event F1": [0.24, 0.42]}}
    text = as_text({"id": "chest", **validation, "outside": {"youngest": validation}, "limits": ["not for adults"]})
    assert text.splitlines() == [
        "id: chest",
        "validation:",
        "  event F1: 0.34 (0.24 to 0.42)",
        "  speech: 0.0",
        "outside:",
        "  youngest:",
        "    validation:",
        "      event F1: 0.34 (0.24 to 0.42)",
        "      speech: 0.0",
        "limits:",
        "- not for adults",
    ]


def test_a_card_of_another_form_is_shown_as_it_is() -> None:
    assert as_text({"validation": 0.5, "intervals": {"x": 1}}) == "validation: 0.5\nintervals:\n  x: 1"
