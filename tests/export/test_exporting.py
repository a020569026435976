"""One export, from a run folder to files beside each other, or to a clear line and nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.errors import ConfigError
from edge.model.model import DEFAULT_PATH, load_model
from export import exporting
from export.__main__ import main
from export.acceptance import ArtefactResult
from export.artefacts import FP32, PTQ, QAT, make, weights_sha256
from export.checkpoint import Checkpoint
from export.exporting import ExportOptions, _Export, export
from export.parity import ComparisonSet, golden_sounds
from export.recordings import EvaluationData
from tests.edge.artefacts import variant_paths
from tests.export.networks import small_sounds
from tests.export.runs import RELEASED, make_run

THRESHOLDS = dict.fromkeys(json.loads((RELEASED / "result.json").read_text())["thresholds"], 0.21)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    lines: list[str] = []
    out = tmp_path_factory.mktemp("out") / "model.onnx"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("export.parity.SEEDS", (101,))
        patched.setattr("export.report.ROUNDS", (2, 2, 2))
        golden_sounds.cache_clear()
        try:
            export(ExportOptions(run / "final", out, None, run / "cache"), lines.append)
            yield out, "\n".join(lines)
        finally:  # also when the export fails
            golden_sounds.cache_clear()  # of fewer sounds than others expect


@pytest.mark.rest
def test_without_recordings_fp32_and_fp16_are_made_and_it_says_what_is_missing(exported: tuple[Path, str]) -> None:
    out, answered = exported
    names = {"model.onnx", "model.trt-fp16.onnx", "model.md", "model.report.json"}
    assert {path.name for path in out.parent.iterdir()} == names
    assert set(variant_paths(out)) == {"trt-fp16"}
    assert "only fp32 and fp16 are made" in answered
    assert "DATA" in answered


@pytest.mark.rest
def test_the_report_says_what_was_written(exported: tuple[Path, str]) -> None:
    out, _ = exported
    report = json.loads(out.with_name("model.report.json").read_text())
    assert report["passes"] is True
    assert {a["file"]: a["sha256"] for a in report["artefacts"]} == {
        path.name: load_model(path).sha256 for path in sorted(out.parent.glob("*.onnx"))
    }
    assert report["checkpoint"] == load_model(out).variant.checkpoint
    assert report["calibration"] is None
    assert "No validation" in report["validation"]
    assert str(Path.cwd()) not in out.with_name("model.report.json").read_text()


@pytest.mark.rest
def test_a_bound_that_is_not_kept_stops_the_export_and_nothing_is_written(
    run: Path,
    tmp_path: Path,
    exported: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("export.acceptance.from_torch", lambda *_: 0.01)
    before = {path.name: path.read_bytes() for path in exported[0].parent.iterdir()}
    assert main(["--checkpoint", str(run), "--out", str(exported[0]), "--without", "trt-fp16"]) == 2
    output = capsys.readouterr()
    assert "export: nothing is written: laennec-default-" in output.err
    assert "fp32: torch: answers differ by 0.01, at most 1e-05" in output.err
    assert "FAILED fp32: torch" in output.out
    assert {path.name: path.read_bytes() for path in exported[0].parent.iterdir()} == before


@pytest.mark.rest
def test_a_new_fp32_artefact_removes_the_variants_of_the_old_one(exported: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(exported[0].parent, folder)
    shutil.copy(RELEASED.parents[2] / "edge" / "models" / "default.onnx", folder / "model.onnx")
    exporting.remove_stale(folder / "model.onnx")
    assert not (folder / "model.trt-fp16.onnx").exists()


def test_what_is_no_finished_run_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--checkpoint", str(tmp_path / "none"), "--out", str(tmp_path / "x.onnx")]) == 2
    assert "expected a finished training with result.json and recipe.json" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["fp32", "int4"])
def test_what_cannot_be_left_out_is_told(run: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"WITHOUT={name}: expected some of cpu-int8"):
        export(ExportOptions(run, tmp_path / "x.onnx", None, tmp_path, (name,)), lambda _: None)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two final networks, whose mean has a calibration and a threshold of its own."""
    own = {"calibration": {"scale": [1.0, 2.0, 3.0], "bias": [0.5, 0.25, 0.125]}, "thresholds": THRESHOLDS}
    return make_run(tmp_path_factory.mktemp("runs") / "several", 2, models={"default": own})


