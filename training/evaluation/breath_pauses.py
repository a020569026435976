"""`python -m training.evaluation.breath_pauses`: are pauses of breath found, and how many are called that are none?

A bed is a patient of SPRSound: recordings one after the other, each cut from its first to its last annotated breath,
then `PAUSE_S` of the last recording's own quiet time (the quietest pieces of `PIECE_S` between its breaths, in any
order), then recordings again. What is heard of it, features, quality and contact, is of those samples, and the breath
score of the network of `--checkpoint` that never heard the patient. A pause is found if its onset is told within
`LATE_S` of `LIMIT_S` after the last breath, so not where one is told already; what is told outside of it is false. Some
of this quiet is louder than what is between other breaths of the bed (`OVER_DB`): those without it are shown, too, and
pauses of noise with its mean spectrum, in which no piece is louder than another. Recordings of ICBHI, of other
stethoscopes, are heard by the shipped model and have a pause of their quietest pieces after `ICBHI_S`.

False ones of a day: hours of each patient's recordings, drawn anew one after the other with their quiet at one level,
one in twenty of them a cough, cry or word; then once more with hearts, which last for up to 25 s without any breath
that somebody annotated. What is told in them may be so: of 116 hearts of 11 s or more, the ten in which a pause is told
have .19 of the modulation of their level from 200 to 450 Hz at .15 to .8 Hz (none: .17), the 43 with a respiratory rate
.42, SPRSound's breath .54. Everything was chosen on the half of the patients that
`is_chosen_on`, and the tables are of the other. Not evidence of a ward: recordings have 9 s, and the pauses are made.
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.detector.breath_sound import BreathSounds, frame_levels, level_weights
from edge.detector.pipeline import Pipeline
from edge.detector.quality import Quality
from edge.detector.sound_check import SoundAssessment
from edge.errors import LaennecError
from edge.features import FrontEnd
from edge.model.model import Model, load_model
from edge.types import Block, BreathSound, Chunk, Scores
from edge.ward.pauses import LIMIT_S, Pause, Pauses
from training.datasets import Recording
from training.datasets.files import read_sound, sound_paths
from training.detector.hyperparameters import Recipe
from training.detector.inference import heard_frames, stream_logits
from training.detector.model import STRIDE
from training.detector.networks import load_network
from training.detector.sets import MAIN
from training.detector.training_data import TrainingData, read_recordings
from training.evaluation.breath_rate import POOR, Breathing, breathings, is_chosen_on
from training.evaluation.paused_beds import (
    FADE_S,
    PAUSE_S,
    PIECE_S,
    Bed,
    Chest,
    Rng,
    Sound,
    bed_of,
    chest_of,
    joined,
    noise_like,
    quiet,
    quietest,
    with_heart,
    with_hum,
    with_snore,
)
from training.evaluation.sound_faults import RATE_HZ
from training.metrics.intervals import of_counts

ICBHI_S = 12.0
LATE_S = 3.0
CHUNK = 15  # score frames that are judged by one finding
HOURS = 2.0  # of each bed
DISTURBED = 0.05  # of its recordings
SHORT, HEART = ("cough", "infant_cry", "speech"), "heart"
EVERY_BED = 2  # patients
SEED = 5


Fill = Callable[[Sequence[Sound], float, Rng], Sound]
BESIDE: dict[str, Callable[[Sound, Rng], Sound]] = {
    "": lambda sound, rng: sound,
    "heart": with_heart,
    "hum": with_hum,
}


class FoldHearing:
    """What is heard of sound by the network that never heard a patient."""

    def __init__(self, checkpoint: Path, recipe: Recipe, data: TrainingData) -> None:
        self._recipe, self._folds = recipe, data.fold_of(recipe)
        self._networks = [load_network(recipe, checkpoint / f"fold-{fold}") for fold in range(recipe.folds)]
        self._calibration = json.loads((checkpoint / "result.json").read_text())["calibration"]
        self._front_end = FrontEnd(recipe.features)
        self._weights = level_weights(recipe.features, STRIDE)

    def pauses(self, bed: Bed) -> list[Pause]:
        """Everything that is told of a bed."""
        frames = heard_frames(bed.samples, np.ones(len(bed.samples), np.bool_), self._front_end)
        logits = stream_logits(self._networks[self._folds[bed.patient]], frames.values)[:, 0].astype(np.float64)
        odds = self._calibration["scale"][0] * logits + self._calibration["bias"][0]
        score = (1 / (1 + np.exp(-odds))).astype(np.float32)
        levels_db = frame_levels(frames.values[: STRIDE * len(score)], self._weights)
        quality, hop = Quality(RATE_HZ), round(self._recipe.frame_s * RATE_HZ)
        quality.push(Block(0, bed.samples, np.ones(len(bed.samples), np.bool_)))
        pauses, told = Pauses(self._recipe.frame_s), list[Pause]()
        for at in range(0, len(score), CHUNK):
            finding, known, levels = quality.at((at + CHUNK) * hop), score[at : at + CHUNK], levels_db[at : at + CHUNK]
            usable = np.ones(len(known), np.bool_)
            sound = BreathSound(at, known, levels[:, 0], levels[:, 1:], usable, finding.fault)
            told += pauses.push(sound, bool(finding.touches))
        return told


def shipped_pauses(model: Model, samples: Sound) -> list[Pause]:
    """The same by the shipped model, as at a bed."""
    pipeline, sounds, told = Pipeline(model), BreathSounds(model), list[Pause]()
    pauses = Pauses(model.score_hop_samples / model.rate_hz)

    def follow(chunk: Chunk, scores: Scores, verdict: SoundAssessment) -> None:
        told.extend(pauses.push(sounds.push(chunk, scores, verdict.fault), bool(verdict.touches)))

    pipeline.follow = follow
    pipeline.push(Block(0, samples, np.ones(len(samples), np.bool_)))
    pipeline.flush()
    return told


def counted(bed: Bed, told: Sequence[Pause], frame_s: float) -> tuple[int, int, int, int]:
    """Pauses there are, that were found, of those with contact, and what was told that is none."""
    onsets = [each for each in told if each.kind == "onset"]
    if bed.pause_s is None:
        return 0, 0, 0, len(onsets)
    due_s = bed.pause_s + LIMIT_S
    found = [each for each in onsets if abs(each.stop * frame_s - due_s) <= LATE_S]
    inside = [each for each in onsets if bed.pause_s - LATE_S <= each.stop * frame_s <= bed.pause_s + PAUSE_S + LATE_S]
    return 1, bool(found), bool(found and found[0].touches), len(onsets) - len(inside)


def line(name: str, counts: Sequence[tuple[int, int, int, int]]) -> str:
    """Shares with intervals over beds; one bed is one patient."""
    rows = np.array(counts, float)
    if not rows[:, 0].any():
        return f"{name:32s} {len(rows):5d}  {'-':21s}  {'-':21s}  {int(rows[:, 3].sum()):d}"
    shares = [_share(rows, 1, 0), _share(rows, 2, 1)]
    return f"{name:32s} {len(rows):5d}  {shares[0]:21s}  {shares[1]:21s}  {int(rows[:, 3].sum()):d}"


def _share(rows: NDArray[np.float64], part: int, whole: int) -> str:
    def of(sums: NDArray[np.float64]) -> float | None:
        return sums[part] / sums[whole] if sums[whole] else None

    value, bounds = of(rows.sum(axis=0)), of_counts(rows, of)
    return "-" if value is None or bounds is None else f"{value:.3f} [{bounds.low:.3f}, {bounds.high:.3f}]"


def of_chests(found: Sequence[Recording], hearing: FoldHearing, frame_s: float) -> Iterator[str]:
    """Beds of the patients of one half, with what sounds beside the chest and however they breathe."""
    chests: dict[str, list[Chest]] = {}
    for recording in found:
        is_asked = recording.dataset == MAIN and not is_chosen_on(recording.patient)
        if is_asked and recording.record_label != POOR and (chest := chest_of(recording)) is not None:
            chests.setdefault(recording.patient, []).append(chest)
    kinds = [("", beside) for beside in BESIDE]
    kinds += [("noise", ""), ("shallow", ""), ("irregular", ""), ("", "snore")]
    for otherwise, beside in kinds:
        counts, are_quiet = [], list[bool]()
        for number, (patient, some) in enumerate(sorted(chests.items())[::EVERY_BED]):
            rng = np.random.default_rng([SEED, number])
            bed = bed_of(patient, some, otherwise, rng)
            if bed is not None:
                if beside == "snore":
                    bed = Bed(patient, with_snore(bed.samples, rng), None)
                else:
                    bed = Bed(patient, BESIDE[beside](bed.samples, rng), bed.pause_s)
                counts.append(counted(bed, hearing.pauses(bed), frame_s))
                are_quiet.append(bed.is_quiet)
        name = " ".join(each for each in ("SPRSound", otherwise, beside) if each)
        yield line(name, counts)
        if not (otherwise or beside):
            yield line(f"{name}, as quiet as before", list(compress(counts, are_quiet)))


def of_icbhi(model_path: Path, data: Path, fill: Fill) -> str:
    """Recordings of other stethoscopes with a pause of some kind; those of one patient count together."""
    model, by_patient = load_model(model_path), dict[str, list[tuple[int, int, int, int]]]()
    for number, path in enumerate(sound_paths(data / "icbhi") + sound_paths(data / "other_devices" / "icbhi_more")):
        rng, samples, piece = np.random.default_rng([SEED, number]), read_sound(path, RATE_HZ), round(PIECE_S * RATE_HZ)
        pieces = [samples[at : at + piece] for at in range(0, len(samples) - piece, piece // 2)]
        still, before = quietest(pieces), samples[: round(ICBHI_S * RATE_HZ)]
        whole = joined([before, before, fill(still, PAUSE_S, rng), samples])
        bed = Bed(path.stem.partition("_")[0], whole, 2 * len(before) / RATE_HZ - 2 * FADE_S)
        told = shipped_pauses(model, bed.samples)
        by_patient.setdefault(bed.patient, []).append(counted(bed, told, model.score_hop_samples / model.rate_hz))
    summed = [tuple(int(each) for each in np.sum(of, axis=0)) for of in by_patient.values()]
    return line(f"other stethoscopes (ICBHI) {fill.__name__}", summed)  # type: ignore[arg-type]


def quiet_db(level_db: NDArray[np.float32]) -> float:
    """The level below which a tenth of a recording lies, over 0.25 s."""
    return float(np.quantile(np.convolve(level_db, np.full(8, 1 / 8), "same"), 0.1))


def of_days(found: Sequence[Breathing], frame_s: float, beside: Sequence[str]) -> str:
    """False pauses of a day of beds that breathe, with some sounds in between."""
    beds: dict[str, list[Breathing]] = {}
    others = [one for one in found if not len(one.begins_s) and one.label in beside]
    for one in found:
        if len(one.begins_s) and one.label != POOR and not one.is_chosen_on:
            beds.setdefault(one.patient, []).append(one)
    told, hours = [], 0.0
    for number, (_, some) in enumerate(sorted(each for each in beds.items() if len(each[1]) > 1)):
        rng, pauses, at, count = np.random.default_rng([SEED, number]), Pauses(frame_s), 0, 0
        while at * frame_s < HOURS * 3600:
            choice = others if others and rng.random() < DISTURBED else some
            one = choice[int(rng.integers(len(choice)))]
            bands_db = one.sound.bands_db - quiet_db(one.sound.level_db)
            sound = one.sound._replace(start=at, bands_db=bands_db)
            count += sum(each.kind == "onset" for each in pauses.push(sound))
            at += len(one.score)
        told.append(count)
        hours += at * frame_s / 3600
    rows = np.stack([told, np.full(len(told), hours / len(told))], axis=1)
    bounds = of_counts(rows, lambda sums: 24 * sums[0] / sums[1])
    interval = "" if bounds is None else f" [{bounds.low:.2f}, {bounds.high:.2f}]"
    return (
        f"false pauses of a bed-day with {', '.join(beside)}: {24 * sum(told) / hours:.2f}{interval} over"
        f" {len(told)} beds, {hours / 24:.1f} bed-days; {sum(each > 0 for each in told)} beds have any"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.breath_pauses", description=__doc__)
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("training/released/default"), help="a finished training"
    )
    parser.add_argument("--model", type=Path, default=Path("edge/models/default.onnx"), help="artefact, for ICBHI")
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="folder of computed frames")
    asked = parser.parse_args(arguments)
    try:
        recipe = Recipe.from_json((asked.checkpoint / "recipe.json").read_text())
        recordings = read_recordings(asked.data, recipe)
        hearing = FoldHearing(asked.checkpoint, recipe, TrainingData(recordings, asked.cache))
        print(f"{'':32s} {'patients':>5s}  {'found':21s}  {'of those: contact':21s}  false")
        for each in of_chests(recordings, hearing, recipe.frame_s):
            print(each, flush=True)
        for fill in (quiet, noise_like):
            print(of_icbhi(asked.model, asked.data, fill), flush=True)
        breathing, frame_s = breathings(asked.checkpoint, asked.data, asked.cache)
        for beside in (SHORT, (*SHORT, HEART)):
            print(of_days(breathing, frame_s, beside), flush=True)
    except (OSError, ValueError) as error:
        print(
            f"training: {asked.checkpoint}: expected a finished training ({error}); run `make train`", file=sys.stderr
        )
        return 2
    except LaennecError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
