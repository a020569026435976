"""One export: a checkpoint becomes tested artefacts in their place, or nothing is written.

    checkpoint -> its models, default and light, each
        -> graphs -> sealed artefacts -> acceptance tests -> a draft folder -> moved to where they belong
    its cross-validation networks -> alike -> validated on the fold that each left out (`export.acceptance`)

Where int8 for TensorRT does not keep the bounds with ranges alone, it is trained and tested again. One bound that is
not kept stops the export; a variant that cannot keep it can be left out by name. Variants are moved first, then the
fp32 artefact whose hash they name, then the card and the report: killed in between, a box finds the old model or the
new one, with fewer variants, for those of another fp32 artefact are ignored. Not for what a variant
is worth on a device (`laennec bench`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from edge.errors import ConfigError, ModelError
from edge.model.backends.onnx import OnnxBackend
from edge.model.runtime import cpu_name, read_variant
from export.acceptance import Acceptance, ArtefactResult, lost, validate
from export.artefacts import FP32, KINDS, PTQ, QAT, TRT_INT8, calibration_sample, make, versions, weights_sha256
from export.card import card_page
from export.checkpoint import Checkpoint
from export.recordings import EvaluationData, validation_note
from export.report import Report, latencies
from training.detector.shipped import DEFAULT, LIGHT

TIMED = 8  # of the sounds of the comparison, whose chunks are timed
Progress = Callable[[str], None]
Validated = dict[str, dict[str, dict[str, float]]]
"""Metrics of the folds by how int8 for TensorRT was made, variant and name."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What to export and where to."""

    checkpoint: Path
    out: Path
    """Where the fp32 artefact goes; the others go beside it, and those of the light model as `light.onnx`."""
    data: Path | None
    """Folder of data sets."""
    cache: Path
    """Folder of frames and samples."""
    without: tuple[str, ...] = ()
    """Variants that are not made; `light:cpu-int8` is not made of that model alone."""


def export(options: ExportOptions, progress: Progress) -> dict[str, Report]:
    """Make, test and write the artefacts of every model; returns the report of each by its name.

    Args:
        options: what and where to.
        progress: called with a line for each step, which may take minutes, and with the table.

    Raises:
        ConfigError: the checkpoint or the recordings are not what they must be.
        ModelError: an artefact does not keep a bound; nothing is written then.
    """
    torch.set_num_threads(1)  # a step is too small for more; threads that wait for each other take 30 times as long
    checkpoint = Checkpoint.open(options.checkpoint)
    kinds = {one.partition(":")[2] or one for one in options.without}
    models = {one.partition(":")[0] for one in options.without if ":" in one}
    if unknown := sorted((kinds - set(KINDS)) | (kinds & {FP32}) | (models - {DEFAULT, LIGHT})):
        raise ConfigError(
            f"WITHOUT={' '.join(unknown)}: expected some of {', '.join(sorted(set(KINDS) - {FP32}))}, of all models "
            f"or, as {LIGHT}:cpu-int8, of one"
        )
    light = options.out.with_name(f"{LIGHT}.onnx")
    if LIGHT in checkpoint.models and options.out == light:
        raise ConfigError(f"OUT={options.out}: is where the light model goes; give another name for the default one")
    evaluation = EvaluationData.load(checkpoint, options.data, options.cache, progress)
    validated: Validated = {}
    exports = {name: _Export(checkpoint, evaluation, options.without, progress, name) for name in checkpoint.models}
    reports = {}
    for name, one in exports.items():
        progress(f"{name}: {len(checkpoint.models[name])} of the final networks")
        reports[name] = one.report(validated)
        progress(reports[name].table())
        _refuse_broken(reports[name])
    for name, one in exports.items():
        out = options.out if name == DEFAULT else light
        write(out, one.sealed, card_page(checkpoint.metadata(name).card), reports[name])
    if LIGHT not in exports and light.exists() and options.out != light:
        progress(f"{light} is of another training, for this one has one final network: remove it and its variants")
    return reports


def _refuse_broken(report: Report) -> None:
    """Stop at bounds that are not kept, with what to do."""
    if not report.failed:
        return
    names = sorted({one.name for one in report.results if one.failed})
    advice = (
        "the network itself is not exported right" if FP32 in names else f'WITHOUT="{" ".join(names)}" leaves it out'
    )
    raise ModelError(
        f"nothing is written: {report.card}: {report.failed[0]} ({len(report.failed)} in all, see above); {advice}"
    )


