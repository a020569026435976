"""How often the gate before a clip's disk (`edge.clips.speech`) finds speech, and what else it takes for it.

    python -m training.evaluation.speech_gate --data FOLDER

Patients and speakers are dealt into two halves by the hash of their name. On the first half the limit is chosen: the
highest at which `FOUND` of the words over chest sound are found, at every loudness together. The table is of the other
half, at the limit that is shipped. Words are four digits of one speaker, a fifth of a second apart, over a chest
recording of the same half, as loud as is said relative to it. Not for training: nothing is fitted but the limit.
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.clips.speech import LIMIT, statistic
from training.datasets import Recording
from training.datasets.discovery import read_datasets
from training.datasets.files import read_sound

RATE_HZ = 8000
FOUND = 0.97
LOUDER_DB = (10.0, 0.0, -10.0, -20.0)  # words above the chest sound, rms of the whole band
SENTENCES = 60  # of each speaker
PAUSE_S = 0.2

Sound = NDArray[np.float32]
Rates = dict[str, NDArray[np.float64]]


def half_of(recording: Recording) -> int:
    """0, where the limit is chosen, or 1, where it is judged; the same for all of one patient or speaker."""
    return hashlib.sha256(recording.patient.encode()).digest()[0] % 2


def measure(recordings: Sequence[Recording], half: int, seed: int = 0) -> Rates:
    """The statistic of every sound of a half, by what it is.

    Args:
        recordings: chest and others.
        half: 0 or 1.
        seed: of the sentences and where they are spoken.
    """
    mine = [each for each in recordings if half_of(each) == half]
    chest = [each for each in mine if each.is_real_chest and each.dataset == "sprsound"]
    spoken = [each for each in mine if each.record_label == "speech"]
    names = {label: [each for each in chest if each.record_label == label] for label in _labels(chest)}
    names |= {kind: [each for each in mine if each.record_label == kind] for kind in ("cough", "heart", "infant_cry")}
    rates = {name: _all(read_sound(each.path, RATE_HZ) for each in some) for name, some in names.items()}
    rates["a single word"] = _all(read_sound(each.path, RATE_HZ) for each in spoken)
    for louder_db in LOUDER_DB:
        rng = np.random.default_rng(seed)
        rates[f"words {louder_db:+.0f} dB"] = _all(_sentences(spoken, chest, louder_db, rng))
    return rates


def best_limit(rates: Rates) -> float:
    """The highest limit at which `FOUND` of the words over chest sound are found."""
    words = np.concatenate([values for name, values in rates.items() if name.startswith("words")])
    return float(np.quantile(words, 1 - FOUND))


def mixed(words: Sequence[Sound], chest: Sound, louder_db: float, begin: int) -> Sound:
    """Words over chest sound.

    Args:
        words: (N,) each, one after the other with a pause.
        chest: (N,).
        louder_db: level of the words above that of the chest sound.
        begin: sample at which the first begins; what does not fit is left out.
    """
    pause = np.zeros(round(PAUSE_S * RATE_HZ), np.float32)
    sentence = np.concatenate([part for word in words for part in (word, pause)])[: len(chest) - begin]
    gain = _rms(chest) / _rms(np.concatenate(list(words))) * 10 ** (louder_db / 20)
    out = chest.copy()
    out[begin : begin + len(sentence)] += np.float32(gain) * sentence
    return out


def _sentences(
    spoken: Sequence[Recording], chest: Sequence[Recording], louder_db: float, rng: np.random.Generator
) -> Iterable[Sound]:
    for speaker in sorted({each.patient for each in spoken}):
        own = [each for each in spoken if each.patient == speaker]
        for _ in range(SENTENCES):
            words = [read_sound(own[number].path, RATE_HZ) for number in rng.integers(len(own), size=4).tolist()]
            sound = read_sound(chest[int(rng.integers(len(chest)))].path, RATE_HZ)
            yield mixed(words, sound, louder_db, int(rng.integers(max(1, len(sound) - 4 * RATE_HZ))))


def _all(sounds: Iterable[Sound]) -> NDArray[np.float64]:
    return np.array([statistic(sound, np.ones(len(sound), np.bool_), RATE_HZ) for sound in sounds])


def _labels(recordings: Sequence[Recording]) -> list[str]:
    return sorted({each.record_label for each in recordings})


def _rms(sound: Sound) -> float:
    return float(np.sqrt(np.mean(np.square(sound)))) or 1.0


def main() -> None:
    """Print the limit that the first half gives, and the rates of the second."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.speech_gate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with sprsound and negatives")
    recordings = read_datasets(parser.parse_args().data)
    print(f"limit of the first half: {best_limit(measure(recordings, 0)):.4f}; shipped: {LIMIT}")
    for name, values in measure(recordings, 1).items():
        print(f"{name:<16} {np.mean(values > LIMIT):6.3f} of {len(values)}")


if __name__ == "__main__":
    main()
