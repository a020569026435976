"""What int8 is calibrated, compared and validated on: windows and patients of what a network learnt from.

The shipped ranges are measured on patients outside fold 0, and artefacts are compared on windows of patients inside it,
which no range has seen. Every fold is validated by its own network, whose ranges come from outside that fold. Not for
what an export does with it (`export.exporting`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export.calibration import Sample, Side, draw, draw_clips
from export.checkpoint import Checkpoint
from export.parity import Probe
from export.validation import Heldout
from training.detector.hyperparameters import Recipe
from training.detector.training_data import TrainingData

COMPARED = Side(0, is_inside=True)
CALIBRATION_WINDOWS, CALIBRATION_SEED = 256, 1
PROBE_WINDOWS, PROBE_SEED = 512, 2


@dataclass(frozen=True, slots=True)
class HeldOutData:
    """What int8 is calibrated, compared and validated on."""

    sample: Sample
    probe: Probe
    heldouts: tuple[Heldout, ...]
    """The folds whose networks are there."""

    @classmethod
    def of(
        cls, checkpoint: Checkpoint, data: Path | None, cache: Path, say: Callable[[str], None]
    ) -> HeldOutData | None:
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
        training_data, recipe = TrainingData(checkpoint.recordings(data), cache), checkpoint.recipe
        say("drawing the windows for calibration and comparison")
        probe = Probe(
            draw(training_data, recipe, COMPARED, PROBE_WINDOWS, PROBE_SEED),
            draw_clips(training_data, recipe, COMPARED, PROBE_WINDOWS, PROBE_SEED),
            f"{PROBE_WINDOWS} windows and {PROBE_WINDOWS} clips of the patients of fold {COMPARED.fold}, which "
            f"calibrate nothing, seed {PROBE_SEED}",
        )
        folds = tuple(_heldout(fold, training_data, recipe) for fold in checkpoint.folds)
        return cls(_calibration(COMPARED.fold, training_data, recipe), probe, folds)


def validation_said(checkpoint: Checkpoint, held_out: HeldOutData | None) -> str:
    """Who was heard by which network, in words; or why nobody was."""
    if held_out is None:
        return "No validation: it needs the recordings, give DATA=folder"
    if not held_out.heldouts:
        return f"No validation: {checkpoint.folder.name} has no network that left patients out"
    recordings = [recording for heldout in held_out.heldouts for recording in heldout.recordings]
    patients = len({recording.patient for recording in recordings})
    return (
        f"Validation: {len(recordings)} chest recordings of {patients} patients in {len(held_out.heldouts)} of "
        f"{checkpoint.recipe.folds} folds. The shipped network was trained on all patients; these numbers are of its "
        "twins, trained by the same recipe without the patients of one fold each, put through the same export and "
        "asked about that fold, with the shipped calibration and thresholds."
    )


def _calibration(fold: int, training_data: TrainingData, recipe: Recipe) -> Sample:
    """For a network whose patients of one fold must not be heard."""
    return draw(training_data, recipe, Side(fold, is_inside=False), CALIBRATION_WINDOWS, CALIBRATION_SEED)


def _heldout(fold: int, training_data: TrainingData, recipe: Recipe) -> Heldout:
    folds, sample = training_data.fold_of(recipe), _calibration(fold, training_data, recipe)
    pairs = zip(training_data.recordings, training_data.frames(recipe), strict=True)
    kept = [(r, frames.copy()) for r, frames in pairs if r.is_heard and folds[r.patient] == fold]
    return Heldout(fold, sample, tuple(r for r, _ in kept), tuple(frames for _, frames in kept))
