"""The artefact is accepted only when it is whole, ours, and fits its own metadata."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from edge.errors import ModelError
from edge.model.model import DEFAULT_PATH, load_model
from edge.model.onnx_file import MAX_BYTES, seal
from edge.model.runtime import open_model
from edge.model.training_domain import TrainingDomain
from tests.conftest import HANGS_S
from tests.edge.artefacts import nobody_writes, variant
from tests.edge.knowing import known_noise
from tests.edge.model.backends.machine import Machine, fake_library, machine
from tests.edge.small_graph import SPEC, small_artefact

__all__ = ["fake_library", "machine"]

SEAL_BYTES = 82


def _edited(path: Path, changes: dict[str, str | None]) -> Path:
    """The small artefact with some metadata replaced or removed, sealed again."""
    graph = onnx.load_from_string(small_artefact()[:-SEAL_BYTES])
    stored = {p.key: p.value for p in graph.metadata_props}
    del graph.metadata_props[:]
    for key, value in {**stored, **{f"laennec.{k}": v for k, v in changes.items()}}.items():
        if value is not None:
            graph.metadata_props.add(key=key, value=value)
    path.write_bytes(seal(graph.SerializeToString()))
    return path


def test_the_default_artefact_is_small_and_tells_what_it_is() -> None:
    model = load_model()
    assert DEFAULT_PATH.stat().st_size < 6_000_000
    assert set(model.event_classes) == {"wheeze", "rhonchus", "stridor", "fine_crackle", "coarse_crackle"}
    assert model.classes[-1] == "breath"
    assert model.card["parameters"] < 1_200_000  # of three networks
    assert model.score_hop_samples / model.rate_hz <= 0.05
    assert len(model.training_data) == 64
    assert "SPRSound" in model.describe()


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    content = small_artefact()
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(content), 50):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path = tmp_path / "damaged.onnx"
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"damaged: expected|without one"):
            load_model(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_file_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    content = small_artefact()
    path = tmp_path / "short.onnx"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="expected a Laennec artefact"):
        load_model(path)


def test_an_onnx_file_of_someone_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(seal(onnx.ModelProto().SerializeToString()))
    with pytest.raises(ModelError, match=r"other\.onnx: expected a graph that onnxruntime"):
        load_model(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx: cannot be read \(No such file"):
        load_model(tmp_path / "none.onnx")


def test_a_pipe_or_folder_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.onnx"
    for path, found in ((pipe, "pipe or device"), (tmp_path, "folder")):
        with nobody_writes(pipe), pytest.raises(ModelError) as caught:
            load_model(path)
        assert str(caught.value) == f"model {path}: is a {found}; give a file"


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ModelError, match="expected at most 64 MB"):
        load_model(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("schema", "laennec.model/3", r"expected a Laennec model \(laennec.model/2\), found .*laennec.model/3"),
        ("schema", None, r"expected a Laennec model \(laennec.model/2\), found an ONNX file with schema None"),
        ("thresholds", None, "missing: thresholds"),
        ("classes", json.dumps(["rhonchus", "breath"]), "disagree"),
        (
            "classes",
            json.dumps(["<img src=x onerror=alert(1)>", "breath"]),
            "expected 1 to 32 of a-z, 0-9 and _, found '<img",
        ),
        ("classes", json.dumps(["wheeze\n", "breath"]), "a name of a class or group: expected 1 to 32"),
        ("chunk", json.dumps({"window_frames": 3}), "metadata not understood"),
        ("features", "[]", "metadata not understood"),
        ("known", "{}", r"metadata not understood: laennec\.known"),
    ],
)
def test_metadata_that_do_not_hold_are_refused(tmp_path: Path, key: str, value: str | None, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(_edited(tmp_path / "edited.onnx", {key: value}))


def test_what_a_model_knows_is_read_and_shown_and_a_model_without_it_says_so(tmp_path: Path) -> None:
    known = known_noise(-42.0)
    knows = load_model(_edited(tmp_path / "knows.onnx", {"known": known.to_json()}))
    silent = load_model(_edited(tmp_path / "silent.onnx", {}))
    assert knows.known == TrainingDomain.from_json(known.to_json())
    assert "known sound: level -43 to -41 dBFS (from -73 dBFS on brought to it)" in knows.describe()
    assert silent.known is None
    assert "known sound: not in this model" in silent.describe()


def test_a_model_of_windows_is_refused_with_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load_model(_edited(tmp_path / "old.onnx", {"schema": "laennec.model/1", "chunk": None}))
    assert str(caught.value) == (
        f"model {tmp_path}/old.onnx: expected a model of chunks (laennec.model/2), found laennec.model/1, a "
        "model of windows, which runs with the release of Laennec that it came with; export it again with this version "
        "of Laennec"
    )


def test_a_model_of_windows_is_refused_before_an_engine_is_built_of_it(tmp_path: Path, machine: Machine) -> None:
    path = _edited(tmp_path / "old.onnx", {"schema": "laennec.model/1"})
    with pytest.raises(ModelError, match="expected a model of chunks"):
        open_model(variant(path, "trt-fp16"), "tensorrt")
    assert machine.trt.builds == 0


def test_a_spec_that_does_not_fit_the_graph_is_refused_with_both_shapes(tmp_path: Path) -> None:
    features = SPEC.to_json().replace('"bands":8', '"bands":16')
    with pytest.raises(ModelError, match=r"graph does not fit its metadata: expected .*\[4, 16\].* found .*\[4, 8\]"):
        load_model(_edited(tmp_path / "edited.onnx", {"features": features}))


def test_the_runtime_is_told_to_report_to_nobody_before_it_is_imported() -> None:
    program = "import os, sys; from edge.model.backends import onnx; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    quiet = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=HANGS_S)
    assert quiet.stdout.strip() == "1"
    source = Path(sys.modules["edge.model.backends.onnx"].__file__ or "").read_text()
    assert source.index("ORT_DISABLE_TELEMETRY") < source.index("import onnxruntime")
