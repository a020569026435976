"""Did the model train on what it is judged by? Says so loudly, or says that nobody knows. Judges no score.

A model may name its recordings and patients. An artefact of the edge carries the hash of each name, that recognises a
name and does not tell it; an older one has only the fingerprint of its training data, which is compared with that of
the sets that lie in DATA.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from training.datasets import Recording, fingerprint, hashed_name
from training.metrics.predictions import Provenance, Sourced

NOBODY_KNOWS = "NOT KNOWN WHETHER THE MODEL WAS TRAINED ON THESE RECORDINGS (it names none that are in DATA)"


def provenance_of(model: object, recordings: Sequence[Recording]) -> Provenance:
    """What the model was trained on, with the names behind its fingerprint where DATA holds the same recordings.

    Args:
        model: any predictor or listener.
        recordings: everything in DATA.
    """
    said = model.provenance if isinstance(model, Sourced) else Provenance()
    if said.hashed_names is not None:
        stems = frozenset(r.path.stem for r in recordings if hashed_name("recording", r.path.stem) in said.hashed_names)
        patients = frozenset(r.patient for r in recordings if hashed_name("patient", r.patient) in said.hashed_names)
        return replace(said, recordings=stems, patients=patients)
    if said.recordings is not None or not said.fingerprint:
        return said
    for chosen in _candidates(recordings):
        if fingerprint(chosen) == said.fingerprint:
            return replace(trained_on(chosen, said.fingerprint), stated=said.stated)
    return said


def trained_on(recordings: Iterable[Recording], sha256: str = "") -> Provenance:
    """The provenance of a model that was trained on exactly these."""
    real = [r for r in recordings if not r.is_synthetic]
    return Provenance(frozenset(r.path.stem for r in real), frozenset(r.patient for r in real), sha256)


def notice(provenance: Provenance, recordings: Sequence[Recording]) -> str:
    """What must stand beside numbers on these recordings; empty when none of their patients was trained on."""
    if provenance.recordings is None and provenance.patients is None:
        return NOBODY_KNOWS
    leaked = sum(r.path.stem in (provenance.recordings or ()) for r in recordings)
    if leaked:
        return f"THESE RECORDINGS WERE IN THE TRAINING DATA ({leaked} of {len(recordings)})"
    patients = {r.patient for r in recordings}
    known = len(patients & (provenance.patients or frozenset()))
    return f"other recordings of {known} of these {len(patients)} patients were in the training data" if known else ""


def _candidates(recordings: Sequence[Recording]) -> list[list[Recording]]:
    """Sets of recordings that a training may have had, in the order in which it read them."""
    train = [r for r in recordings if r.split == "train" and r.is_real_chest]
    negatives = [r for r in recordings if r.is_negative]
    names = sorted({r.dataset for r in train})
    chosen = [[r for r in train if r.dataset == name] for name in names]
    chosen = [*chosen, train] if len(names) > 1 else chosen
    return [some for one in chosen for some in ([*one, *negatives], [*negatives, *one], one)] if negatives else chosen
