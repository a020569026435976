"""What int8 is calibrated, compared and validated on: windows and patients of what a network learnt from.

Ranges are measured on patients outside the fold that is validated; what artefacts are compared and judged on is of the
patients inside it. Not for what an export does with it (`export.exporting`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export.calibration import Sample, Side, draw, draw_clips
from export.checkpoint import VALIDATED, Checkpoint
from export.parity import Probe
from export.validation import Heldout
from training.material import Material

CALIBRATED = Side(VALIDATED, is_inside=False)
COMPARED = Side(VALIDATED, is_inside=True)  # so that no range was measured on what it is judged on
CALIBRATION_WINDOWS, CALIBRATION_SEED = 256, 1
PROBE_WINDOWS, PROBE_SEED = 512, 2


@dataclass(frozen=True, slots=True)
class Ground:
    """What int8 is calibrated, compared and validated on."""

    sample: Sample
    probe: Probe
    heldout: Heldout

    @classmethod
    def of(cls, checkpoint: Checkpoint, data: Path | None, cache: Path, say: Callable[[str], None]) -> Ground | None:
        """Read and draw it; None where there are no recordings, and then it says what cannot be made.

        Args:
            checkpoint: whose.
            data: folder of data sets.
            cache: folder of frames and samples.
            say: told what happens.

        Raises:
            ConfigError: if these are other recordings than it was trained on.
        """
        if data is None or not (data / "sprsound" / "train").is_dir():
            say(
                f"no recordings (DATA={data}, expected sprsound/train in it): int8 needs them for its ranges and the "
                "validation for its patients, so only fp32 and fp16 are made, compared on golden sounds; give "
                "DATA=folder"
            )
            return None
        material, recipe = Material(checkpoint.recordings(data), cache), checkpoint.recipe
        say("drawing the windows for calibration and comparison")
        probe = Probe(
            draw(material, recipe, COMPARED, PROBE_WINDOWS, PROBE_SEED),
            draw_clips(material, recipe, COMPARED, PROBE_WINDOWS, PROBE_SEED),
            f"{PROBE_WINDOWS} windows and {PROBE_WINDOWS} clips of the patients of fold {VALIDATED}, seed {PROBE_SEED}",
        )
        sample = draw(material, recipe, CALIBRATED, CALIBRATION_WINDOWS, CALIBRATION_SEED)
        return cls(sample, probe, Heldout.of(checkpoint, material))


def validation_said(checkpoint: Checkpoint, ground: Ground | None) -> str:
    """Who was heard by which network, in words; or why nobody was."""
    if ground is None:
        return "No validation: it needs the recordings, give DATA=folder"
    if checkpoint.fold_name is None:
        return f"No validation: {checkpoint.folder.name} has no network of fold {VALIDATED} that left patients out"
    held = ground.heldout
    return (
        f"Validation: {len(held.recordings)} recordings of fold {VALIDATED}, {held.patients} patients and negatives. "
        "The shipped network was trained on all patients; these numbers are of its twin, trained without them by the "
        "same recipe and put through the same export, with the shipped calibration and thresholds"
    )
