"""`python -m training.evaluation.breath_rate`: the respiratory rate beside what was annotated, and its weights.

The breath scores of every recording of SPRSound come from the network of `--checkpoint` that never heard its patient.
The patients are cut in two by a hash: on the recordings of regular breath of the first half, and on `SIMULATED` windows
in which expiration is nearly as loud as inspiration, the weights of `edge.ward.breath_rhythm` are fitted; on the first
half the limits of `edge.ward.respiratory_rate` were chosen, and the tables are of the second half, which nothing was
chosen on. Recordings of ICBHI, of other stethoscopes, are heard by the shipped model, as `laennec detect --rate` does.

A window is what a reading is of: the last 30 s, or all since the begin, with three annotated breaths or more. The
annotated rate is 60 / the mean time between their begins; right is within 2 a minute or 10 %, an octave error within
15 % of its double or its half. A window is regular where the longest time is less than 1.5 times the shortest: most
others lack breaths that nobody annotated, so of them the median counts, too. Irregular breath of which every begin is
known is made: `UNEVEN_S` of a patient's breaths of regular recordings, in any order, with quiet of that recording
behind them. Other methods answer in as many windows of the first half as this one, the surest first. Of hearts, coughs
and a manikin's heart, one file in `EVERY_OTHER` is heard by the shipped model: how often is a rate said of them?
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from edge.api.detect import detect_file
from edge.api.detector import Detector
from edge.api.recording import BreathRate
from edge.detector.breath_sound import frame_levels, level_weights
from edge.errors import ConfigError, LaennecError, SourceError
from edge.model.model import load_model
from edge.types import BreathSound
from edge.ward.breath_rhythm import HIGHEST, candidates
from edge.ward.respiratory_rate import LEAST_S, SEGMENT_S, WINDOW_S, RespiratoryRate
from training.datasets import fingerprint
from training.datasets.files import sound_paths
from training.detector.cross_validation import Job, score_fold
from training.detector.hyperparameters import Recipe
from training.detector.sets import MAIN
from training.detector.training_data import TrainingData, read_recordings
from training.evaluation.rhythms import Breath, Peak, autocorrelation_peak, breaths, simulated, spectral_peak, uneven
from training.metrics.intervals import of_counts

FEWEST = 3  # annotated breaths in a window
REGULAR = 1.5  # longest time between two / shortest
LATE_S = 0.3  # of a breath must be in the window for it to count
OFF, OFF_PER_MIN, OCTAVE = 0.1, 2.0, 0.15
SPREAD, PENALTY = 0.04, 1e-2  # of the wanted posterior (logarithm of the rate); of the standardised weights
UNEVEN, UNEVEN_S = (0.0, 1.0, 2.0), 75.0  # most of the quiet behind a breath, times its length; seconds
SEED, BEDS = 7, 4  # of each patient
POOR = "Poor Quality"
EVERY_OTHER = 4  # files of sound without breath
WITHOUT_BREATH = ("negatives/heart", "negatives/cough", "other_devices/hls_cmds/heart")  # cries and words are shorter
SIMULATED = 50  # windows of the fit; more make it worse on real ones


def is_chosen_on(patient: str) -> bool:
    """Whether a patient is of the half on which everything is chosen."""
    return int(hashlib.sha256(f"rate {patient}".encode()).hexdigest(), 16) % 2 == 0


@dataclass(frozen=True, slots=True)
class Breathing:
    """One annotated recording."""

    name: str
    patient: str
    label: str
    """Of the whole recording, such as `Normal`; of a sound that is no chest its kind, such as `cough`."""
    spans_s: NDArray[np.float64]
    """(n, 2) begin and end of the annotated breaths."""
    score: NDArray[np.float32]
    """(T,)."""
    levels_db: NDArray[np.float32]
    """(T, 4) where breath is, and in each of its bands."""

    @property
    def sound(self) -> BreathSound:
        """As it is heard."""
        levels_db = self.levels_db
        return BreathSound(0, self.score, levels_db[:, 0], levels_db[:, 1:], np.ones(len(self.score), np.bool_))

    @property
    def begins_s(self) -> NDArray[np.float64]:
        """(n,) begins of the annotated breaths."""
        return self.spans_s[:, 0]

    @property
    def is_chosen_on(self) -> bool:
        """Whether it belongs to the half of the patients on which everything is chosen."""
        return is_chosen_on(self.patient)


@dataclass(frozen=True, slots=True)
class Window:
    """One window with its truth and its answers."""

    patient: str
    mean: float
    median: float
    is_regular: bool
    answers: dict[str, Peak]
    """By method."""


def truth(begins_s: NDArray[np.float64], end_s: float) -> tuple[float, float, bool] | None:
    """Mean and median rate per minute of the annotated breaths of a window, and whether it is regular."""
    inside = begins_s[(begins_s <= end_s - LATE_S) & (begins_s > end_s - WINDOW_S)]
    times = np.diff(inside)
    if len(inside) < FEWEST or times.min() <= 0 or 60 / times.mean() > HIGHEST:
        return None
    return 60 / float(times.mean()), 60 / float(np.median(times)), bool(times.max() < REGULAR * times.min())


def breathings(checkpoint: Path, data: Path, cache: Path) -> tuple[list[Breathing], float]:
    """Every recording of SPRSound and every sound that is no chest, and seconds to a score frame.

    Raises:
        ConfigError: no finished training, or no such recordings.
    """
    try:
        recipe = Recipe.from_json((checkpoint / "recipe.json").read_text())
        calibration = json.loads((checkpoint / "result.json").read_text())["calibration"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{checkpoint}: expected a finished training ({error}); run `make train`") from error
    recordings = read_recordings(data, recipe)
    job = Job(recipe, TrainingData(recordings, cache), checkpoint, fingerprint(list(recordings)), answers_tasks=False)
    frames = dict(zip((r.path for r in recordings), job.training_data.frames(recipe), strict=True))
    score_frames = recipe.chunk.score_frames
    weights = level_weights(recipe.features, score_frames)
    found = []
    for fold in range(recipe.folds):
        for heard in score_fold(job, fold, is_alone=True)[0]:
            recording = heard.recording
            if recording.dataset != MAIN and not recording.is_negative:
                continue
            odds = calibration["scale"][0] * heard.logits[:, 0].astype(np.float64) + calibration["bias"][0]
            each, count = frames[recording.path].astype(np.float32), len(heard.logits)
            levels_db = frame_levels(each[: count * score_frames], weights)
            ends_s = {event.start_s: event.end_s for event in recording.events}  # two sounds may begin together
            spans_s = np.array(sorted(ends_s.items())).reshape(-1, 2)
            score = (1 / (1 + np.exp(-odds))).astype(np.float32)
            label = recording.record_label or ""
            found.append(Breathing(recording.path.stem, recording.patient, label, spans_s, score, levels_db))
    return found, recipe.frame_s


def windows(one: Breathing, frame_s: float) -> Iterator[Window]:
    """The windows of one recording that have a truth."""
    rate = RespiratoryRate(frame_s)
    for reading in rate.push(one.sound) + rate.flush():
        known = truth(one.begins_s, reading.stop * frame_s)
        if known is None or reading.stop * frame_s < LEAST_S:
            continue
        begin = max(reading.stop - round(WINDOW_S / frame_s), 0)
        answers: dict[str, Peak] = {"this": (reading.breaths_per_min, reading.confidence)}
        for name, signal in (("breath score", one.score), ("level", one.sound.level_db)):
            part = signal[begin : reading.stop].astype(np.float64)
            answers[f"autocorrelation of the {name}"] = autocorrelation_peak(part, frame_s)
            answers[f"spectral peak of the {name}"] = spectral_peak(part, frame_s)
        yield Window(one.patient, *known, answers)


def rearranged(some: Sequence[Breathing], most: float, frame_s: float) -> Iterator[Window]:
    """The last windows of beds with each patient's breaths of regular recordings, uneven by `most`."""
    by_patient: dict[str, list[Breath]] = {}
    for one in some:
        times = np.diff(one.begins_s)
        if one.label != POOR and len(times) >= FEWEST - 1 and times.max() < REGULAR * times.min():
            by_patient.setdefault(one.patient, []).extend(breaths(one.spans_s, one.score, one.levels_db, frame_s))
    for number, (patient, own) in enumerate(sorted(by_patient.items())):
        for bed in range(BEDS if len(own) > FEWEST else 0):
            begins_s, sound = uneven(own, UNEVEN_S, most, frame_s, np.random.default_rng([SEED, number, bed]))
            levels_db = sound[:, 1:]
            usable = np.ones(len(sound), np.bool_)
            rate = RespiratoryRate(frame_s)
            reading = rate.push(BreathSound(0, sound[:, 0], levels_db[:, 0], levels_db[:, 1:], usable))[-1]
            known = truth(begins_s, reading.stop * frame_s)
            if known is not None:
                yield Window(patient, *known, {"this": (reading.breaths_per_min, reading.confidence)})


