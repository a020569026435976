"""`make dist`: what is published of a release, built from this clone."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy import dist
from deploy.release import required
from edge import __version__
from tests.conftest import HANGS_S

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist") / "out"
    line = [sys.executable, "-m", "deploy.dist", "--no-image", "--out", out]
    subprocess.run(line, cwd=ROOT, check=True, timeout=HANGS_S, stdout=subprocess.DEVNULL)
    return out


def names(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def test_the_checksums_are_of_all_other_files(folder: Path) -> None:
    line = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    checked = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()
    wheel, archive, parts = (f"laennec-{__version__}{end}" for end in ("-py3-none-any.whl", ".tar.gz", ".cdx.json"))
    addon, library = f"laennec-{__version__}-home-assistant.tar.gz", f"auslink-{__version__}.zip"
    assert sorted(checked) == sorted(f"{name}: OK" for name in (wheel, archive, parts, addon, library))
    assert {path.name for path in folder.iterdir()} == {wheel, archive, parts, addon, library, "SHA256SUMS"}


def test_the_add_on_has_all_that_its_container_file_copies(folder: Path) -> None:
    with tarfile.open(folder / f"laennec-{__version__}-home-assistant.tar.gz") as archive:
        rights = {member.name: member.mode & 0o777 for member in archive.getmembers()}
    wheel = next(folder.glob("*.whl")).name
    files = ("Dockerfile", "build.yaml", "config.yaml", "constraints.txt", "run.sh", wheel)
    assert set(rights) == {f"laennec/{name}" for name in files}
    assert rights["laennec/run.sh"] & 0o111


def test_the_library_has_the_header_itself(folder: Path) -> None:
    with zipfile.ZipFile(folder / f"auslink-{__version__}.zip") as archive:
        header = archive.read("auslink/src/auslink.h")
        assert {"auslink/library.properties", "auslink/library.json", "auslink/LICENSE"} <= set(archive.namelist())
    assert header == (ROOT / "firmware_bridge/include/auslink.h").read_bytes()


def test_from_the_source_comes_a_wheel_with_the_same_files(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(folder / f"laennec-{__version__}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    line = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*line, str(tmp_path / f"laennec-{__version__}")], check=True, timeout=HANGS_S)
    again, wheel = next(tmp_path.glob("*.whl")), next(folder.glob("*.whl"))
    assert names(again) == names(wheel)
    assert {"laennec/py.typed", "edge/models/default.onnx"} <= names(wheel)


def test_the_list_of_parts_has_each_package_that_is_needed_and_whom_it_needs(folder: Path) -> None:
    bill = json.loads(next(folder.glob("*.cdx.json")).read_text())
    parts = {part["bom-ref"]: part for part in bill["components"]}
    own = bill["metadata"]["component"]["bom-ref"]
    assert own == f"pkg:pypi/laennec@{__version__}"
    named = [Requirement(line).name for line in required(next(folder.glob("*.whl")))]
    assert {"numba", "pydantic", "soundfile"} <= set(named)
    assert {f"pkg:pypi/{canonicalize_name(name)}@{version(name)}" for name in named} == set(depends(bill)[own])
    assert set(depends(bill)) == {own, *parts}
    assert {needed for each in depends(bill).values() for needed in each} == set(parts)
    assert f"pkg:pypi/llvmlite@{version('llvmlite')}" in parts, "which Numba brings"
    assert all(part.get("licenses") for part in parts.values())


def depends(bill: dict[str, list[dict[str, list[str]]]]) -> dict[str, list[str]]:
    return {str(each["ref"]): each["dependsOn"] for each in bill["dependencies"]}


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of the PATH, for programs that stand for an engine."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def engine(path: Path, answers: int, builds: int = 0) -> None:
    lines = f'[ "$1" = info ] && exit {answers}', f'echo "$@" >{path}.said', "echo broken >&2", f"exit {builds}"
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)


def test_an_image_is_built_by_the_first_engine_that_answers(engines: Path) -> None:
    assert dist.image() == "no image: neither docker nor podman answers here"
    engine(engines / "docker", answers=1)
    engine(engines / "podman", answers=0)
    assert dist.image() == f"image laennec:{__version__} in podman"
    output = (engines / "podman.said").read_text()
    assert output == f"build --format docker -f deploy/container/Dockerfile -t laennec:{__version__} .\n"


def test_an_image_that_cannot_be_built_is_said_with_the_engine_s_words(engines: Path) -> None:
    engine(engines / "docker", answers=0, builds=1)
    with pytest.raises(dist.DeployError, match="building the image failed on this workstation: broken"):
        dist.image()
