"""The official tasks: which pieces of which recordings are judged, and by which labels.

A task turns recordings into clips: the piece of sound that a method may hear, and its label. The first label is the
negative class (Normal); labels in `ignored` count neither for sensitivity nor for specificity. A model of a task
answers another one when each of its labels means one label there (`translation`): 1-2 answers 1-1 and all tasks of
ICBHI, 2-2 answers 2-1, icbhi-4 answers icbhi-2 and 1-1 and `ood` (its labels on SPRSound). Not for scores
(`training.metrics`) nor for sound (`training.datasets.files`).

Source: BioCAS 2022/2023 grand challenge on SPRSound (tasks 1-1 to 2-2); Rocha et al. 2019 (ICBHI 2017); the class map
of ICBHI -> SPRSound is that of Patch-Mix's and QLung's laboratory: crackles of both kinds are `Crackle`, rhonchi and
stridor are dropped. That a model's rhonchi or stridor is a `Wheeze` of ICBHI (`members`) is our choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from training.datasets.records import Recording

NORMAL = "Normal"
_SAME = {
    name: name for name in (NORMAL, "Rhonchi", "Wheeze", "Stridor", "Coarse Crackle", "Fine Crackle", "Wheeze+Crackle")
}
_CYCLE = {"Crackle": "Crackle", "Wheeze": "Wheeze", "Both": "Both"}


@dataclass(frozen=True, slots=True)
class Clip:
    """One piece of sound that is judged as a whole."""

    recording: Recording
    start_s: float
    """Seconds from the start of the recording."""
    end_s: float | None
    """Seconds from the start of the recording; None for the whole recording."""
    label: str
    """One of the task's labels."""
    index: int
    """Number of the annotation in the published file, which is not always in order of time; 0 for a whole recording."""

    @property
    def name(self) -> str:
        """Name that a table of predictions uses: `<recording>_<index>`, or `<recording>` for a whole one."""
        return self.recording.path.stem if self.end_s is None else f"{self.recording.path.stem}_{self.index}"


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a challenge: whose clips are asked for, and by which labels."""

    name: str
    """`1-1`, `1-2`, `2-1`, `2-2`, `icbhi-2`, `icbhi-4` or `ood`."""
    dataset: str
    """Whose recordings: `sprsound` or `icbhi`."""
    unit: Literal["event", "record"]
    """What is judged: annotated pieces (events, cycles) or whole recordings."""
    labels: tuple[str, ...]
    """The negative class first."""
    map: dict[str, str]
    """From the published label to the task's; what is not in it is dropped."""
    ignored: tuple[str, ...] = ()
    """Labels that count neither way, though predicting one for another is a mistake."""

    def clips(self, recordings: list[Recording]) -> list[Clip]:
        """Every clip of the recordings of this task's data set, in their order."""
        mine = [r for r in recordings if r.dataset == self.dataset and r.is_real_chest]
        if self.unit == "record":
            return [Clip(r, 0.0, None, self.map[r.record_label], 0) for r in mine if r.record_label in self.map]
        return [
            Clip(r, event.start_s, event.end_s, self.map[event.name], event.number)
            for r in mine
            for event in r.events
            if event.name in self.map
        ]

    def check_examples(self, clips: Sequence[Clip]) -> None:
        """Refuse to train on clips that leave a label of the task without an example.

        Raises:
            ConfigError: names the task, the labels and how many clips there are.
        """
        lacking = sorted(set(self.labels) - {clip.label for clip in clips}, key=self.labels.index)
        if lacking:
            raise ConfigError(
                f"task {self.name}: no training clip of {', '.join(lacking)} among {len(clips)}; add recordings of it, "
                "choose another validation.fold, raise limit, or choose another task"
            )


def _adventitious(names: dict[str, str]) -> dict[str, str]:
    return {name: NORMAL if label == NORMAL else "Adventitious" for name, label in names.items()}


_EVENTS = {**_SAME, "Wheeze & Crackle": "Wheeze+Crackle"}
_RECORDS = {name: name for name in (NORMAL, "CAS", "DAS", "CAS & DAS", "Poor Quality")}
_POOR = "Poor Quality"

