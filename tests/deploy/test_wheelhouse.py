"""Wheels for another Python on another processor: which ones, locked by their hashes."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.devices import DeployError
from deploy.release import PROJECT, build_own_wheel, put_model, read
from deploy.resolve import pip_settings, platforms, required
from tests.deploy.standin import write_pip, write_wheel


def test_a_wheelhouse_is_locked_file_by_file(tmp_path: Path) -> None:
    own = write_wheel(tmp_path)
    write_pip(tmp_path)
    digest = hashlib.sha256(own.read_bytes()).hexdigest()
    house = read(tmp_path)
    assert house.lock() == f"laennec==0.0.1 --hash=sha256:{digest}\n", "pip itself is checked as it arrives"
    assert house.version == f"0.0.1-{digest[:8]}"


def test_another_content_is_another_version(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_wheel(tmp_path / name, behaviour=name)
        write_pip(tmp_path / name)
    assert read(tmp_path / "one").version != read(tmp_path / "two").version


@pytest.mark.parametrize("name", ["laennec", "pip"])
def test_a_folder_that_lacks_a_wheel_is_no_wheelhouse(tmp_path: Path, name: str) -> None:
    if name == "pip":
        write_wheel(tmp_path)
    with pytest.raises(DeployError) as caught:
        read(tmp_path)
    assert f"expected one wheel {name}-" in str(caught.value)


def test_a_box_gets_the_device_s_packages_and_nothing_of_the_workstation(tmp_path: Path) -> None:
    wheel = build_own_wheel(tmp_path, Path(sys.executable), None)
    inside = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in inside if ".dist-info/" not in name} == {
        "edge",
        "firmware_bridge",
        "laennec",
    }
    demo = {f"edge/sources/{name}" for name in ("file_search.py", "demo.flac", "demo.json", "manikin.flac")}
    assert {*demo, "edge/models/default.onnx", "firmware_bridge/include/auslink.h"} <= set(inside)


@pytest.mark.parametrize("damaged", ["own.onnx", "own.cpu-int8.onnx"])
def test_a_damaged_artefact_never_leaves_the_workstation(tmp_path: Path, damaged: str) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("own.onnx", "own.cpu-int8.onnx"):
        shutil.copy(PROJECT / "edge/models" / name.replace("own", "default"), tmp_path / name)
    put_model(tmp_path / "own.onnx", folder)
    assert {path.name for path in folder.iterdir()} == {"default.onnx", "default.cpu-int8.onnx"}
    content = bytearray((tmp_path / damaged).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / damaged).write_bytes(content)
    with pytest.raises(DeployError, match=rf"MODEL: model .*{damaged}: damaged: .*copy it again"):
        put_model(tmp_path / "own.onnx", folder)


def test_the_bundled_light_model_is_that_of_the_same_export_or_none(tmp_path: Path) -> None:
    folder, bundled = tmp_path / "models", PROJECT / "edge/models"
    folder.mkdir()
    shutil.copy(bundled / "default.onnx", folder / "light.onnx")  # of another training
    shutil.copy(bundled / "default.onnx", tmp_path / "own.onnx")
    put_model(tmp_path / "own.onnx", folder)
    assert {path.name for path in folder.iterdir()} == {"default.onnx"}
    for name in ("light.onnx", "light.cpu-int8.onnx"):
        shutil.copy(bundled / name.replace("light", "default"), tmp_path / name)
    put_model(tmp_path / "own.onnx", folder)
    assert {path.name for path in folder.iterdir()} == {"default.onnx", "light.onnx", "light.cpu-int8.onnx"}


def test_a_box_takes_tags_up_to_its_c_library_the_newest_first() -> None:
    tags = platforms("aarch64", "2.35")
    assert tags[0] == "manylinux_2_35_aarch64"
    assert {"manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64", "any"} <= set(tags)
    assert "manylinux_2_36_aarch64" not in tags


def test_what_an_extra_needs_comes_only_where_it_is_asked_for(tmp_path: Path) -> None:
    requires = (
        "numpy>=2",
        "uvicorn>=0.34 ; extra == 'board'",
        'starlette>=0.46; extra == "board"',
        'x; extra == "mic"',
    )
    own = write_wheel(tmp_path, requires=tuple(each.replace("'", '"') for each in requires))
    assert required(own) == ["numpy>=2"]
    assert required(own, ("board",)) == ["numpy>=2", "starlette>=0.46", "uvicorn>=0.34"]


def test_the_wheel_of_this_clone_has_an_extra_for_the_board(tmp_path: Path) -> None:
    own = build_own_wheel(tmp_path, Path(sys.executable), None)
    names = {line.split(">")[0] for line in set(required(own, ("board",))) - set(required(own))}
    assert names == {"argon2-cffi", "starlette", "uvicorn"}


def test_where_pip_looks_first_uv_looks_too_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.ward.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://other.ward.example/simple")
    for name in ("PIP_CERT", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    assert pip_settings(Path(sys.executable)) == {"UV_DEFAULT_INDEX": "https://mirror.ward.example/simple"}