def fitted(chosen_on: Sequence[Breathing], frame_s: float) -> NDArray[np.float64]:
    """(14,) weights of `edge.ward.breath_rhythm`: maximum likelihood over stretches of regular breath."""
    of, measures, fits, logs = candidates(frame_s), [], [], []
    longest = round(SEGMENT_S / frame_s)
    for one in chosen_on:
        ends = {min(round(each / frame_s), len(one.score), longest) for each in (8, 9.2, 12, SEGMENT_S)}
        for end in sorted(each for each in ends if each * frame_s >= LEAST_S - 2 * frame_s):
            known = truth(one.begins_s, end * frame_s)
            if known is not None and known[2]:
                signals = np.stack([one.score, one.sound.level_db])[:, :end].astype(np.float64)
                found, inside = of.measures(signals, np.ones(end, np.bool_))
                measures.append(found)
                fits.append(inside)
                logs.append(np.log(known[0]))
    for per_min, signals in simulated(SIMULATED, frame_s):
        found, inside = of.measures(signals, np.ones(signals.shape[1], np.bool_))
        measures.append(found)
        fits.append(inside)
        logs.append(np.log(per_min))
    values, inside = np.stack(measures), np.stack(fits)
    middle, spread = values[inside].mean(axis=0), values[inside].std(axis=0)
    values = (values - middle) / spread
    wanted = np.exp(-0.5 * ((np.log(of.per_min) - np.array(logs)[:, None]) / SPREAD) ** 2) * inside
    wanted /= wanted.sum(axis=1, keepdims=True)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = np.where(inside, values @ weights, -np.inf)
        odds -= odds.max(axis=1, keepdims=True)
        total = np.exp(odds).sum(axis=1, keepdims=True)
        logs = np.where(inside, odds - np.log(total), 0)
        slope = np.einsum("nr,nrf->f", np.exp(odds) / total - wanted, values) / len(values)
        return float(-(wanted * logs).sum(axis=1).mean() + PENALTY * weights @ weights), slope + 2 * PENALTY * weights

    return np.asarray(minimize(loss, np.zeros(values.shape[2]), jac=True, method="L-BFGS-B").x / spread)


