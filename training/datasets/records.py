"""What a recording and its annotations are, whatever set they come from. Reads no file.

No patient on both sides of a split.

Two published exceptions, allowed by name: the intra-patient test set of SPRSound is made of patients of its training
set (it measures what is known of a patient), and ICBHI's official split has two patients on both sides.

Who is on which side of a split, and the fingerprint of what was trained on.

Some of many recordings, drawn at random so that no label is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from edge.errors import ConfigError

CONTINUOUS = ("wheeze", "rhonchus", "stridor")
DISCONTINUOUS = ("fine_crackle", "coarse_crackle")
CLASSES = (*CONTINUOUS, *DISCONTINUOUS, "breath")

SPRSOUND_LABELS: dict[str, tuple[str, ...]] = {
    "Normal": (),
    "Wheeze": ("wheeze",),
    "Rhonchi": ("rhonchus",),
    "Stridor": ("stridor",),
    "Fine Crackle": ("fine_crackle",),
    "Coarse Crackle": ("coarse_crackle",),
    "Wheeze+Crackle": ("wheeze", "crackle"),  # the kind of crackle is not annotated
    "Wheeze & Crackle": ("wheeze", "crackle"),
}
RECORD_LABELS = ("Normal", "CAS", "DAS", "CAS & DAS", "Poor Quality")


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotated breath phase, breath cycle or sound: `Recording.covers` says which."""

    start_s: float
    """Seconds from the start of the recording."""
    end_s: float
    """Seconds from the start of the recording."""
    labels: tuple[str, ...]
    """Adventitious sounds in it; empty when normal; `crackle` when its kind is unknown."""
    name: str = ""
    """The label as published: `Fine Crackle`, `Wheeze+Crackle`, for a cycle of ICBHI `Normal`, `Crackle`, `Both`."""
    number: int = field(default=0, repr=False)
    """Its place in the published annotation, from 0: the clips of SPRSound are named by it, and 851 of 1949 training
    annotations are not in order of time. Not in `repr`, so not in the fingerprint: it changes no sample."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One file with what is known of it."""

    path: Path
    """The sound."""
    patient: str
    """The patient; never on both sides of a split. Unique over all sets: those of SPRSound are the published numbers,
    those of others begin with the name of their set."""
    record_label: str
    """One of `RECORD_LABELS`, or the kind of a negative; empty where the set has none (SPRSound 2024 and 2025)."""
    events: tuple[Annotation, ...]
    """In order of time."""
    is_negative: bool = False
    """True for sounds that are not a chest recording and must not alarm."""
    is_synthetic: bool = False
    """True when there is no file: the path's name is a seed."""
    split: str = "train"
    """`train`, `test`; for SPRSound's test sets `inter` and `intra` (patient) of 2022, `test2023` to `test2025`."""
    dataset: str = ""
    """`sprsound`, `icbhi`, `hf_lung`, or the name of a folder of the user's own."""
    device: str = ""
    """Microphone or stethoscope, where it is known."""
    site: str = ""
    """Where on the chest, as the set names it."""
    age_years: float = -1.0
    """Of the patient; below 0 where it is not known."""
    diagnosis: str = ""
    """Of the patient, as the set names it; empty where it does not say."""
    duration_s: float = 0.0
    """Seconds, from the header; 0 when it was not read."""
    rate_hz: int = 0
    """Sampling rate, from the header; 0 when it was not read."""
    covers: Literal["phase", "cycle", "sound"] = "phase"
    """What one annotation covers: a breath phase that sounds as a whole; a whole breath cycle, somewhere in which its
    sounds are; or a sound from onset to end, and breath phases beside it."""

    @property
    def is_real_chest(self) -> bool:
        """True for a chest recording that was really made: no negative, not synthetic."""
        return not (self.is_negative or self.is_synthetic)


def record_label(events: tuple[Annotation, ...]) -> str:
    """The label of a recording of a set that has none: what its events have of continuous and discontinuous sounds."""
    labels = {label for event in events for label in event.labels}
    continuous = bool(labels & set(CONTINUOUS))
    discontinuous = bool(labels & {*DISCONTINUOUS, "crackle"})
    return {(False, False): "Normal", (True, False): "CAS", (False, True): "DAS", (True, True): "CAS & DAS"}[
        continuous, discontinuous
    ]


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


def patient_folds(recordings: list[Recording], folds: int, seed: int) -> dict[str, int]:
    """Fold of each patient, 0 to folds - 1, so that every fold has a like share of each record label.

    Patients are dealt out, those with the rarest labels first, each to the fold that lacks most of what they have.
    """
    kinds = sorted({r.record_label for r in recordings})
    counts: dict[str, np.ndarray] = {}
    for r in recordings:
        counts.setdefault(r.patient, np.zeros(len(kinds)))[kinds.index(r.record_label)] += 1
    total = sum(counts.values())
    rarity = 1.0 / np.maximum(np.asarray(total), 1)
    rng = np.random.default_rng(seed)
    order = sorted(sorted(counts), key=lambda p: (-float(counts[p] @ rarity), rng.random()))
    load = np.zeros((folds, len(kinds)))
    chosen = {}
    for patient in order:
        after = (load + counts[patient]) * rarity  # share of each label that the fold would hold
        best = int(np.argmin((after**2).sum(axis=1) - ((load * rarity) ** 2).sum(axis=1)))
        load[best] += counts[patient]
        chosen[patient] = best
    return chosen


def fingerprint(recordings: list[Recording]) -> str:
    """SHA-256 over names and bytes of every sound and annotation: the training data hash of the artefact.

    Synthetic patients are left out; their number is in the recipe and their makers in the source.
    """
    digest = hashlib.sha256()
    for recording in recordings:
        if recording.is_synthetic:
            continue
        digest.update(recording.path.name.encode())
        digest.update(recording.path.read_bytes())
        digest.update(repr((recording.record_label, recording.events)).encode())
    return digest.hexdigest()


def hashed_name(kind: str, name: str) -> str:
    """What a model may carry of a recording or a patient: enough to recognise the name, not to read it.

    Args:
        kind: `recording` or `patient`.
        name: stem of the file, or the patient.
    """
    return hashlib.sha256(f"{kind} {name}".encode()).hexdigest()[:12]


def hashed_names(recordings: list[Recording]) -> list[str]:
    """`hashed_name` of all real chest recordings and of their patients, sorted."""
    chest = [r for r in recordings if r.is_real_chest]
    names = {("recording", r.path.stem) for r in chest} | {("patient", r.patient) for r in chest}
    return sorted(hashed_name(kind, name) for kind, name in names)


def draw(recordings: Sequence[Recording], count: int, each: int, rng: np.random.Generator) -> list[Recording]:
    """At least `count` of the recordings: of every record label first those of `each` patients, then any others.

    Args:
        recordings: to draw from.
        count: how many; more only where the labels need more.
        each: patients of a label.
        rng: decides.

    Returns:
        The drawn ones in their order.
    """
    order = [int(i) for i in rng.permutation(len(recordings))]
    patients: dict[str, set[str]] = {}
    first = []
    for i in order:
        known = patients.setdefault(recordings[i].record_label, set())
        if len(known) < each and recordings[i].patient not in known:
            known.add(recordings[i].patient)
            first.append(i)
    kept = list(dict.fromkeys([*first, *order]))[: max(count, len(first))]
    return [recordings[i] for i in sorted(kept)]
