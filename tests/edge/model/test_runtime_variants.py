"""Which files beside an artefact are its variants: those that are whole and say so."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edge.errors import ModelError
from edge.log import warn_once
from edge.model.model import DEFAULT_PATH, LIGHT_PATH
from edge.model.runtime import find_variants, read_variant
from tests.edge.artefacts import fp32, variant, variant_paths


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    warn_once.cache_clear()


def test_an_artefact_alone_has_no_variants(tmp_path: Path) -> None:
    path = fp32(tmp_path)
    assert variant_paths(path) == {}
    assert [item.variant.name for item in find_variants(path)] == ["fp32"]


def test_variants_are_found_by_what_they_say_and_not_by_their_file_names(tmp_path: Path) -> None:
    path = fp32(tmp_path)
    made = variant(path, "trt-fp16")
    moved = made.rename(tmp_path / "chest.other-name.onnx")
    assert variant_paths(path) == {"trt-fp16": moved}


def test_a_variant_of_an_older_model_of_that_name_is_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = fp32(tmp_path)
    variant(path, "trt-fp16", parent_sha256="1" * 64)
    assert variant_paths(path) == {}
    assert "cause=made_for_another_chest.onnx" in caplog.text


def test_a_variant_that_was_copied_half_is_ignored_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = fp32(tmp_path)
    whole = variant(path, "cpu-int8")
    half = variant(path, "trt-int8")
    half.write_bytes(half.read_bytes()[:-5])
    assert variant_paths(path) == {"cpu-int8": whole}
    assert variant_paths(path) == {"cpu-int8": whole}
    assert len([r for r in caplog.records if "chest.trt-int8.onnx" in r.message]) == 1


def test_models_of_other_names_in_the_folder_are_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = fp32(tmp_path)
    (tmp_path / "chest2.trt-int8.onnx").write_bytes(b"")
    (tmp_path / "lung.onnx").write_bytes(b"")
    assert variant_paths(path) == {}
    assert caplog.text == ""


def test_a_variant_has_no_variants_of_its_own(tmp_path: Path) -> None:
    path = fp32(tmp_path)
    made = variant(path, "trt-fp16")
    variant(path, "trt-int8")
    assert [item.variant.name for item in find_variants(made)] == ["trt-fp16"]


def test_an_artefact_that_is_damaged_itself_is_an_error(tmp_path: Path) -> None:
    path = fp32(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"chest\.onnx: expected a Laennec artefact"):
        find_variants(path)


@pytest.mark.parametrize("fp32", [path for path in (DEFAULT_PATH, LIGHT_PATH) if path.exists()], ids=lambda p: p.stem)
def test_the_bundled_variants_are_those_of_the_bundled_artefacts(fp32: Path) -> None:
    found = variant_paths(fp32)
    assert set(found.values()) == set(fp32.parent.glob(f"{fp32.stem}.*.onnx"))
    assert {name: read_variant(path).variant.name for name, path in found.items()} == {name: name for name in found}
