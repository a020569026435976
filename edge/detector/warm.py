"""Have the detector ready before the first sound: its kernels compiled or loaded, the compiler out of memory.

Not for computing anything. Loading a cached kernel runs 50 MB of LLVM's machine code through memory, a quarter of what
a node may use, and never needs it again; those pages are clean copies of a file, so they are handed back to the system,
which would read them again should a kernel be compiled later (measured: 196 MB peak without, 158 MB with).
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numpy as np

from edge.detector.change_points import ChangePoints
from edge.detector.class_rules import ClassRule
from edge.detector.statistics import SampleCounts, SoundStatistics
from edge.features import FeatureSpec, FrontEnd
from edge.model.specs import GroupSpec
from edge.types import Block

MADV_DONTNEED = 4  # <sys/mman.h> of Linux


def warm_up() -> None:
    """Prepare the kernels of the default model; 0.4 s, or 9 s beside other work if they must be compiled."""
    block, spec = Block(0, np.zeros(4096, np.float32), np.ones(4096, np.bool_)), FeatureSpec(high_pass_hz=110)
    for frames in FrontEnd(spec).push(block):
        SoundStatistics(spec).push(frames.values, frames.valid)
    SampleCounts().push(block)
    ChangePoints(GroupSpec("any", ("any",), 1, 0.5, 1, 1, 1), [0.5], 1, [ClassRule(0.5, 1, 1)], None)
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
