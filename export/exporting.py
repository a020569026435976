"""One export: a checkpoint becomes judged artefacts in their place, or nothing is written.

    checkpoint -> graphs -> sealed artefacts -> judged -> a draft folder -> moved beside each other
    its twins, each without one fold -> alike -> judged on that fold (`export.validation`)

Where int8 for TensorRT does not keep the bounds with ranges alone, it is trained and judged again. One bound that is
not kept stops the export; a variant that cannot keep it can be left out by name. Not for a device, which measures its
variants for itself (`laennec optimize`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edge.artefact.backends.onnx import OnnxBackend
from edge.artefact.tuned import cpu_name
from edge.errors import ConfigError, ModelError
from export.acceptance import Acceptance, Judged
from export.build import FP32, KINDS, PTQ, QAT, TRT_INT8, make
from export.card import card_page
from export.checkpoint import Checkpoint
from export.held_out import HeldOutData, validation_said
from export.latency import Candidate, chosen, latencies
from export.onnx import versions, weights_sha256
from export.place import write
from export.report import Report
from export.validation import lost, validate

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
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


def export(options: Options, say: Say) -> Report:
    """Make, judge and write.

    Args:
        options: what.
        say: told each step, which may take minutes, and the table.

    Raises:
        ConfigError: the checkpoint or the recordings are not what they must be.
        ModelError: an artefact does not keep a bound; nothing is written then.
    """
    checkpoint = Checkpoint.open(options.checkpoint)
    unknown = sorted(set(options.without) - set(KINDS) | set(options.without) & {FP32})
    if unknown:
        raise ConfigError(f"WITHOUT={' '.join(unknown)}: expected some of {', '.join(sorted(set(KINDS) - {FP32}))}")
    held_out = HeldOutData.of(checkpoint, options.data, options.cache, say)
    run = _Export(checkpoint, held_out, options.without, say)
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
    write(options.out, run.sealed, card_page(checkpoint.metadata().card), report)
    return report


class _Export:
    """One export under way."""

    def __init__(
        self, checkpoint: Checkpoint, held_out: HeldOutData | None, without: tuple[str, ...], say: Say
    ) -> None:
        self._checkpoint, self._held_out, self._say = checkpoint, held_out, say
        self._metadata, self._scorer = checkpoint.metadata(), checkpoint.scorer()
        wanted = [name for name in KINDS if name not in without]
        self._names = [name for name in wanted if held_out or not KINDS[name].is_int8]
        self.how = {name: PTQ for name in self._names if KINDS[name].is_int8}
        say("making the artefacts")
        self.sealed = self._made(self._names, PTQ)
        self._acceptance = Acceptance(self._scorer, self.sealed[FP32], held_out.probe if held_out else None)

    def report(self) -> Report:
        """Judge everything; where int8 for TensorRT does not keep the bounds, train it and judge it again."""
        judged = self._judged(self._names, PTQ)
        again = [name for name in TRT_INT8 if name in judged]
        failed = [f"{name} {said}" for name in again for said in judged[name].failed]
        if failed:
            self._say(f"ranges alone do not keep the bounds ({'; '.join(failed)}): training int8 for TensorRT")
            self.sealed |= self._made([FP32, *again], QAT)
            judged |= self._judged([FP32, *again], QAT)
            self.how |= dict.fromkeys(again, QAT)
        self._say("timing the artefacts")
        backends = {name: OnnxBackend(content) for name, content in self.sealed.items()}
        latency = latencies(backends, self._acceptance.probe.windows)
        ways = {n: Candidate(KINDS[n].runtime, not one.failed, latency[n]) for n, one in judged.items()}
        name, why = chosen(ways)
        sample = self._held_out.sample if self._held_out else None
        return Report(
            card=str(self._metadata.card["id"]),
            checkpoint=weights_sha256(self._scorer.detector),
            recipe=self._checkpoint.recipe.sha256,
            int8=self.how,
            calibration=sample.record() if sample else None,
            compared_on=self._acceptance.probe.kind,
            validation=validation_said(self._checkpoint, self._held_out),
            versions=versions(*sorted({package for kind in KINDS.values() for package in kind.packages})),
            processor=cpu_name(),
            judged=tuple(judged.values()),
            latency=latency,
            chosen=name,
            why=why,
        )

    def _made(self, names: list[str], how: str) -> dict[str, bytes]:
        return make(self._scorer, self._metadata, self._held_out.sample if self._held_out else None, names, how)

    def _judged(self, names: list[str], how: str) -> dict[str, Judged]:
        judged = {}
        for name in names:
            self._say(f"judging {name}")
            judged[name] = self._acceptance.examine(name, self.sealed[name])
        if self._held_out is None or not self._held_out.heldouts:
            return judged
        self._say(f"validating {', '.join(names)} on patients that were left out; this takes minutes")
        metrics = validate(self._checkpoint, self._held_out.heldouts, names, how)
        return {
            name: replace(one, metrics=metrics[name], failed=[*one.failed, *lost(metrics[FP32], metrics[name])])
            for name, one in judged.items()
        }
