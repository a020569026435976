"""What a recording and its annotations are, whatever set they come from. Reads no file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

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