def of_icbhi(model_path: Path, data: Path) -> list[Window]:
    """The windows of every recording of ICBHI that is under a folder with its `cycles.csv`."""
    begins: dict[str, set[float]] = {}
    for path in sorted(data.rglob("cycles.csv")):
        for row in csv.DictReader(path.open()):
            begins.setdefault(row["recording"], set()).add(float(row["start_s"]))
    detector, found = Detector(load_model(model_path)), list[Window]()
    for path in sound_paths(data):
        begins_s = np.array([each for each in sorted(begins.get(path.stem, ())) if each > LATE_S / 2])  # one cut: none
        for rate in _rates(path, detector) if len(begins_s) else ():
            known = truth(begins_s, round(rate.t_s, 3))
            if known is not None and rate.t_s >= LEAST_S:
                answer = rate.breaths_per_min, rate.confidence
                found.append(Window(path.stem.partition("_")[0], *known, {"this": answer}))
    return found


def without_breath(model_path: Path, data: Path) -> Iterator[str]:
    """Of each kind of sound that has no breath of its own: windows of 8 s or more, and in how many a rate is said."""
    detector = Detector(load_model(model_path))
    for kind in WITHOUT_BREATH:
        answered: list[bool] = []
        for path in sound_paths(data / kind)[::EVERY_OTHER] if (data / kind).is_dir() else ():
            answered += [each.breaths_per_min is not None for each in _rates(path, detector) if each.t_s >= LEAST_S]
        if answered:
            yield f"{kind:38s} {len(answered):5d}       {np.mean(answered):.3f}"


