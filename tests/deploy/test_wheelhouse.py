"""The files of a release for another Python on another processor: which ones, and their hashes."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.box.examine import Facts
from deploy.box.layout import digest_of, listed
from deploy.devices import DeployError
from deploy.release import build_own_wheel, check_wheels, put_model, read, required
from deploy.tools import PROJECT, pip_settings
from tests.deploy.standin import write_wheel


def test_every_file_of_a_release_is_listed_with_its_hash(tmp_path: Path) -> None:
    own = write_wheel(tmp_path / "house")
    software = read(tmp_path / "house", tmp_path / "build")
    with zipfile.ZipFile(own) as wheel:
        inside = {name: hashlib.sha256(wheel.read(name)).hexdigest() for name in wheel.namelist()}
    assert {part.name: part.sha256 for part in listed(software.listing())} == inside
    assert software.version == f"0.0.1-{digest_of(own)[:8]}"
    assert all(digest_of(path) == part.sha256 for part, path in software.parts.items())


def test_another_content_is_another_version(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_wheel(tmp_path / name, behaviour=name)
    assert read(tmp_path / "one", tmp_path).version != read(tmp_path / "two", tmp_path).version


def test_a_folder_without_a_wheel_of_laennec_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"expected one wheel laennec-\*.whl"):
        read(tmp_path, tmp_path / "build")


def test_a_damaged_wheel_is_named(tmp_path: Path) -> None:
    own = write_wheel(tmp_path / "house")
    own.write_bytes(own.read_bytes()[:-100])
    with pytest.raises(DeployError, match=rf"found {own} damaged"):
        read(tmp_path / "house", tmp_path / "build")


def test_what_a_wheel_keeps_apart_for_site_packages_lies_there(tmp_path: Path) -> None:
    own = write_wheel(tmp_path / "house")
    with zipfile.ZipFile(own.with_name("other-1-py3-none-any.whl"), "w") as wheel:
        for name in ("platlib/other/code.py", "scripts/other", "data/share/other.txt"):
            wheel.writestr(f"other-1.data/{name}", "1")
    names = {part.name for part in read(tmp_path / "house", tmp_path / "build").parts}
    assert {name for name in names if "other" in name} == {"other/code.py"}


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("a-1-py3-none-any", True),
        ("a-1-py2.py3-none-any", True),
        ("a-1-cp39-abi3-manylinux_2_28_aarch64", True),
        ("a-1-cp310-cp310-manylinux2014_aarch64", True),
        ("a-1-cp311-cp311-manylinux2014_aarch64", False),
        ("a-1-cp310-cp310-manylinux_2_17_x86_64", False),
    ],
)
def test_wheels_for_another_box_are_refused(tmp_path: Path, jetson: Facts, name: str, fits: bool) -> None:
    (tmp_path / f"{name}.whl").touch()
    if fits:
        check_wheels(tmp_path, jetson.pythons[0], jetson)
    else:
        with pytest.raises(DeployError, match=f"expected wheels for Python 3.10.12 on aarch64, found {name}.whl"):
            check_wheels(tmp_path, jetson.pythons[0], jetson)


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
