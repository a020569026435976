"""A ward of twelve patients whose wheezes are tones: small enough to train on in seconds, different enough to learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from training.clips.schema import parse_recipe
from training.datasets import read_datasets
from training.options import merged
from training.tasks import TASKS, Clip

RATE_HZ = 8000
TINY: dict[str, Any] = {
    "name": "tiny",
    "source": "made for the tests of this project",
    "follows": ["nothing"],
    "chosen": ["everything"],
    "task": "1-1",
    "features": {
        "mel": {
            "rate_hz": 4000,
            "hop_samples": 128,
            "bands": 16,
            "high_hz": 1900.0,
            "analysis": {"kind": "mel", "windows_samples": [256], "fft_size": 256},
            "offset": [-60.0],
            "scale": [20.0],
        }
    },
    "clip": {
        "event": {"seconds": 1.0, "pad": "repeat"},
        "record": {"seconds": 3.0, "pad": "zero"},
        "cycle": {"seconds": 2.0, "pad": "none"},
    },
    "network": {
        "kind": "inception-2023",
        "sizes": {"channels": [4, 8], "embedding_size": 8, "heads": 2, "dropout": 0.1},
    },
    "losses": [{"kind": "cross-entropy"}],
    "validation": {"folds": 3},
    "loop": {"epochs": 2, "batch": 8, "learning_rate": 0.01, "average": 0.5, "precision": "fp32"},
}


def make_ward(root: Path, patients: int = 12) -> Path:
    """DATA with sprsound/train and negatives; returns it."""
    folder = root / "sprsound" / "train"
    folder.mkdir(parents=True)
    for patient in range(patients):
        for take in range(2):
            _record(folder, patient, take)
    rng = np.random.default_rng(99)
    for kind, count in (("cough", 6), ("speech", 6)):
        (root / "negatives" / kind).mkdir(parents=True)
        for i in range(count):
            sound = rng.normal(0, 0.1 if kind == "cough" else 0.01, RATE_HZ * 2) * np.linspace(1, 0, RATE_HZ * 2)
            soundfile.write(root / "negatives" / kind / f"{i}_speaker{i}_0.wav", sound, RATE_HZ)
    return root


def _record(folder: Path, patient: int, take: int) -> None:
    rng = np.random.default_rng([patient, take])
    time_s = np.arange(int(2.6 * RATE_HZ)) / RATE_HZ
    sound, events = rng.normal(0, 0.002, len(time_s)), []
    ill = patient % 2 == 1
    for start_s, end_s in ((0.2, 1.2), (1.4, 2.4)):
        inside = (time_s >= start_s) & (time_s < end_s)
        if ill:
            sound[inside] += 0.1 * np.sin(2 * np.pi * rng.uniform(350, 450) * time_s[inside])
        label = "Wheeze" if ill else "Normal"
        events.append({"start": str(round(1000 * start_s)), "end": str(round(1000 * end_s)), "type": label})
    name = f"{40000000 + patient}_3.0_0_p{take + 1}_{patient * 10 + take}"
    soundfile.write(folder / f"{name}.wav", sound, RATE_HZ, subtype="PCM_16")
    (folder / f"{name}.json").write_text(
        json.dumps({"record_annotation": "CAS" if ill else "Normal", "event_annotation": events})
    )


def ward_clips(root: Path, task: str = "1-1") -> list[Clip]:
    """The clips of a task."""
    return TASKS[task].clips(read_datasets(root, ["sprsound"]))


def tiny_recipe(**changes: Any) -> Any:
    """A recipe for a test; whole keys of `TINY` are replaced, mappings merged."""
    return parse_recipe(merged(TINY, changes), "tiny.yaml")
