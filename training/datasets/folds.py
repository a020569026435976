"""Who is on which side of a split, and the fingerprint of what was trained on."""

from __future__ import annotations

import hashlib

import numpy as np

from training.datasets.records import Recording


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
