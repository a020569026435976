"""What an artefact says it knows survives its JSON, and nonsense in its place is refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from edge.errors import ModelError
from edge.model.training_domain import LONGEST_TEXT, TrainingDomain

KNOWN = TrainingDomain(
    recordings=1948,
    patients=251,
    gain_db=(-13.1, 13.1),
    level_db=(-61.7, -51.4, -37.2),
    contrast_db=(6.2, 10.6, 22.7),
    spectrum_db=((-17.6, -9.4, -6.6),) * 4 + ((-200.0, -200.0, -46.4),) * 4,
    margin_db=(0.0, 2.3, 0.9),
)


def test_the_json_of_the_reference_is_small_and_read_back_as_it_was() -> None:
    text = KNOWN.to_json()
    assert len(text) < 500
    assert TrainingDomain.from_json(text) == KNOWN
    assert str(KNOWN) == (
        "level -62 to -37 dBFS (from -92 dBFS on brought to it), 6 to 23 dB above its noise floor, as 1948 "
        "recordings of 251 patients"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"level_db": [-40, -50, -30]},
        {"level_db": [-50, -40]},
        {"level_db": [-50, -40, 1e9]},
        {"contrast_db": "wide"},
        {"gain_db": [5, -5]},
        {"spectrum_db": [[-1, 0, 1]] * 7},
        {"margin_db": [1, float("nan"), 1]},
        {"recordings": "many"},
        {"patients": None},
    ],
)
def test_numbers_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"metadata not understood: laennec\.known"):
        TrainingDomain.from_json(json.dumps(asdict(KNOWN) | changes))


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, KNOWN.to_json() + " " * LONGEST_TEXT])
def test_text_that_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match=r"laennec\.known"):
        TrainingDomain.from_json(text)
