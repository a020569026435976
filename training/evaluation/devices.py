"""`python -m training.evaluation.devices --data DATA`: what a model is worth on stethoscopes that it never heard.

Recordings of ICBHI (Meditron, Littmann, AKG), cycle by cycle, and the manikin of HLS-CMDS, recording by recording, go
through the product: does the highest fifth of a cycle's scores tell cycles with a sound from those without, and how
much of the time is called measurable? They are few, with patient, label and device confounded: they decide nothing, and
it is never an ICBHI score. A model that learnt from ICBHI is told by its card. Not for the official tasks (`command`).
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import ConfigError, LaennecError
from training.datasets import Annotation, Recording
from training.datasets.files import read_sound
from training.datasets.targets import WIDTH
from training.detector.beside import cycle_rows
from training.evaluation.artefact import Artefact
from training.metrics.estimates import auc_metric
from training.metrics.streaming import GROUPS, ScoredRecording

BUNDLED = Path(__file__).parents[2] / "edge" / "models" / "default.onnx"
MANIKIN: dict[str, tuple[str, tuple[str, ...]]] = {  # what a sound is called in the table and in its file; what it is
    "Normal": ("N", ()),
    "Wheezing": ("W", ("wheeze",)),
    "Rhonchi": ("R", ("rhonchus",)),
    "Fine Crackles": ("FC", ("fine_crackle",)),
    "Coarse Crackles": ("CC", ("coarse_crackle",)),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One recording through the product."""

    scored: ScoredRecording
    measurable: float
    """Share of its score frames that can be judged, 0 to 1."""


def read_others(data: Path) -> list[Recording]:
    """Recordings of other stethoscopes under a folder of data sets, an annotation for each cycle.

    Raises:
        ConfigError: if there are none.
    """
    others = data / "other_devices"
    cycles = _rows(others / "icbhi_more" / "cycles.csv") + _rows(data / "icbhi" / "cycles.csv")
    sounds = [*(data / "icbhi" / "ICBHI_final_database").glob("*.wav"), *(others / "icbhi_more").glob("*.wav")]
    found = [_recording(path, path.stem, [c for c in cycles if c["recording"] == path.stem]) for path in sorted(sounds)]
    for row in _rows(others / "icbhi_cycle_clips" / "labels.csv"):
        length = float(row["end_s"]) - float(row["start_s"])
        one = row | {"start_s": "0", "end_s": str(length)}
        found.append(_recording(others / "icbhi_cycle_clips" / row["clip"], row["recording"], [one]))
    for row in _rows(others / "hls_cmds" / "lung.csv"):
        if row["Lung Sound Type"] in MANIKIN:
            code, labels = MANIKIN[row["Lung Sound Type"]]
            path = others / "hls_cmds" / "lung" / f"{row['Gender']}_{code}_{row['Location']}.wav"
            events = (Annotation(0.0, 15.0, labels),)
            found.append(Recording(path, f"manikin-{path.stem}", "", events, device="manikin", covers="cycle"))
    found = [one for one in found if one.path.exists() and one.events]
    if not found:
        raise ConfigError(f"DATA={data}: expected icbhi/ or other_devices/ with recordings, found none")
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _recording(path: Path, name: str, cycles: Iterable[dict[str, str]]) -> Recording:
    """`<patient>_<number>_<site>_<mode>_<device>` is how ICBHI names a recording."""
    events = []
    for cycle in cycles:
        labels = [label for label, column in (("crackle", "crackles"), ("wheeze", "wheezes")) if cycle[column] == "1"]
        events.append(Annotation(float(cycle["start_s"]), float(cycle["end_s"]), tuple(labels)))
    return Recording(path, name.split("_")[0], "", tuple(events), device=name.rsplit("_", 1)[-1], covers="cycle")


def judge(artefact: Artefact, recordings: Sequence[Recording]) -> list[Judged]:
    """Each through the product: raw scores of all of it, and the share that it calls measurable."""
    found = []
    for recording in recordings:
        samples = read_sound(recording.path, artefact.detection.rate_hz)
        values, _ = artefact.stream_scores(samples, is_judged=False)
        _, valid = artefact.stream_scores(samples, is_judged=True)
        scored = ScoredRecording(recording, values, np.zeros((len(values), WIDTH), np.float32))
        found.append(Judged(scored, float(valid.mean()) if len(valid) else 0.0))
    return found


def report(judged: Sequence[Judged], frame_s: float) -> dict[str, Any]:
    """By device, and for ICBHI's stethoscopes together, numbers with intervals over patients."""
    devices = sorted({one.scored.recording.device for one in judged})
    icbhi = [one for one in judged if one.scored.recording.device != "manikin"]
    several = {"ICBHI, all": icbhi} | {d: [one for one in judged if one.scored.recording.device == d] for d in devices}
    return {name: _of(of, frame_s) for name, of in several.items() if of}


def _of(judged: Sequence[Judged], frame_s: float) -> dict[str, Any]:
    lengths = np.array([len(one.scored.scores) for one in judged])
    found: dict[str, Any] = {
        "patients": len({one.scored.recording.patient for one in judged}),
        "recordings": len(judged),
        "measurable": round(float(np.average([one.measurable for one in judged], weights=np.maximum(lengths, 1))), 3),
    }
    for group in GROUPS:
        rows = [row for one in judged for row in cycle_rows(one.scored, group, frame_s)]
        truth, suspect, patients = [t for t, _, _ in rows], [s for _, s, _ in rows], [p for _, _, p in rows]
        estimate = auc_metric(f"cycle AUC {group}", truth, suspect, patients, "cycles").estimate()
        found[group] = {
            "with": sum(truth),
            "without": len(truth) - sum(truth),
            "auc": None if estimate.value is None else round(estimate.value, 3),
            "interval": [round(estimate.bounds.low, 3), round(estimate.bounds.high, 3)] if estimate.bounds else None,
        }
    return found


def table(found: dict[str, Any]) -> str:
    """The report to read."""
    lines = ["device       patients  recordings  measurable  continuous AUC          crackles AUC"]
    for name, one in found.items():
        lines.append(
            f"{name:12s} {one['patients']:8d}  {one['recordings']:10d}  {one['measurable']:10.2f}  "
            + "  ".join(f"{_cell(one[group]):22s}" for group in GROUPS)
        )
    return "\n".join(lines)


def _cell(one: dict[str, Any]) -> str:
    if one["auc"] is None:
        return f"- ({one['with']} of {one['with'] + one['without']})"
    between = f" [{one['interval'][0]:.2f}, {one['interval'][1]:.2f}]" if one["interval"] else ""
    return f"{one['auc']:.2f}{between}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.devices", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=BUNDLED)
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    asked = parser.parse_args(arguments)
    try:
        artefact = Artefact(asked.model)
        found = report(judge(artefact, read_others(asked.data)), artefact.detection.frame_s)
    except LaennecError as error:
        print(f"devices: {error}", file=sys.stderr)
        return 2
    print(table(found))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
