"""The model card: data, split, numbers, limits. One record, carried by the artefact and printed as a page."""

from __future__ import annotations

from datetime import date
from typing import Any

from training.recipe import Recipe

LIMITS = (
    "Not a medical device; not for diagnosis. Scores are of sounds, not of illness.",
    "Trained on children of one hospital with one type of stethoscope; adults and other devices are untested.",
    "Stridor (2 patients), rhonchi (11) and coarse crackles (15) are too rare to be measured; expect to miss them or "
    "to hear them named as wheezes and fine crackles.",
    "The annotation marks whole breath phases: the exact onset of a single crackle is not learnt.",
    "Sounds of one group exclude each other: a wheeze and a rhonchus at once are one event, named after the stronger.",
)


def card_fields(result: dict[str, Any], recipe: Recipe, version: str, made: date) -> dict[str, Any]:
    """The card as a record."""
    return {
        "id": f"laennec-default-{version}",
        "made": made.isoformat(),
        "task": "wheeze, rhonchus, stridor, fine and coarse crackle in continuous chest sound, one score each "
        f"{recipe.frame_s * 1000:g} ms; breath activity",
        "parameters": result["parameters"],
        "data": f"SPRSound (BioCAS 2022) training set, {result['recordings']} recordings of {result['patients']} "
        "patients (Zhang et al., IEEE TBioCAS 16(5), 2022; GPL-3.0 text in its repository); as negatives "
        "covid19-cough (CC0), Free Spoken Digit Dataset (CC BY-SA 4.0), Donate-a-Cry (ODbL), "
        "PASCAL heart sounds 2011 set B",
        "synthetic": f"{recipe.synthetic} synthetic patients of 12 s from edge.sources.synthetic joined the training, "
        "so the bundled demo is of a kind that it knows; none joined the validation",
        "split": f"by patient, {recipe.folds} folds, seed {recipe.seed}: every number is from networks that never "
        "heard the patient or the speaker; calibration and thresholds for a fold come from the other folds (for the "
        "false alarms, and for smoothing and durations, from all). The shipped network is trained on all patients with "
        "the same recipe",
        "validation": result["validation"],
        "recipe_sha256": recipe.sha256,
        "limits": list(LIMITS),
        "licence": "Apache-2.0 for the weights; the data keep their own licences",
    }


def card_page(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    rows = "\n".join(f"| {name} | {value:.3f} |" for name, value in card["validation"].items())
    limits = "\n".join(f"- {limit}" for limit in card["limits"])
    return f"""# Model card: {card["id"]}

{card["task"][0].upper()}{card["task"][1:]}. {card["parameters"]:,} parameters. Made {card["made"]}.

**Data.** {card["data"]}.

**Synthetic sound.** {card["synthetic"]}.

**Split.** {card["split"][0].upper()}{card["split"][1:]}.

**Licence.** {card["licence"]}.

## Validation

Event F1: onset within 200 ms, offset within 200 ms or half the event (sed_eval); segment F1: 1 s (sed_eval); frame AP:
average precision over frames of 32 ms; record AUC: Normal against adventitious recordings. Recordings of Poor Quality
are left out. `make train` prints this table.

| metric | value |
|---|---|
{rows}

## Limits

{limits}

Recipe sha256 `{card["recipe_sha256"]}`.
"""
