"""`python -m training.evaluation.sound_quality`: how often is chest sound called one that cannot be judged?

Fits the discriminants of `edge.detector.quality` (no breath, rubbing, a loose sensor) and the evidence of contact
(`edge.detector.quality_measures`) to recordings of several devices and to simulated devices and faults
(`training.evaluation.sound_faults`): on half of the patients, judged on the other half, both ways; on SPRSound alone,
judged on the other devices; on all, which are the weights that ship. Then what is called what with what is shipped now:
recordings as they are, with intervals over patients, and every fault on every kind of device.

DATA holds `sprsound`, `icbhi`, `negatives` and, if there are any, recordings of other stethoscopes below
`other_devices` (a folder for each; the patient is what a name begins with, a folder without patients is one). Sound of
less than 8 s is left out. Not for events (`python -m training.evaluation`).
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from edge.detector.quality import (
    LEAST,
    LOOSE,
    NAMES,
    RUBBING,
    SEGMENTS,
    STILL,
    Discriminant,
    fault_of,
    movement_of,
    statistics,
)
from edge.detector.quality_measures import WEIGHTS as CONTACT_WEIGHTS
from edge.detector.quality_measures import Movement, Segment, SegmentMeter, evidence_of_contact
from edge.errors import ConfigError, LaennecError
from training.datasets import Recording, read_datasets
from training.datasets.files import read_sound, sound_paths
from training.evaluation.sound_faults import AIR, FAULTS, LOW, PAUSE, RATE_HZ, RUBS, heard_by, not_clipped, with_fault

POOR = "Poor Quality"
EVERY_CHEST, EVERY_FAULT = 6, 60  # one in so many recordings of SPRSound is heard at all, and with every fault
EVERY_HEART, EVERY_OTHER, EVERY_OTHER_FAULT = 3, 3, 4  # of hearts; of other stethoscopes, but for ICBHI's
LONGEST_S = 16
SIMULATED = "simulated"
RESAMPLES = 1000
CALLED = {"still": 0.001, "rubbing": 0.005, "loose": 0.02, "contact": 0.01}
"""Share of what is not so that may be called so."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One sound of known kind, measured."""

    kind: str
    """Its set; `Poor Quality` for those of SPRSound."""
    patient: str
    device: str
    """`` as it was recorded, or `simulated`."""
    fault: str
    """Of `FAULTS`; empty for none."""
    stretches: tuple[Segment, ...]

    @property
    def is_chest(self) -> bool:
        """Whether breath is in it, whatever sounds below 100 Hz beside it."""
        return self.kind not in (POOR, "heart") and (not self.fault or self.fault in LOW)

    @property
    def levels_db(self) -> NDArray[np.float64]:
        """(T, bands)."""
        return np.concatenate([each.levels_db for each in self.stretches]).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a chest is read from."""

    kind: str
    patient: str
    path: Path
    has_faults: bool


def stretches_of(samples: NDArray[np.float32], meter: SegmentMeter) -> tuple[Segment, ...]:
    """All whole ones of (N,) samples; none where they are too short to be judged."""
    whole = [samples[at : at + meter.samples] for at in range(0, len(samples) - meter.samples + 1, meter.samples)]
    return tuple(meter.measure(part) for part in whole) if len(whole) >= LEAST else ()


def sources(recordings: Sequence[Recording], others: Path) -> Iterator[Source]:
    """Chests and hearts, of all devices that there are."""
    chests = [each for each in recordings if each.dataset == "sprsound"]
    if not chests:
        raise ConfigError("no recording of SPRSound in DATA; its Poor Quality is what the limit is chosen on")
    for chest in (each for each in chests if each.record_label == POOR):
        yield Source(POOR, chest.patient, chest.path, has_faults=False)
    good = [each for each in chests if each.record_label != POOR]
    for number, chest in enumerate(good[::EVERY_CHEST]):
        yield Source("sprsound", chest.patient, chest.path, has_faults=number * EVERY_CHEST % EVERY_FAULT == 0)
    for chest in (each for each in recordings if each.dataset == "icbhi" and each.path.is_file()):
        yield Source("icbhi", chest.path.stem.split("_")[0], chest.path, has_faults=True)
    for heart in [each for each in recordings if each.record_label == "heart"][::EVERY_HEART]:
        yield Source("heart", heart.patient, heart.path, has_faults=False)
    for folder in sorted(each for each in others.rglob("*") if each.is_dir()) if others.is_dir() else []:
        kind = "icbhi" if folder.name.startswith("icbhi") else f"{folder.parent.name}/{folder.name}"
        kind = "heart" if folder.name == "heart" else kind
        paths = sorted(each for each in sound_paths(folder) if each.parent == folder)
        for number, path in enumerate(paths if kind == "icbhi" else paths[::EVERY_OTHER]):
            patient = path.stem.split("_")[0] if kind == "icbhi" else kind
            yield Source(kind, patient, path, kind == "icbhi" or (kind != "heart" and number % EVERY_OTHER_FAULT == 0))


def measured(source: Source, number: int, spoken: Sequence[NDArray[np.float32]], meter: SegmentMeter) -> list[Sound]:
    """One chest by its own device and by a simulated one, as it is and with every fault."""
    recorded = read_sound(source.path, RATE_HZ)[: LONGEST_S * RATE_HZ]
    out = []
    for device in ("", SIMULATED) if len(recorded) >= LEAST * meter.samples else ():
        hears = heard_by(np.random.default_rng([number, 0])) if device else lambda sound: sound
        chest = (not_clipped(hears(recorded)) if device else recorded, hears, spoken)
        out.append(Sound(source.kind, source.patient, device, "", stretches_of(chest[0], meter)))
        for kind, name in enumerate(FAULTS if source.has_faults else ()):
            heard = with_fault(chest, name, np.random.default_rng([number, kind]))
            out.append(Sound(source.kind, source.patient, device, name, stretches_of(heard, meter)))
    return out


def fit(found: NDArray[np.float64], is_so: NDArray[np.bool_], share: float) -> tuple[NDArray[np.float64], float]:
    """Weights of (R, S) statistics and the limit that a share of what is not so reaches, both as odds."""
    middle, spread = found.mean(axis=0), found.std(axis=0)
    model = LogisticRegression(class_weight="balanced").fit((found - middle) / spread, is_so)
    weights = np.asarray(model.coef_[0] / spread)
    return weights, float(np.quantile(found[~is_so] @ weights, 1 - share))


def questions(sounds: Sequence[Sound]) -> dict[str, tuple[tuple[str, ...], NDArray[np.float64], list[bool], list[str]]]:
    """What is fitted: the names of the statistics, (R, S) of them, which are so, and whose they are."""
    out = {}
    moves = {id(each): statistics(movement_of(each.stretches)) for each in sounds}

    def ask(name: str, of: Discriminant, so: Sequence[Sound]) -> None:
        all_of, columns = [*so, *(each for each in sounds if each.is_chest)], [NAMES.index(each) for each in of.names]
        is_so = [number < len(so) for number in range(len(all_of))]
        out[name] = of.names, np.array([moves[id(s)] for s in all_of])[:, columns], is_so, [s.patient for s in all_of]

    ask("still", STILL, [each for each in sounds if each.fault in AIR])
    ask("rubbing", RUBBING, [each for each in sounds if each.fault in RUBS])
    ask("loose", LOOSE, [each for each in sounds if each.kind == POOR])
    touching = [each for each in sounds if each.fault in PAUSE or each.kind == "heart"]
    some = [*touching, *(each for each in sounds if each.fault in AIR)]
    bands = [band for band, _ in CONTACT_WEIGHTS]
    pulses = np.array([Movement(each.levels_db).pulse_db[bands] for each in some])
    names = ("pulse of 30 Hz", "pulse of 60 Hz", "pulse of 110 Hz")
    out["contact"] = names, pulses, [n < len(touching) for n in range(len(some))], [each.patient for each in some]
    return out


def half_of(patient: str) -> int:
    """0 or 1, the same for everything of a patient."""
    return hashlib.sha256(patient.encode()).digest()[0] % 2


def fitted_lines(sounds: Sequence[Sound]) -> list[str]:
    """What the discriminants find of patients that they were not fitted on, and their weights on all."""
    lines = []
    for name, (names, found, so, patients) in questions(sounds).items():
        is_so, half, right, wrong = np.array(so), np.array([half_of(each) for each in patients]), [], []
        for chosen in (half == 0, half == 1):
            weights, limit = fit(found[chosen], is_so[chosen], CALLED[name])
            called = found[~chosen] @ weights > limit
            right += called[is_so[~chosen]].tolist()
            wrong += called[~is_so[~chosen]].tolist()
        weights, limit = fit(found, is_so, CALLED[name])
        lines.append(
            f"{name}: other half of the patients: found {np.mean(right):.3f}, called wrongly {np.mean(wrong):.4f}"
        )
        lines.append("  " + "  ".join(f"{each} {w:.3g}" for each, w in zip(names, weights, strict=True)))
        highest = float((found[~is_so] @ weights).max())
        lowest = float((found[is_so] @ weights).min())
        lines.append(f"  limit {limit:.2f}; highest of the others {highest:.2f}, lowest that is so {lowest:.2f}")
    return lines


def interval(found: Sequence[tuple[str, bool]]) -> tuple[float, float, float]:
    """A share, and its interval of 95 % over patients, who are drawn with all that they have."""
    patients = sorted({patient for patient, _ in found})
    counts = np.array(
        [[sum(so for p, so in found if p == name), sum(p == name for p, _ in found)] for name in patients]
    )
    drawn = counts[np.random.default_rng(0).integers(len(patients), size=(RESAMPLES, len(patients)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return float(counts[:, 0].sum() / counts[:, 1].sum()), float(low), float(high)


def shipped_lines(sounds: Sequence[Sound]) -> list[str]:
    """What is called what with what is shipped now."""
    called = {id(each): fault_of(each.stretches) for each in sounds}
    lines = ["measurable as they are, with intervals over patients:"]
    for kind, device in sorted({(each.kind, each.device) for each in sounds}):
        some = [(e.patient, called[id(e)] is None) for e in sounds if (e.kind, e.device, e.fault) == (kind, device, "")]
        share, low, high = interval(some)
        people = f"{len(some)} of {len({patient for patient, _ in some})} patients"
        lines.append(f"  {kind:18} {device or 'as recorded':12} {share:.3f} [{low:.3f}, {high:.3f}] of {people}")
    lines.append("with a fault, what it is called:")
    for fault in FAULTS:
        for device in ("", SIMULATED):
            mine = [each for each in sounds if (each.fault, each.device) == (fault, device)]
            touching = np.mean([evidence_of_contact(Movement(each.levels_db)) > 0 for each in mine])
            lines.append(_line(fault, device, Counter(str(called[id(e)]) for e in mine)) + f"; contact {touching:.2f}")
    return lines


def _line(kind: str, device: str, counts: Counter[str]) -> str:
    told = ", ".join(
        f"{'nothing' if name == 'None' else name} {n / counts.total():.3f}" for name, n in counts.most_common()
    )
    return f"  {kind:18} {device or 'as recorded':12} {counts.total():4d}  {told}"


def pieces_of(recordings: Sequence[Recording], meter: SegmentMeter) -> list[tuple[Segment, ...]]:
    """Clips of one kind of sound, joined end to end, in pieces as long as what a bed is judged by."""
    stretches = stretches_of(np.concatenate([read_sound(each.path, RATE_HZ) for each in recordings]), meter)
    return [stretches[at : at + SEGMENTS] for at in range(0, len(stretches) - SEGMENTS + 1, SEGMENTS)]


def report(recordings: Sequence[Recording], others: Path) -> Iterator[str]:
    """Everything that is printed."""
    meter = SegmentMeter(RATE_HZ)
    chosen = list(sources(recordings, others))
    negatives = [each for each in recordings if each.is_negative]
    voices = [each for each in negatives if each.record_label in ("speech", "infant_cry")]
    spoken = [read_sound(each.path, RATE_HZ) for each in voices[::6]] or [np.ones(RATE_HZ, np.float32)]
    sounds = [each for number, source in enumerate(chosen) for each in measured(source, number, spoken, meter)]
    yield from fitted_lines(sounds)
    yield from shipped_lines(sounds)
    yield "other sounds, clips end to end:"
    for kind in sorted({each.record_label for each in negatives}):
        pieces = pieces_of([each for each in negatives if each.record_label == kind], meter)
        if pieces:
            yield _line(kind, "", Counter(str(fault_of(each)) for each in pieces))


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.sound_quality", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the recordings, see training/DATA.md")
    given = parser.parse_args(arguments)
    try:
        for line in report(read_datasets(given.data), given.data / "other_devices"):
            print(line, flush=True)
    except LaennecError as error:
        print(f"sound_quality: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
