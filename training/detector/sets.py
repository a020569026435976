"""Which data sets a training is made of: what is read, what all choices are made on, and what stands beside it.

Calibration, thresholds and answers are chosen on SPRSound alone, and the validation is of SPRSound alone, whatever else
was learnt from: its numbers stay comparable, and a cycle of ICBHI does not say when a sound begins. Without SPRSound
they are of the user's own recordings. What the others are worth: `training.detector.beside`.

Synthetic patients that join the training, from `training.synthetic`; they never join a validation.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from training import synthetic
from training.datasets import CONTINUOUS, DISCONTINUOUS, Annotation, Recording, read_negatives
from training.datasets.discovery import DatasetFolder, find_datasets
from training.datasets.files import accept
from training.datasets.records import patients_on_both_sides
from training.synthetic.scene import scene

MAIN = "sprsound"
NEGATIVES = "negatives"

_log = logging.getLogger(__name__)


def holds_recordings(root: Path) -> bool:
    """Whether a data set of chest recordings lies under a folder."""
    try:
        return any(dataset.kind != NEGATIVES for dataset in find_datasets(root))
    except ConfigError:
        return False


def training_recordings(root: Path, names: Sequence[str] = ()) -> list[Recording]:
    """Chest recordings of every training split under a folder, SPRSound first, then those of negatives.

    A patient who is also in a test set that lies there is left out, and said so; SPRSound's intra-patient test set is
    made of patients of its training set, who stay.

    Args:
        root: DATA.
        names: of the sets, in any order; empty: all that are there.

    Raises:
        ConfigError: if a named set is not there, one cannot be read, or there is no recording to train on.
    """
    found = find_datasets(root)
    there = {dataset.name: dataset for dataset in found if dataset.kind != NEGATIVES}
    if unknown := sorted(set(names) - set(there)):
        raise ConfigError(f"recipe: data = {', '.join(unknown)}, not under DATA={root}; there are {', '.join(there)}")
    chosen = sorted(names or there, key=lambda name: (name != MAIN, name))
    chest = [recording for name in chosen for recording in _of_training(there[name])]
    if not chest:
        raise ConfigError(
            f"DATA={root}: expected SPRSound or other chest recordings to train on, found none; see training/DATA.md"
        )
    return chest + [r for dataset in found if dataset.kind == NEGATIVES for r in read_negatives(dataset.folder)]


def _of_training(dataset: DatasetFolder) -> list[Recording]:
    recordings = accept(dataset.scan())
    shared = {patient for _, patient, _ in patients_on_both_sides(recordings)}
    kept = [r for r in recordings if r.split == "train"]
    apart = [r for r in kept if r.patient not in shared]
    if len(apart) < len(kept):
        _log.warning(
            "dataset=%s patients=%d recordings=%d; left out of the training, for these patients are in a test set too",
            *(dataset.name, len(shared), len(kept) - len(apart)),
        )
    return apart


def main_sets(recordings: Iterable[Recording]) -> frozenset[str]:
    """Names of the sets on which everything is chosen and judged: SPRSound; without it, those annotated by phase."""
    chest = [r for r in recordings if r.is_real_chest]
    if any(r.dataset == MAIN for r in chest):
        return frozenset({MAIN})
    return frozenset(r.dataset for r in chest if r.covers == "phase")


def composition(recordings: Sequence[Recording]) -> str:
    """How many recordings of how many patients each set of real chest recordings has, in words."""
    sets: dict[str, list[Recording]] = {}
    for recording in recordings:
        if recording.is_real_chest:
            sets.setdefault(recording.dataset, []).append(recording)
    return ", ".join(f"{name}: {len(of)} recordings of {len({r.patient for r in of})}" for name, of in sets.items())


def no_set_first(recordings: Sequence[Recording], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often each recording is drawn, (n,), so that no set is drawn more often than the main one.

    HF_Lung has five times as many hours as SPRSound; the children are who the detector is for.
    """
    names, main = np.array([r.dataset for r in recordings]), main_sets(recordings)
    is_main, capped = np.isin(names, sorted(main)), weights.copy()
    for name in sorted(set(names) - main):
        total = weights[names == name].sum()
        if total > weights[is_main].sum() > 0:
            capped[names == name] *= weights[is_main].sum() / total
    return capped


DURATION_S = 12.0
FIRST_SEED = 1_000_000  # far from the seeds of the demo and the tests


def synthetic_patients(count: int) -> list[Recording]:
    """Recordings that exist as seeds; the annotations are those of `synthetic_sound`."""
    return [_patient(FIRST_SEED + i) for i in range(count)]


def synthetic_sound(recording: Recording, rate_hz: int) -> NDArray[np.float32]:
    """(N,) samples of a synthetic patient."""
    samples, _ = scene(int(recording.path.name), DURATION_S, rate_hz)
    return np.asarray(samples, np.float32)


def generator_hash() -> str:
    """SHA-256 of the programs that make synthetic sound: other programs, other sounds."""
    digest = hashlib.sha256()
    for source in sorted(Path(synthetic.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _patient(seed: int) -> Recording:
    _, sounds = scene(seed, DURATION_S)
    events = tuple(Annotation(s.onset_s, s.end_s, () if s.label == "breath" else (s.label,)) for s in sounds)
    labels_found = {label for event in events for label in event.labels}
    continuous, discontinuous = bool(labels_found & set(CONTINUOUS)), bool(labels_found & set(DISCONTINUOUS))
    label = {(0, 0): "Normal", (1, 0): "CAS", (0, 1): "DAS", (1, 1): "CAS & DAS"}[continuous, discontinuous]
    return Recording(Path("synthetic", str(seed)), f"synthetic-{seed}", label, events, is_synthetic=True)
