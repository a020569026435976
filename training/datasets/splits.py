"""No patient on both sides of a split. Deals nobody out: `training.datasets.folds` does.

Two published exceptions, allowed by name: the intra-patient test set of SPRSound is made of patients of its training
set (it measures what is known of a patient), and ICBHI's official split has two patients on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge.errors import ConfigError
from training.datasets.records import Recording

KNOWN_ON_BOTH_SIDES = {("icbhi", "icbhi-156"), ("icbhi", "icbhi-218")}
"""Data set and patient: in `train` and `test` of the official 60/40 split [Rocha 2019; counted in the file]."""
WITHOUT_PATIENTS = ("hf_lung",)
"""Sets whose recordings do not say whose they are."""


def patients_on_both_sides(recordings: Iterable[Recording]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Data set, patient and splits of every patient in more than one split; `intra` is meant to share, so not counted.

    Negatives and synthetic patients have no published split and are left out; so is HF_Lung, which names days and no
    patients.
    """
    splits: dict[tuple[str, str], set[str]] = {}
    for recording in recordings:
        if recording.is_real_chest and recording.split != "intra" and recording.dataset not in WITHOUT_PATIENTS:
            splits.setdefault((recording.dataset, recording.patient), set()).add(recording.split)
    return [(*who, tuple(sorted(sides))) for who, sides in sorted(splits.items()) if len(sides) > 1]


def check_split(recordings: Iterable[Recording]) -> None:
    """Refuse published splits that share a patient, but for the known exceptions.

    Raises:
        ConfigError: names the data set, the patient and the splits.
    """
    shared = [found for found in patients_on_both_sides(recordings) if found[:2] not in KNOWN_ON_BOTH_SIDES]
    if shared:
        dataset, patient, sides = shared[0]
        more = f" (and {len(shared) - 1} more patients)" if len(shared) > 1 else ""
        raise ConfigError(
            f"{dataset}: patient {patient} is in {' and '.join(sides)}{more}; expected each patient in one split"
        )


def check_apart(training: Iterable[Recording], validation: Iterable[Recording]) -> None:
    """Refuse a training and a validation list with a patient in common; here nobody is excepted.

    Raises:
        ConfigError: names the patient.
    """
    left = {(r.dataset, r.patient) for r in training}
    shared = sorted({(r.dataset, r.patient) for r in validation} & left)
    if shared:
        more = f" (and {len(shared) - 1} more)" if len(shared) > 1 else ""
        raise ConfigError(
            f"patient {shared[0][1]} of {shared[0][0] or 'no data set'}{more} is in training and in validation; "
            "split by patient"
        )
