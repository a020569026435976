"""What the Python of another processor needs, laid by the real uv."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from deploy.devices import DeployError
from deploy.release import lay, required
from deploy.tools import PROJECT
from tests.deploy.standin import write_wheel


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has pip, beside uv, as `make_tools` makes one; this one, but for where it lies."""
    folder = tmp_path_factory.mktemp("tools")
    (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (folder / "python").chmod(0o755)
    (folder / "uv").symlink_to(find_uv_bin())
    return folder / "python"


def test_the_environment_of_a_jetson_is_laid_on_any_machine(tmp_path: Path, tools: Path) -> None:
    requires = (
        "pydantic>=2",
        "exceptiongroup; python_version < '3.11'",
        "audioop-lts; python_version >= '3.13'",
        "cobs; platform_machine != 'aarch64'",
        "attrs; extra == 'more'",
    )
    wheel, folder = write_wheel(tmp_path / "own", requires=requires), tmp_path / "all"
    folder.mkdir()
    lay(tools, required(wheel), folder, ("3.10", "aarch64", "2.35"))
    names = {path.name.split("-")[0]: path.name.removesuffix(".dist-info") for path in folder.glob("*.dist-info")}
    assert names.keys() == {
        "pydantic",
        "pydantic_core",
        "annotated_types",
        "typing_inspection",
        "typing_extensions",
        "exceptiongroup",
    }, "markers are judged for the target, not for this Python"
    assert [path.name for path in folder.glob("pydantic_core/*.so")] == [
        "_pydantic_core.cpython-310-aarch64-linux-gnu.so"
    ]
    pinned = (PROJECT / "constraints.txt").read_text()
    assert f"pydantic_core=={names['pydantic_core'].split('-')[1]}" in pinned.replace("pydantic-core", "pydantic_core")


def test_a_package_without_a_pinned_version_is_named(tmp_path: Path, tools: Path) -> None:
    wheel = write_wheel(tmp_path / "own", requires=("wheel",))
    with pytest.raises(DeployError) as caught:
        lay(tools, required(wheel), tmp_path / "site", ("3.10", "aarch64", "2.35"))
    assert "constraints.txt has no version of wheel; add" in str(caught.value)


def test_a_package_without_a_wheel_for_the_box_is_named(tmp_path: Path, tools: Path) -> None:
    wheel = write_wheel(tmp_path / "own", requires=("pyaudio",))
    with pytest.raises(DeployError) as caught:
        lay(tools, required(wheel), tmp_path / "site", ("3.10", "aarch64", "2.35"))
    assert "pyaudio" in str(caught.value).partition("laying what is needed failed on this workstation: ")[2]
