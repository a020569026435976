"""A machine with a GPU that is none: the fakes put where the real ones would be found."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import cast

import pytest

from edge.model.backends import cuda as _cudart
from edge.model.backends.tensorrt import Device, find_device
from tests.edge.model.backends.fake_tensorrt import FakeTensorRt


class Machine:
    """The fakes of one test, and what they saw."""

    def __init__(self, library: Path, cache: Path) -> None:
        self.shared, self.cache = library, cache
        self.cuda = ctypes.CDLL(str(library))
        self.cuda.fake_calls.restype = ctypes.c_char_p
        self.cuda.fake_reset()
        self.trt = FakeTensorRt(self.cuda)

    @property
    def device(self) -> Device:
        return find_device()

    @property
    def calls(self) -> list[str]:
        """Every call of CUDA and of the context since `forget`."""
        return str(self.cuda.fake_calls().decode()).split("\n")[:-1]

    def forget(self) -> None:
        """Look only at what is called from here on."""
        self.cuda.fake_forget()

    @property
    def live(self) -> int:
        """Allocations, streams and graphs that were not freed."""
        return int(self.cuda.fake_live())

    def fail(self, call: str, code: int = 2, after: int = 0) -> None:
        """Let a call fail once, after it has worked so many times."""
        self.cuda.fake_fail(call.encode(), code, after)

    def engines(self) -> list[Path]:
        return sorted(self.cache.rglob("*.engine"))


@pytest.fixture(scope="session")
def fake_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Libcuda and libcudart in one."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc to compile the GPU that is none; apt-get install gcc")
    library = tmp_path_factory.mktemp("cuda") / "libcudart.so.13"
    source = Path(__file__).with_name("fake_cuda.c")
    subprocess.run(["gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@pytest.fixture
def machine(fake_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with driver, CUDA, TensorRT and an empty cache."""
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "cache"))
    monkeypatch.setattr(_cudart, "DRIVER", str(fake_library))
    monkeypatch.setattr(_cudart, "RUNTIMES", (str(fake_library),))
    made = Machine(fake_library, tmp_path / "cache")
    monkeypatch.setitem(sys.modules, "tensorrt", cast(types.ModuleType, made.trt))
    return made
