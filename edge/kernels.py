"""Numba's kernels, compiled at their first call or loaded from disk.

Not for what a kernel computes. Numba's own cache runs whatever lies in its folder, looks for changes in one source file
alone, and fails the call where it may not write, where a file is damaged or the disk is full. So it gets a temporary
folder for each kernel, for as long as that is compiled or loaded; in between, what it wrote is one file of a
`DiskCache`, whole and ours or compiled again. Its name holds a digest of all that the code depends on: every source
beside the kernel and in `edge.features`, argument types, CPU, Python, NumPy, Numba. So an upgrade or another CPU never
meets old code. Not seen: a change in another folder, or in a constant that these sources do not determine.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar, cast
from zipfile import ZipFile, ZipInfo

import numba
import numpy as np
from llvmlite import binding as llvm
from numba import config, njit, typeof
from numpy.typing import NDArray

from edge.files import DiskCache, user_folders
from edge.log import warn_once

MOST = 64  # files of some 0.1 MB in a folder; the oldest, code of past versions, go first

Function = TypeVar("Function", bound=Callable[..., Any])


class Prepared(NamedTuple):
    """How a kernel of this process came to be."""

    kernel: str
    folder: Path | None
    """Where its code is cached; None where nothing can be."""
    is_new: bool
    """Whether it was compiled now."""


prepared: list[Prepared] = []
_lock = threading.RLock()  # Numba's configuration is of the whole process


def folders() -> list[Path]:
    """Where code is looked for, and written to the first that takes it."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(chosen) / "laennec"]
    beside = Path(__file__).parent / "__pycache__" / "kernels"  # filled by whoever installs, read by all
    return [beside, *(folder / "kernels" for folder in user_folders())]


CACHE = DiskCache("kernel_cache", folders, "NUMBA_CACHE_DIR")


def kernel(function: Function) -> Function:
    """A function of a module that Numba compiles, or loads, at its first call, and for those types alone."""
    compiled: Callable[..., Any] | None = None

    @wraps(function)
    def call(*arguments: Any) -> Any:
        nonlocal compiled
        if compiled is None:
            with _lock:
                compiled = compiled or _prepare(function, arguments)
        return compiled(*arguments)

    return cast("Function", call)


def part(function: Callable[..., Any]) -> Any:
    """A function that kernels alone call: without what Python would call it by, a tenth of a second of compiling."""
    return njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def plain(array: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    """An array as a kernel takes it: of this type, writable, in order; the same one where it is so already."""
    return array if array.dtype == kind and array.flags.carray else np.array(array, kind, order="C")


def _prepare(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[..., Any]:
    types = tuple(map(typeof, arguments))
    name = f"{function.__module__}.{function.__qualname__}"
    file = f"{name}-{_digest(function, types)}.kernel"
    path, stored = next(((path, code) for path, code in CACHE.entries(file) if code), (None, None))
    try:
        compiled, code = _compile(function, types, stored)
    except OSError as error:  # there is no folder for temporary files, or no room in it
        warn_once(f"kernel_cache=not_used cause={str(error)!r} effect=made_again_at_every_start repair=set_TMPDIR")
        compiled, code, path = njit([types], nogil=True)(function), b"", None
    is_new = bool(compiled.stats.cache_misses)
    if is_new and code:
        path = CACHE.write(file, code, MOST)
    prepared.append(Prepared(name, path and path.parent, is_new))
    return cast("Callable[..., Any]", compiled)


def _compile(function: Callable[..., Any], types: tuple[Any, ...], stored: bytes | None) -> tuple[Any, bytes]:
    """The kernel, loaded if its code is stored, and the files that Numba cached it in; empty if Numba could not."""
    numbas_own = config.CACHE_DIR
    with TemporaryDirectory(prefix="laennec-") as scratch:
        try:
            config.CACHE_DIR = scratch
            dispatcher = njit(cache=True, nogil=True)(function)
        finally:
            config.CACHE_DIR = numbas_own
        folder = Path(dispatcher.stats.cache_path)
        if stored is not None:
            ZipFile(io.BytesIO(stored)).extractall(folder)
        dispatcher.compile(types)
        dispatcher.disable_compile()
        code, files = io.BytesIO(), sorted(folder.iterdir())
        with ZipFile(code, "w") as archive:
            for path in files:
                archive.writestr(ZipInfo(path.name), path.read_bytes())
        return dispatcher, code.getvalue() if files else b""


def _digest(function: Callable[..., Any], types: tuple[Any, ...]) -> str:
    folders = Path(function.__code__.co_filename).parent, Path(__file__).with_name("features")
    depends_on = (*map(_sources, folders), types, _compiler())
    return hashlib.sha256(repr(depends_on).encode()).hexdigest()[:32]


@lru_cache
def _sources(folder: Path) -> str:
    sources = [(path.name, path.read_bytes()) for path in sorted(folder.glob("*.py"))]
    return hashlib.sha256(repr(sources).encode()).hexdigest()


@lru_cache
def _compiler() -> tuple[str, ...]:
    features = ""
    with suppress(RuntimeError):  # of a CPU whose features LLVM does not tell
        features = llvm.get_host_cpu_features().flatten()
    cpu = (llvm.get_host_cpu_name(), features, config.CPU_NAME, config.CPU_FEATURES)
    return (sys.version, np.__version__, numba.__version__, *map(str, cpu))