TASKS = {
    task.name: task
    for task in (
        Task("1-1", "sprsound", "event", (NORMAL, "Adventitious"), _adventitious(_EVENTS)),
        Task("1-2", "sprsound", "event", tuple(_SAME), _EVENTS),
        Task(
            "2-1",
            "sprsound",
            "record",
            (NORMAL, "Adventitious", _POOR),
            {**_adventitious(_RECORDS), _POOR: _POOR},
            (_POOR,),
        ),
        Task("2-2", "sprsound", "record", tuple(_RECORDS), _RECORDS, (_POOR,)),
        Task(
            "icbhi-2",
            "icbhi",
            "event",
            (NORMAL, "Abnormal"),
            {NORMAL: NORMAL, **dict.fromkeys(_CYCLE, "Abnormal")},
        ),
        Task("icbhi-4", "icbhi", "event", (NORMAL, *_CYCLE), {NORMAL: NORMAL, **_CYCLE}),
        Task(
            "ood",
            "sprsound",
            "event",
            (NORMAL, *_CYCLE),
            {
                NORMAL: NORMAL,
                "Coarse Crackle": "Crackle",
                "Fine Crackle": "Crackle",
                "Wheeze": "Wheeze",
                "Wheeze+Crackle": "Both",
                "Wheeze & Crackle": "Both",
            },
        ),
    )
}
CLIP_LABELS = TASKS["1-2"].labels
"""What the detector names a clip; the answers to the other tasks follow from these."""
_ABNORMAL = CLIP_LABELS[1:]
_ICBHI = {
    "Crackle": ("Fine Crackle", "Coarse Crackle"),
    "Wheeze": ("Wheeze", "Rhonchi", "Stridor"),
    "Both": ("Wheeze+Crackle",),
}
_MEMBERS: dict[str, dict[str, tuple[str, ...]]] = {
    "1-1": {"Adventitious": _ABNORMAL},
    "1-2": {label: (label,) for label in _ABNORMAL},
    "icbhi-2": {"Abnormal": _ABNORMAL},
    "icbhi-4": _ICBHI,
    "ood": _ICBHI,
    "2-1": {"Adventitious": ("CAS", "DAS", "CAS & DAS"), _POOR: (_POOR,)},
    "2-2": {label: (label,) for label in TASKS["2-2"].labels[1:]},
}


def members(task: Task) -> dict[str, tuple[str, ...]]:
    """Each label of a task, and which labels of task 1-2 (events) or 2-2 (recordings) it stands for, in this order."""
    return {NORMAL: (NORMAL,), **_MEMBERS[task.name]}


def translation(own: Task, asked: Task) -> NDArray[np.float32] | None:
    """(L, L') from the labels of one task to those of another; None where a label would mean several, or none."""
    if own.unit != asked.unit:
        return None
    mine, theirs = members(own), members(asked)
    fits = np.array([[set(mine[label]) <= set(theirs[other]) for other in asked.labels] for label in own.labels])
    return fits.astype(np.float32) if (fits.sum(axis=1) == 1).all() else None


def coarser_tasks(own: Task) -> dict[str, NDArray[np.float32]]:
    """Other tasks on the same clips that the answers to this one answer, as 2-1 by 2-2, each with its `translation`.

    Not of ICBHI, whose two classes are read off what was decided in four.
    """
    same = [t for t in TASKS.values() if t.dataset == own.dataset and t.map.keys() == own.map.keys()]
    others = [t for t in same if t is not own and t.dataset != "icbhi"]
    found = {task.name: translation(own, task) for task in others}
    return {name: matrix for name, matrix in found.items() if matrix is not None}


def translated(own: Task, asked: Task) -> str:
    """What a table says of it; empty where nothing was translated."""
    matrix = translation(own, asked)
    if matrix is None or own.labels == asked.labels:
        return ""
    means = [
        f"{other} = {' or '.join(label for label, fits in zip(own.labels, column, strict=True) if fits)}"
        for other, column in zip(asked.labels, matrix.T, strict=True)
    ]
    return f"from the answers to {own.name}: {'; '.join(means)}"
