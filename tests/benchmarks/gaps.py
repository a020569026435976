"""What lost sound does to the detector, on real recordings: `python -m tests.benchmarks.gaps DATA [RECORDINGS]`.

An event is *new* if the run that heard everything has none at that place: on a clean recording, an event that a gap
raised. Prints new events, the events of annotators that were found, and how much could be judged.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from edge.artefact.model import Model, load_model
from edge.detector.pipeline import Pipeline
from edge.types import Block, Event, Scores

PACKET = 160  # samples: 20 ms
LOSSES = ("clean", "1 %", "5 %", "flapping")
UNJUDGED = ("Normal", "Poor Quality")
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Run:
    """What one run of the detector gave."""

    events: list[Event]
    """Ended ones."""
    measurable_s: float


def detect(model: Model, samples: NDArray[np.float32], valid: Mask) -> Run:
    """The whole detector over one recording."""
    scores: list[Scores] = []
    pipeline = Pipeline(model, observe=scores.append)
    events = pipeline.push(Block(0, samples, valid)) + pipeline.flush()
    frames = sum(int(each.valid.sum()) for each in scores)
    return Run([e for e in events if e.kind == "end"], frames * model.score_hop_samples / model.rate_hz)


def heard(kind: str, count: int, rng: np.random.Generator) -> Mask:
    """Which samples arrive: packets lost at random, or a link that is up for 0.2 to 3 s and down for 20 ms to 2 s."""
    if kind == "flapping":
        valid, at = np.ones(count, np.bool_), 0
        while at < count:
            up, down = rng.uniform(0.2, 3.0), rng.uniform(0.02, 0.2 if rng.random() < 0.5 else 2.0)
            at += round(8000 * up)
            valid[at : at + round(8000 * down)] = False
            at += round(8000 * down)
        return valid
    share = 0.0 if kind == "clean" else float(kind.split()[0]) / 100
    return np.repeat(rng.random(-(-count // PACKET)) >= share, PACKET)[:count]


def overlaps(event: Event, others: list[Event]) -> bool:
    """Whether another event lies where this one does."""
    return any(event.onset < (o.end or 0) and o.onset < (event.end or 0) for o in others)


def recordings(data: Path, normal: bool, count: int) -> Iterator[tuple[NDArray[np.float32], list[tuple[int, int]]]]:
    """Recordings of SPRSound, always the same ones, with the annotated sounds that are not normal, in samples."""
    paths = sorted((data / "sprsound" / "train").glob("*.json"))
    np.random.default_rng(0).shuffle(paths)  # type: ignore[arg-type]
    for path in paths:
        truth = json.loads(path.read_text())
        label = truth["record_annotation"]
        if (label == "Normal") if normal else (label not in UNJUDGED):
            samples, _ = soundfile.read(path.with_suffix(".flac"), dtype="float32")
            spans = [
                (8 * int(e["start"]), 8 * int(e["end"])) for e in truth["event_annotation"] if e["type"] != "Normal"
            ]
            yield samples, spans
            count -= 1
        if not count:
            return


def main(data: Path, count: int) -> None:
    """Print the table."""
    model, rng = load_model(), np.random.default_rng(1)
    for normal in (True, False):
        totals = {kind: Counter[str]() for kind in LOSSES}
        for samples, spans in recordings(data, normal, count):
            whole = detect(model, samples, np.ones(len(samples), np.bool_))
            for kind, total in totals.items():
                run = detect(model, samples, heard(kind, len(samples), rng))
                total["s"] += len(samples) / model.rate_hz  # type: ignore[assignment]
                total["measurable"] += run.measurable_s  # type: ignore[assignment]
                total["events"] += len(run.events)
                total["new"] += sum(not overlaps(event, whole.events) for event in run.events)
                total["truth"] += len(spans)
                total["found"] += sum(any(a < (e.end or 0) and e.onset < b for e in run.events) for a, b in spans)
        print(f"{count} recordings, {'Normal' if normal else 'with sounds'}: {totals['clean']['s'] / 3600:.2f} h")
        for kind, total in totals.items():
            print(
                f"  {kind:9s} measurable {total['measurable'] / total['s']:4.0%}  events {total['events']:4d}  "
                f"new {total['new']:3d}  annotated sounds found {total['found']} of {total['truth']}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gaps")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder that holds sprsound/train")
    parser.add_argument("recordings", type=int, nargs="?", default=100, help="Normal ones, and as many with sounds")
    given = parser.parse_args()
    if not (given.data / "sprsound" / "train").is_dir():
        parser.error(f"DATA={given.data}: expected a folder with sprsound/train in it, found none")
    main(given.data, given.recordings)
