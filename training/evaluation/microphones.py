"""`python -m training.evaluation.microphones`: recordings as another microphone would have made them, with labels.

For trying `laennec adapt`, and what follows it, on a device whose answers are known: `--microphone 2 --out FOLDER`.
Filters, gains and noise are simulated, and no training knows them. `--fold` takes the patients of one fold of the
training, whom the network of that fold never heard. What is written is a folder of data sets (`sprsound/train`, WAV of
16 bit). Not for a real microphone, which has a room, a chest piece and a hand as well.
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import fftconvolve, firwin2

from edge.errors import ConfigError, LaennecError
from training.datasets import Recording
from training.datasets.files import read_sound
from training.datasets.records import draw
from training.detector.hyperparameters import Recipe, load_edge_recipe
from training.detector.training_data import TrainingData, read_recordings
from training.metrics.streaming import is_annotated_chest
from training.terminal import count, print_any_name

RATE_HZ = 8000
TAPS = 1025
SEED = 0


@dataclass(frozen=True, slots=True)
class Microphone:
    """What it does to sound."""

    name: str
    curve: tuple[tuple[float, float], ...]
    """Frequency, Hz, and gain there, dB; between them the amplitude is a straight line."""
    noise_dbfs: float | None = None
    """Of its own, white; None: none."""


MICROPHONES = (
    Microphone("18 dB less below 150 Hz, noise of -75 dBFS", ((0, -18), (120, -18), (180, 0), (4000, 0)), -75.0),
    Microphone(
        "20 dB fainter, 12 dB less at 800 Hz, noise of -85 dBFS", ((0, -20), (400, -20), (800, -32), (4000, -32)), -85.0
    ),
    Microphone("noise of -70 dBFS", ((0, 0), (4000, 0)), -70.0),
    Microphone("20 dB more above 300 Hz", ((0, 0), (250, 0), (350, 20), (4000, 20))),
    Microphone("24 dB less at 1.6 kHz", ((0, 0), (200, 0), (1600, -24), (4000, -24))),
)


def through(samples: NDArray[np.float32], microphone: Microphone, seed: int) -> NDArray[np.float32]:
    """(N,) samples at `RATE_HZ` as the microphone would have them, in full scale and 16 bit.

    Args:
        samples: (N,) as they were recorded.
        microphone: which.
        seed: of its noise.
    """
    frequencies, gains_db = (np.array(values, np.float64) for values in zip(*microphone.curve, strict=True))
    taps = firwin2(TAPS, frequencies / (RATE_HZ / 2), 10 ** (gains_db / 20))
    heard = fftconvolve(samples, taps, mode="same")
    if microphone.noise_dbfs is not None:
        heard = heard + 10 ** (microphone.noise_dbfs / 20) * np.random.default_rng(seed).standard_normal(len(heard))
    return quantised(heard)


def quantised(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """(N,) samples as a converter of 16 bit has them."""
    return np.asarray(np.clip(np.round(samples * 32768), -32768, 32767) / 32768, np.float32)


def of_fold(recordings: Sequence[Recording], recipe: Recipe, fold: int) -> list[Recording]:
    """The annotated recordings of SPRSound whose patients the network of a fold never heard."""
    folds = TrainingData(tuple(recordings), Path()).fold_of(recipe)
    chest = [r for r in recordings if is_annotated_chest(r) and not r.is_synthetic and r.dataset == "sprsound"]
    return [r for r in chest if folds[r.patient] == fold]


def write(recordings: list[Recording], microphone: Microphone, out: Path) -> None:
    """The recordings through the microphone, with their annotations, which lie beside the sound.

    Raises:
        ConfigError: if a recording does not decode.
        OSError: if an annotation lies elsewhere, or nothing can be written.
    """
    folder = out / "sprsound" / "train"
    folder.mkdir(parents=True)
    for recording in recordings:
        samples = through(read_sound(recording.path, RATE_HZ), microphone, crc32(recording.path.name.encode()))
        soundfile.write(folder / f"{recording.path.stem}.wav", samples, RATE_HZ, subtype="PCM_16")
        shutil.copy(recording.path.with_suffix(".json"), folder)


def main(arguments: list[str] | None = None) -> int:
    """Write the folder; exit code 2 for the operator's mistakes."""
    named = "; ".join(f"{number}: {one.name}" for number, one in enumerate(MICROPHONES))
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.microphones", description=__doc__)
    parser.add_argument("--microphone", type=int, choices=range(len(MICROPHONES)), required=True, help=named)
    parser.add_argument("--fold", type=int, default=0, help="whose patients (%(default)s)")
    parser.add_argument("--recordings", type=count, help="at most, every label among them; default: all of the fold")
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets, see training/DATA.md")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    given = parser.parse_args(arguments)
    print_any_name()
    try:
        if given.out.exists():
            raise ConfigError(f"--out {given.out}: is there already; give another folder")
        recipe = load_edge_recipe()
        some = of_fold(read_recordings(given.data, recipe), recipe, given.fold)
        if given.recordings:
            some = draw(some, given.recordings, 5, np.random.default_rng(SEED))
        write(some, MICROPHONES[given.microphone], given.out)
    except (LaennecError, OSError) as error:
        print(f"microphones: {error}", file=sys.stderr)
        return 2
    patients = len({r.patient for r in some})
    print(f"{len(some)} recordings of {patients} patients: {MICROPHONES[given.microphone].name}; in {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
