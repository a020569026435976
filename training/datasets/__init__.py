"""Recordings and their annotations, as published. Reads files; computes no features and draws nothing at random."""

from training.datasets.discovery import read_datasets, read_negatives, scan_datasets
from training.datasets.files import Finding, Found
from training.datasets.folder import read_folder
from training.datasets.hf_lung import read_hf_lung
from training.datasets.icbhi import read_icbhi
from training.datasets.records import (
    CLASSES,
    CONTINUOUS,
    DISCONTINUOUS,
    RECORD_LABELS,
    SPRSOUND_LABELS,
    Annotation,
    Recording,
    check_apart,
    check_split,
    fingerprint,
    hashed_name,
    hashed_names,
    patient_folds,
)
from training.datasets.sprsound import read_sprsound

__all__ = [
    "CLASSES",
    "CONTINUOUS",
    "DISCONTINUOUS",
    "RECORD_LABELS",
    "SPRSOUND_LABELS",
    "Annotation",
    "Finding",
    "Found",
    "Recording",
    "check_apart",
    "check_split",
    "fingerprint",
    "hashed_name",
    "hashed_names",
    "patient_folds",
    "read_datasets",
    "read_folder",
    "read_hf_lung",
    "read_icbhi",
    "read_negatives",
    "read_sprsound",
    "scan_datasets",
]
