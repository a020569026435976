"""Have the detector ready before the first sound: its kernels compiled or loaded, the compiler out of memory.

Not for computing anything. Loading a cached kernel runs 50 MB of LLVM's machine code through memory, a quarter of what
a node may use, and never needs it again; those pages are clean copies of a file, so they are handed back to the system,
which would read them again should a kernel be compiled later (measured: 196 MB peak without, 158 MB with).
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.detector.change_points import ChangePoints
from edge.detector.class_rules import ClassRule
from edge.detector.sound_check import SoundCheck
from edge.features import FeatureSpec
from edge.model.specs import ChunkSpec, GroupSpec
from edge.model.training_domain import GROUPS, TrainingDomain

KNOWN = TrainingDomain(1, 1, (0.0, 0.0), (0.0,) * 3, (0.0,) * 3, ((0.0,) * 3,) * GROUPS, (0.0,) * 3)
MADV_DONTNEED = 4  # <sys/mman.h> of Linux


@dataclass
class _Model:
    """What chunks are made for."""

    spec: FeatureSpec
    chunk: ChunkSpec
    known: TrainingDomain | None


def warm_up() -> None:
    """Prepare the kernels of the default model; 0.4 s, or 9 s beside other work if they must be compiled."""
    SoundCheck.of(_Model(FeatureSpec(high_pass_hz=110), ChunkSpec(60, 0, 4), KNOWN), np.zeros(8000, np.float32))
    ChangePoints(GroupSpec("any", ("any",), 1, 0.5, 1, 1, 1), [0.5], 1, [ClassRule(0.5, 1, 1)], None, [0])
    _release_compiler()


def _release_compiler() -> None:
    """Drop the resident pages of LLVM's code; on systems other than Linux, nothing."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return
    advise = ctypes.CDLL(None, use_errno=True).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for line in maps.read_text().splitlines():
        code = re.match(r"([0-9a-f]+)-([0-9a-f]+) r-xp .*/libllvmlite\.so", line)  # never written to, so never lost
        if code:
            start, stop = (int(address, 16) for address in code.groups())
            advise(start, stop - start, MADV_DONTNEED)  # a refusal costs memory, nothing else
