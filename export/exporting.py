"""One export: a checkpoint becomes judged artefacts in their place, or nothing is written.

    checkpoint -> graphs -> sealed artefacts -> judged -> a draft folder -> moved beside each other
    its twin that never heard fold 0 -> graphs alike -> judged on fold 0 (`export.validation`)

Where int8 for TensorRT does not keep the bounds with ranges alone, it is trained and judged again. One bound that is
not kept stops the export; a variant that cannot keep it can be left out by name. Not for a device, which measures its
variants for itself (`laennec tune`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edge.backends.onnx import OnnxBackend
from edge.errors import ConfigError, ModelError
from edge.tuned import cpu_name
from export.build import FP32, KINDS, PTQ, QAT, TRT_INT8, artefacts, graphs, tensorrt_int8
from export.card import card_page
from export.checkpoint import Checkpoint
from export.ground import Ground, validation_said
from export.judging import Judge, Judged
from export.latency import Candidate, chosen, latencies
from export.onnx import to_graph, versions, weights_sha256
from export.place import write
from export.report import Report
from export.validation import lost, measure
from training.network import Scorer

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
    ground = Ground.of(checkpoint, wish.data, wish.cache, say)
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
    write(wish.out, run.shipped.sealed, card_page(checkpoint.metadata().card), report)
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
        again = [name for name in TRT_INT8 if name in judged]
        failed = [f"{name} {said}" for name in again for said in judged[name].failed]
        if self._ground and failed:
            self._say(f"ranges alone do not keep the bounds ({'; '.join(failed)}): training int8 for TensorRT")
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
            validation=validation_said(self._checkpoint, self._ground),
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
        made = {FP32: to_graph(network.scorer, self._metadata)}
        made |= tensorrt_int8(network.scorer, self._metadata, self._ground.sample, QAT)
        kept = {name: graph for name, graph in made.items() if name not in self._without}
        sealed = artefacts(kept, self._metadata, network.scorer, self._ground.sample)
        return Network(network.scorer, network.sealed | sealed)
