"""One export: a checkpoint becomes judged artefacts in their place, or nothing is written.

    checkpoint -> graphs -> sealed artefacts -> judged -> a draft folder -> moved beside each other
    its twin that never heard fold 0 -> graphs alike -> judged on fold 0 (`export.validation`)

Everything is written into a draft folder first; artefacts are moved variants first, then the fp32 one whose hash they
name, then the card and the report. Killed in between, a device finds the old model, or the new one with fewer variants.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edge.backends.onnx import OnnxBackend
from edge.errors import ConfigError, ModelError
from edge.tuned import cpu_name
from edge.variants import read_variant
from export.build import FP32, KINDS, PTQ, QAT, TRT_INT8, artefacts, file_name, graphs, tensorrt_int8
from export.calibration import Sample, Side, draw, draw_clips
from export.card import card_page
from export.checkpoint import VALIDATED, Checkpoint
from export.judging import Judge, Judged
from export.latency import Candidate, chosen, latencies
from export.onnx import versions, weights_sha256
from export.parity import Probe
from export.report import Report
from export.validation import Heldout, lost, measure
from training.material import Material
from training.network import Scorer

CALIBRATED = Side(VALIDATED, is_inside=False)
COMPARED = Side(VALIDATED, is_inside=True)  # so that no range was measured on what it is judged on
CALIBRATION_WINDOWS, CALIBRATION_SEED = 256, 1
PROBE_WINDOWS, PROBE_SEED = 512, 2
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for."""

    checkpoint: Path
    out: Path
    """Where the fp32 artefact goes; the others go beside it."""
    data: Path | None
    """Folder of data sets."""
    cache: Path
    """Folder of frames and samples."""
    without: tuple[str, ...] = ()
    """Variants that are not made."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What int8 is calibrated, compared and validated on."""

    sample: Sample
    probe: Probe
    heldout: Heldout


@dataclass(frozen=True, slots=True)
class Network:
    """One network and its artefacts."""

    scorer: Scorer
    sealed: dict[str, bytes]


def export(wish: Wish, say: Say) -> Report:
    """Make, judge and write.

    Args:
        wish: what.
        say: told each step, which may take minutes, and the table.

    Raises:
        ConfigError: the checkpoint or the recordings are not what they must be.
        ModelError: an artefact does not keep a bound; nothing is written then.
    """
    checkpoint = Checkpoint.open(wish.checkpoint)
    unknown = sorted(set(wish.without) - set(KINDS) | set(wish.without) & {FP32})
    if unknown:
        raise ConfigError(f"WITHOUT={' '.join(unknown)}: expected some of {', '.join(sorted(set(KINDS) - {FP32}))}")
    ground = _ground(checkpoint, wish, say)
    run = _Export(checkpoint, ground, wish.without, say)
    report = run.report()
    say(report.table())
    if report.failed:
        names = sorted({one.name for one in report.judged if one.failed})
        advice = (
            "the network itself is not exported right"
            if FP32 in names
            else f'WITHOUT="{" ".join(names)}" leaves it out'
        )
        raise ModelError(f"nothing is written: {report.failed[0]} ({len(report.failed)} in all, see above); {advice}")
    _write(wish.out, run.shipped.sealed, checkpoint, report)
    return report


