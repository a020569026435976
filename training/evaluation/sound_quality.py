"""`python -m training.evaluation.sound_quality`: how often is chest sound called one that cannot be judged?

Fits the discriminant of `edge.detector.quality` (lost contact, rubbing) to SPRSound's recordings of Poor Quality, on
half of the patients, so that 2 % of the other recordings are called so, and prints what it finds on the other half;
`HALVES` times, with a limit that never saw who it is judged on. Then the weights of all patients, which are those that
ship, and which fault is found with what is shipped now in how many recordings, and in how many pieces of 16 s of the
clips of other sounds, joined end to end. Recordings with less than 8 s of whole stretches count as not called. Not for
events (`python -m training.evaluation`).
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from edge.detector.quality import LEAST, NAMES, STRETCHES, fault_of, statistics
from edge.detector.quality_statistics import Stretch, StretchMeter
from edge.errors import ConfigError, LaennecError
from training.datasets import Recording, read_datasets
from training.datasets.sounds import read_sound

RATE_HZ = 8000
POOR = "Poor Quality"
CALLED = 0.02  # share of the other recordings that may be called so
HALVES = 10  # times that the patients are cut in two; each half is judged once


@dataclass(frozen=True, slots=True)
class Fit:
    """A discriminant."""

    weights: NDArray[np.float64]
    """(S,) of each statistic."""
    middle: NDArray[np.float64]
    """(S,) mean of each statistic."""
    limit: float
    """From here on a recording is called poor."""

    def called(self, found: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(R,) which recordings are called so, of (R, S); those without statistics are not."""
        return np.asarray((found - self.middle) @ self.weights > self.limit)


def stretches_of(samples: NDArray[np.float32], meter: StretchMeter) -> list[Stretch]:
    """All whole ones of (N,) samples; none where they are too short to be judged."""
    whole = [samples[at : at + meter.samples] for at in range(0, len(samples) - meter.samples + 1, meter.samples)]
    return [meter.measure(part) for part in whole] if len(whole) >= LEAST else []


def pieces_of(recordings: Sequence[Recording], meter: StretchMeter) -> list[list[Stretch]]:
    """Clips of one kind of sound, joined end to end, in pieces as long as what a bed is judged by."""
    stretches = stretches_of(np.concatenate([read_sound(each.path, RATE_HZ) for each in recordings]), meter)
    return [stretches[at : at + STRETCHES] for at in range(0, len(stretches) - STRETCHES + 1, STRETCHES)]


def fit(found: NDArray[np.float64], is_poor: NDArray[np.bool_]) -> Fit:
    """The discriminant of some recordings.

    Args:
        found: (R, S) statistics; rows that are not numbers are left out.
        is_poor: (R,) which are of poor quality.
    """
    known = np.isfinite(found).all(axis=1)
    found, is_poor = found[known], is_poor[known]
    middle, spread = found.mean(axis=0), found.std(axis=0)
    model = LogisticRegression().fit((found - middle) / spread, is_poor)
    weights = model.coef_[0] / spread
    return Fit(weights, middle, float(np.quantile((found[~is_poor] - middle) @ weights, 1 - CALLED)))


def halves(
    found: NDArray[np.float64], is_poor: NDArray[np.bool_], patients: Sequence[str], seed: int = 0
) -> NDArray[np.float64]:
    """(2 HALVES, 2) shares of the poor and of the others that are called poor, of patients who chose nothing."""
    rng, names, shares = np.random.default_rng(seed), sorted(set(patients)), []
    for _ in range(HALVES):
        first = set(rng.permutation(names)[: len(names) // 2].tolist())
        is_first = np.array([patient in first for patient in patients])
        for chosen in (is_first, ~is_first):
            called = fit(found[chosen], is_poor[chosen]).called(found)
            shares.append([called[~chosen & is_poor].mean(), called[~chosen & ~is_poor].mean()])
    return np.array(shares)


def report(recordings: Sequence[Recording]) -> list[str]:
    """Everything that is printed."""
    meter = StretchMeter(RATE_HZ)
    chests = [recording for recording in recordings if recording.dataset == "sprsound"]
    if not chests:
        raise ConfigError("no recording of SPRSound in DATA; its Poor Quality is what the limit is chosen on")
    measured = [stretches_of(read_sound(chest.path, RATE_HZ), meter)[-STRETCHES:] for chest in chests]
    found = np.array([statistics(each) if each else np.full(len(NAMES), np.nan) for each in measured])
    is_poor = np.array([chest.record_label == POOR for chest in chests])
    shares = halves(found, is_poor, [chest.patient for chest in chests])
    (poor, others), spread = shares.mean(axis=0), shares.std(axis=0)
    everyone = fit(found, is_poor)
    lines = [
        f"chosen on half of the patients and judged on the other half, {len(shares)} times: called poor",
        f"  {POOR:14s} {poor:.3f} (standard deviation of a half {spread[0]:.3f})",
        f"  {'others':14s} {others:.4f} ({spread[1]:.4f})",
        "all patients:  " + "  ".join(f"{name} {w:.3g}" for name, w in zip(NAMES, everyone.weights, strict=True)),
        "  middle       " + "  ".join(f"{name} {m:.4g}" for name, m in zip(NAMES, everyone.middle, strict=True)),
        f"  limit        {everyone.limit:.3f}",
        "with what is shipped:",
    ]
    labels = [chest.record_label for chest in chests]
    for label in sorted(set(labels)):
        lines.append(_line(label, [each for each, of in zip(measured, labels, strict=True) if of == label]))
    negatives = [recording for recording in recordings if recording.is_negative]
    for kind in sorted({negative.path.parent.name for negative in negatives}):
        lines.append(_line(kind, pieces_of([each for each in negatives if each.path.parent.name == kind], meter)))
    return lines


def _line(kind: str, measured: Sequence[Sequence[Stretch]]) -> str:
    """How many sounds of one kind have which fault."""
    counts = Counter(str(fault_of(each)) if each else "None" for each in measured)
    told = ", ".join(
        f"{name.replace('None', 'nothing')} {count / len(measured):.3f}" for name, count in counts.most_common()
    )
    return f"  {kind:14s} {len(measured):5d}  {told}"


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.sound_quality", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the recordings, see training/README.md")
    given = parser.parse_args(arguments)
    try:
        print("\n".join(report(read_datasets(given.data))))
    except LaennecError as error:
        print(f"sound_quality: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