@pytest.mark.rest
def test_a_run_with_several_final_networks_is_exported_as_their_mean_and_as_the_first_alone(
    several: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.parity.SEEDS", ())
    monkeypatch.setattr("export.report.ROUNDS", (1, 1, 1))
    golden_sounds.cache_clear()
    out = tmp_path / "out" / "mine.onnx"
    try:
        reports = export(ExportOptions(several, out, None, several / "cache", ("trt-fp16",)), lambda _: None)
    finally:
        golden_sounds.cache_clear()
    names = {f"{stem}.{suffix}" for stem in ("mine", "light") for suffix in ("onnx", "md", "report.json")}
    assert {path.name for path in out.parent.iterdir()} == names
    default, light = load_model(out), load_model(out.with_name("light.onnx"))
    assert default.id.startswith("laennec-default-")
    assert light.id.startswith("laennec-light-")
    assert default.card["parameters"] == 2 * light.card["parameters"] > 0
    assert "mean of the logits of 2 such networks" in default.card["training"]
    assert "mean of the logits" not in light.card["training"]
    run = Checkpoint.open(several)
    assert default.calibration["scale"] == [1.0, 2.0, 3.0]
    assert default.thresholds == THRESHOLDS
    assert light.calibration == run.result["calibration"]
    assert light.thresholds == run.result["thresholds"]
    assert {name: report.checkpoint for name, report in reports.items()} == {
        name: weights_sha256(run.scorer(name).detector) for name in ("default", "light")
    }
    assert [member.state_dict().keys() for member in run.scorer().detector.members] == [
        run.scorer(name).detector.state_dict().keys() for name in ("final", "final-1")
    ]
    assert weights_sha256(run.scorer("light").detector) == weights_sha256(run.scorer("final").detector)
    with pytest.raises(ConfigError, match=r"OUT=.*light\.onnx: is where the light model goes"):
        export(ExportOptions(several, tmp_path / "light.onnx", None, tmp_path), lambda _: None)


@pytest.mark.rest
def test_an_interrupted_write_leaves_what_was_there(
    exported: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = exported[0]
    before = {path.name: path.read_bytes() for path in out.parent.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(out))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        exporting.write(out, {"fp32": b"new"}, "card", None)  # type: ignore[arg-type]
    assert {path.name: path.read_bytes() for path in out.parent.iterdir()} == before


@pytest.mark.rest
def test_killed_before_the_fp32_artefact_is_moved_the_old_one_stands_and_no_strange_variant_counts(
    exported: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(exported[0].parent, folder)
    out, old = folder / "model.onnx", load_model(exported[0]).sha256
    sealed = {name: path.read_bytes() for name, path in (("fp32", DEFAULT_PATH), *variant_paths(DEFAULT_PATH).items())}
    report = SimpleNamespace(to_json=lambda _: "{}")
    move = os.replace

    def killed(source: Path, target: Path) -> None:
        if target == out:
            raise KeyboardInterrupt
        move(source, target)

    monkeypatch.setattr("export.exporting.os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        exporting.write(out, sealed, "card", report)  # type: ignore[arg-type]
    assert load_model(out).sha256 == old
    assert variant_paths(out) == {}
    assert not list(folder.glob(".model-*"))


@dataclass
class Strict:
    """An acceptance that lets int8 for TensorRT pass only when it was trained."""

    made: list[str]
    comparison: ComparisonSet

    def check(self, name: str, content: bytes) -> ArtefactResult:
        failed = ["top1 0.98, at least 0.99"] if name.startswith("trt-int8") and QAT not in self.made else []
        return ArtefactResult(name, "", len(content), {}, None, None, 0.0, [], "", failed)


@pytest.mark.rest
def test_int8_for_tensorrt_is_trained_where_ranges_alone_do_not_keep_the_bounds(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    checkpoint, sounds = Checkpoint.open(run), small_sounds(2)
    comparison = ComparisonSet(sounds, sounds, "noise")
    stored = make(checkpoint.scorer(), checkpoint.metadata(), None, [FP32])[FP32]

    def made_of(_scorer: object, _metadata: object, _sample: object, names: list[str], how: str) -> dict[str, bytes]:
        made.append(how)
        return dict.fromkeys(names, stored)

    monkeypatch.setattr(exporting, "make", made_of)
    monkeypatch.setattr(exporting, "Acceptance", lambda *_: Strict(made, comparison))
    monkeypatch.setattr("export.report.ROUNDS", (1, 1, 1))
    answered: list[str] = []
    left_out = ("cpu-int8", "trt-int8-fp16")
    report = _Export(checkpoint, EvaluationData(sounds, comparison, ()), left_out, answered.append).report({})
    assert made == [PTQ, QAT]
    assert report.int8 == {"trt-int8": QAT}
    assert report.failed == []
    assert any("trt-int8 top1 0.98, at least 0.99" in line for line in answered)
