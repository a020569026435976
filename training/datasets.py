"""Recordings and their annotations, as published. Reads files; computes no features and draws nothing at random.

SPRSound: `<patient>_<age>_<sex>_<site>_<recording>.flac|wav` with a `.json` beside it (methods: Zhang et al., IEEE
TBioCAS 16(5), 2022). Negatives: one folder for each kind of sound that must not alarm.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

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
    """One annotated breath phase."""

    start_s: float
    """Seconds from the start of the recording."""
    end_s: float
    """Seconds from the start of the recording."""
    labels: tuple[str, ...]
    """Adventitious sounds in it; empty when normal; `crackle` when its kind is unknown."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One file with what is known of it."""

    path: Path
    """The sound."""
    patient: str
    """Who was heard; never on both sides of a split."""
    record_label: str
    """One of `RECORD_LABELS`, or the kind of a negative."""
    events: tuple[Annotation, ...]
    """In order of time."""
    is_negative: bool = False
    """True for sounds that are not a chest recording and must not alarm."""
    is_synthetic: bool = False
    """True when there is no file: the path's name is a seed."""


def read_sprsound(folder: Path) -> list[Recording]:
    """Every recording of a SPRSound folder, sorted by name.

    Raises:
        ConfigError: if there is none, or an annotation is not readable; the message names file and field.
    """
    paths = sorted(path for kind in ("*.flac", "*.wav") for path in folder.glob(kind))
    if not paths:
        raise ConfigError(f"DATA={folder}: expected SPRSound recordings (*.flac or *.wav with *.json), found none")
    return [_read_recording(path) for path in paths]


def _read_recording(path: Path) -> Recording:
    source = path.with_suffix(".json")
    try:
        fields = json.loads(source.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{source}: annotation not readable ({error})") from error
    record_label = fields.get("record_annotation", fields.get("recording_annotation"))
    if record_label not in RECORD_LABELS:
        raise ConfigError(f"{source}: record_annotation = {record_label!r}, expected one of {', '.join(RECORD_LABELS)}")
    events = sorted((_read_event(source, event) for event in fields["event_annotation"]), key=lambda e: e.start_s)
    return Recording(path, path.name.split("_")[0], record_label, tuple(events))


def _read_event(source: Path, fields: dict[str, str]) -> Annotation:
    label = fields.get("type", "")
    if label not in SPRSOUND_LABELS:
        raise ConfigError(f"{source}: event type = {label!r}, expected one of {', '.join(SPRSOUND_LABELS)}")
    return Annotation(float(fields["start"]) / 1000, float(fields["end"]) / 1000, SPRSOUND_LABELS[label])


def read_negatives(folder: Path) -> list[Recording]:
    """Every file of each subfolder; a subfolder's name is the kind, the speaker or infant is the patient."""
    recordings = []
    for path in sorted([*folder.glob("*/*.flac"), *folder.glob("*/*.wav")]):
        kind = path.parent.name
        recordings.append(Recording(path, f"{kind}-{_source_id(kind, path.stem)}", kind, (), is_negative=True))
    return recordings


def _source_id(kind: str, stem: str) -> str:
    if kind == "speech":  # digit_speaker_take
        return stem.split("_")[1]
    if kind == "infant_cry":  # a UUID of the phone, then time and reason
        return stem[:36]
    if kind == "heart":  # subject, time, site
        return stem.split("_")[0]
    return stem


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