class _Export:
    """The export of one model under way."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        evaluation: EvaluationData | None,
        without: tuple[str, ...],
        progress: Progress,
        name: str = DEFAULT,
    ) -> None:
        self._checkpoint, self._evaluation, self._progress = checkpoint, evaluation, progress
        self._metadata, self._scorer = checkpoint.metadata(name), checkpoint.scorer(name)
        self._validated: Validated = {}
        names = [kind for kind in KINDS if not {kind, f"{name}:{kind}"} & set(without)]
        self._names = [name for name in names if evaluation or not KINDS[name].is_int8]
        self.how = {name: PTQ for name in self._names if KINDS[name].is_int8}
        progress(f"making the artefacts of {name}")
        self._sample = calibration_sample(self._scorer, self._metadata, evaluation.calibration) if evaluation else None
        self.sealed = self._made(self._names, PTQ)
        comparison = evaluation.comparison if evaluation else None
        self._acceptance = Acceptance(self._scorer, self.sealed[FP32], comparison)

    def report(self, validated: Validated) -> Report:
        """Test everything; what of int8 for TensorRT does not keep the bounds is trained and tested again.

        Args:
            validated: what is known of the networks of the folds, which all models have in common; added to.
        """
        self._validated = validated
        tested = self._tested(self._names, PTQ)
        again = [name for name in TRT_INT8 if name in tested and tested[name].failed]
        failed = [f"{name} {bound}" for name in again for bound in tested[name].failed]
        if failed:
            self._progress(f"ranges alone do not keep the bounds ({'; '.join(failed)}): training int8 for TensorRT")
            self.sealed |= self._made([FP32, *again], QAT)
            tested |= self._tested([FP32, *again], QAT)
            self.how |= dict.fromkeys(again, QAT)
        self._progress("timing the artefacts")
        backends = {name: OnnxBackend(content) for name, content in self.sealed.items()}
        timed = calibration_sample(self._scorer, self._metadata, self._acceptance.comparison.streams[:TIMED])
        latency = latencies(backends, timed.inputs)
        return Report(
            card=str(self._metadata.card["id"]),
            checkpoint=weights_sha256(self._scorer.detector),
            recipe=self._checkpoint.recipe.sha256,
            int8=self.how,
            calibration=self._sample.record() if self._sample else None,
            compared_on=self._acceptance.comparison.kind,
            validation=validation_note(self._checkpoint, self._evaluation),
            versions=versions(*sorted({package for kind in KINDS.values() for package in kind.packages})),
            processor=cpu_name(),
            results=tuple(tested.values()),
            latency=latency,
        )

    def _made(self, names: list[str], how: str) -> dict[str, bytes]:
        return make(self._scorer, self._metadata, self._sample, names, how)

    def _tested(self, names: list[str], how: str) -> dict[str, ArtefactResult]:
        tested = {}
        for name in names:
            self._progress(f"testing {name}")
            tested[name] = self._acceptance.check(name, self.sealed[name])
        if self._evaluation is None or not self._evaluation.folds:
            return tested
        metrics = self._validated.setdefault(how, {})
        if not set(names) <= set(metrics):
            self._progress(f"validating {', '.join(names)} on patients that were left out; this takes minutes")
            metrics |= validate(self._checkpoint, self._evaluation.folds, names, how)
        return {
            name: replace(one, metrics=metrics[name], failed=[*one.failed, *lost(metrics[FP32], metrics[name])])
            for name, one in tested.items()
        }


def file_name(stem: str, variant: str) -> str:
    """File name of a variant."""
    return f"{stem}.onnx" if variant == FP32 else f"{stem}.{variant}.onnx"


def write(out: Path, sealed: Mapping[str, bytes], card: str, report: Report) -> None:
    """Write all files of an export.

    Args:
        out: the fp32 artefact; the others go beside it.
        sealed: artefacts by variant.
        card: as Markdown.
        report: of all of them.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    names = {name: file_name(out.stem, name) for name in sealed}
    card_name, report_name = f"{out.stem}.md", f"{out.stem}.report.json"
    draft = Path(tempfile.mkdtemp(prefix=f".{out.stem}-", dir=out.parent))
    try:
        for name, content in sealed.items():
            (draft / names[name]).write_bytes(content)
        (draft / card_name).write_text(card)
        (draft / report_name).write_text(report.to_json(names))
        variants = [names[name] for name in sealed if name != FP32]
        for file in (*variants, names[FP32], card_name, report_name):
            os.replace(draft / file, out.parent / file)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    remove_stale(out)


def remove_stale(out: Path) -> None:
    """Remove variants of another fp32 artefact of this name."""
    sha256 = read_variant(out).sha256
    for name in KINDS:
        beside = out.with_name(file_name(out.stem, name))
        if name != FP32 and beside.exists() and read_variant(beside).variant.parent != sha256:
            beside.unlink()