def _rates(path: Path, detector: Detector) -> Iterator[BreathRate]:
    """The respiratory rates of one recording; none is known where nothing can be judged."""
    with suppress(SourceError):
        yield from (item for item in detect_file(path, detector) if isinstance(item, BreathRate))


def line(name: str, some: Sequence[Window], method: str, least: float) -> str:
    """Of some windows: how many are answered, and of those how many are right, with intervals over patients."""
    patients = sorted({each.patient for each in some})
    counts = np.zeros((len(patients), 5))
    for each in some:
        rate, sure = each.answers[method]
        counts[patients.index(each.patient), 0] += 1
        if rate is None or sure < least:
            continue
        is_right, is_median = (abs(rate - of) <= max(OFF_PER_MIN, OFF * of) for of in (each.mean, each.median))
        is_octave = abs(abs(np.log(rate / each.mean)) - np.log(2)) < np.log(1 + OCTAVE)
        counts[patients.index(each.patient), 1:] += 1, is_right, is_right or is_median, is_octave
    shares = [_share(counts, *pair) for pair in ((1, 0), (2, 1), (3, 1), (4, 1))]
    return f"{name:38s} {len(some):5d} {len(patients):4d}  " + "  ".join(f"{share:21s}" for share in shares).rstrip()


def _share(counts: NDArray[np.float64], part: int, whole: int) -> str:
    def of(sums: NDArray[np.float64]) -> float | None:
        return sums[part] / sums[whole] if sums[whole] else None

    value, bounds = of(counts.sum(axis=0)), of_counts(counts, of)
    if value is None or bounds is None:
        return "-"
    return f"{value:.3f} [{bounds.low:.3f}, {bounds.high:.3f}]"


def report(found: Sequence[Breathing], frame_s: float, others: Sequence[Window]) -> list[str]:
    """Everything that is printed."""
    weights = fitted([one for one in found if one.is_chosen_on], frame_s)
    chosen, judged = (
        [w for one in found if one.is_chosen_on is first for w in windows(one, frame_s)] for first in (True, False)
    )
    head = (
        f"{'':38s} {'windows':>5s} {'patients':>2s} {'answered':21s}  {'right':21s}  {'or of the median':21s}  octave"
    )
    lines = ["weights: " + " ".join(f"{each:.2f}" for each in weights), "", head]
    kinds: tuple[tuple[str, Callable[[Window], bool]], ...] = (
        ("regular", lambda w: w.is_regular),
        ("irregular", lambda w: not w.is_regular),
    )
    for kind, belongs in kinds:
        lines.append(line(f"SPRSound, {kind}", [w for w in judged if belongs(w)], "this", 0.0))
    half = [one for one in found if not one.is_chosen_on]
    for most in UNEVEN:
        lines.append(line(f"its breaths, uneven by {most:g}", [*rearranged(half, most, frame_s)], "this", 0.0))
    for kind, belongs in kinds:
        lines.append(line(f"other stethoscopes (ICBHI), {kind}", [w for w in others if belongs(w)], "this", 0.0))
    regular = [w for w in chosen if w.is_regular]
    share = np.mean([w.answers["this"][0] is not None for w in regular])
    for method in [name for name in judged[0].answers if name != "this"]:
        least = float(np.quantile([w.answers[method][1] for w in regular], 1 - share))
        lines.append(line(method, [w for w in judged if w.is_regular], method, least))
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.breath_rate", description=__doc__)
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("training/released/default"), help="a finished training"
    )
    parser.add_argument("--model", type=Path, default=Path("edge/models/default.onnx"), help="artefact, for ICBHI")
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="folder of computed frames")
    asked = parser.parse_args(arguments)
    try:
        found, frame_s = breathings(asked.checkpoint, asked.data, asked.cache)
        print(*report(found, frame_s, of_icbhi(asked.model, asked.data)), sep="\n")
        print(*without_breath(asked.model, asked.data), sep="\n")
    except LaennecError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