class _Export:
    """One export under way."""

    def __init__(self, checkpoint: Checkpoint, ground: Ground | None, without: tuple[str, ...], say: Say) -> None:
        self._checkpoint, self._ground, self._without, self._say = checkpoint, ground, without, say
        self._metadata = checkpoint.metadata()
        self.how = {name: PTQ for name, kind in KINDS.items() if kind.is_int8 and ground and name not in without}
        say("making the artefacts")
        self.shipped = self._network(checkpoint.scorer())
        self._judge = Judge(self.shipped.scorer, self.shipped.sealed[FP32], ground.probe if ground else None)
        fold = checkpoint.fold_name if ground else None
        self._twin = self._network(checkpoint.scorer(fold)) if fold else None
        self._expected: dict[str, float] = {}

    def report(self) -> Report:
        """Judge everything; where int8 for TensorRT does not keep the bounds, train it and judge it again."""
        judged = {name: self._judged(name) for name in self.shipped.sealed}
        if self._ground and any(judged[name].failed for name in TRT_INT8 if name in judged):
            self._say("int8 for TensorRT does not keep the bounds with ranges alone: training it")
            again = [name for name in TRT_INT8 if name in judged]
            self.shipped = self._trained(self.shipped)
            self._twin = self._trained(self._twin) if self._twin else None
            judged |= {name: self._judged(name) for name in again}
            self.how |= dict.fromkeys(again, QAT)
        self._say("timing the artefacts")
        backends = {name: OnnxBackend(content) for name, content in self.shipped.sealed.items()}
        latency = latencies(backends, self._judge.probe.windows)
        ways = {n: Candidate(KINDS[n].runtime, not one.failed, latency[n]) for n, one in judged.items()}
        name, why = chosen(ways)
        sample = self._ground.sample if self._ground else None
        return Report(
            card=str(self._metadata.card["id"]),
            checkpoint=weights_sha256(self.shipped.scorer.detector),
            recipe=self._checkpoint.recipe.sha256,
            int8=self.how,
            calibration=sample.record() if sample else None,
            compared_on=self._judge.probe.kind,
            validation=_validation(self._checkpoint, self._ground),
            versions=versions(*sorted({package for kind in KINDS.values() for package in kind.packages})),
            processor=cpu_name(),
            judged=tuple(judged.values()),
            latency=latency,
            chosen=name,
            why=why,
        )

    def _judged(self, name: str) -> Judged:
        self._say(f"judging {name}")
        judged = self._judge.judge(name, self.shipped.sealed[name])
        if self._twin is None or self._ground is None:
            return judged
        backend = OnnxBackend(self._twin.sealed[name])
        metrics = measure(backend, self._ground.heldout)
        self._expected = self._expected or metrics
        return replace(judged, metrics=metrics, failed=[*judged.failed, *lost(self._expected, metrics)])

    def _network(self, scorer: Scorer) -> Network:
        sample = self._ground.sample if self._ground else None
        made = graphs(scorer, self._metadata, sample)
        kept = {name: graph for name, graph in made.items() if name not in self._without}
        return Network(scorer, artefacts(kept, self._metadata, scorer, sample))

    def _trained(self, network: Network) -> Network:
        assert self._ground is not None
        made = graphs(network.scorer, self._metadata, None)
        made = {FP32: made[FP32]} | tensorrt_int8(network.scorer, self._metadata, self._ground.sample, QAT)
        kept = {name: graph for name, graph in made.items() if name not in self._without}
        sealed = artefacts(kept, self._metadata, network.scorer, self._ground.sample)
        return Network(network.scorer, network.sealed | sealed)


def _ground(checkpoint: Checkpoint, wish: Wish, say: Say) -> Ground | None:
    if wish.data is None or not (wish.data / "sprsound" / "train").is_dir():
        say(
            f"no recordings (DATA={wish.data}, expected sprsound/train in it): int8 needs them for its ranges and the "
            "validation for its patients, so only fp32 and fp16 are made, compared on golden sounds; give DATA=folder"
        )
        return None
    material, recipe = Material(checkpoint.recordings(wish.data), wish.cache), checkpoint.recipe
    say("drawing the windows for calibration and comparison")
    probe = Probe(
        draw(material, recipe, COMPARED, PROBE_WINDOWS, PROBE_SEED),
        draw_clips(material, recipe, COMPARED, PROBE_WINDOWS, PROBE_SEED),
        f"{PROBE_WINDOWS} windows and {PROBE_WINDOWS} clips of the patients of fold {VALIDATED}, seed {PROBE_SEED}",
    )
    sample = draw(material, recipe, CALIBRATED, CALIBRATION_WINDOWS, CALIBRATION_SEED)
    return Ground(sample, probe, Heldout.of(checkpoint, material))


def _validation(checkpoint: Checkpoint, ground: Ground | None) -> str:
    if ground is None:
        return "No validation: it needs the recordings, give DATA=folder"
    if checkpoint.fold_name is None:
        return f"No validation: {checkpoint.folder.name} has no network of fold {VALIDATED} that left patients out"
    held = ground.heldout
    return (
        f"Validation: {len(held.recordings)} recordings of fold {VALIDATED}, {held.patients} patients and negatives. "
        "The shipped network was trained on all patients; these numbers are of its twin, trained without them by the "
        "same recipe and put through the same export, with the shipped calibration and thresholds"
    )


def _write(out: Path, sealed: Mapping[str, bytes], checkpoint: Checkpoint, report: Report) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    names = {name: file_name(out.stem, name) for name in sealed}
    draft = Path(tempfile.mkdtemp(prefix=f".{out.stem}-", dir=out.parent))
    try:
        for name, content in sealed.items():
            (draft / names[name]).write_bytes(content)
        (draft / f"{out.stem}.md").write_text(card_page(checkpoint.metadata().card))
        (draft / f"{out.stem}.report.json").write_text(report.to_json(names))
        order = [names[name] for name in sealed if name != FP32]
        for file in (*order, names[FP32], f"{out.stem}.md", f"{out.stem}.report.json"):
            os.replace(draft / file, out.parent / file)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _remove_stale(out)


def _remove_stale(out: Path) -> None:
    """Variants of another fp32 artefact of this name."""
    sha256 = read_variant(out).sha256
    for name in KINDS:
        beside = out.with_name(file_name(out.stem, name))
        if name != FP32 and beside.exists() and read_variant(beside).variant.parent != sha256:
            beside.unlink()
