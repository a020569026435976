"""Keep the machine code of kernels on disk between starts, and run only what is whole and fits.

Not for what a kernel computes. In place of Numba's own cache, which refuses to start where it may not write, fails the
call when the disk is full, believes every byte it reads, and does not see a change in a kernel of another file that is
compiled into this one. Kernels are written with `njit(cache=True)` as everywhere.

A kept kernel is one file, written under another name and moved into place; its first 32 bytes are the SHA-256 of the
rest. Half a file, a flipped bit or two processes at once end in a whole file or in compiling again. Its name holds a
digest of all that the code depends on (sources beside the kernel and the ring's, enclosed values, signature, CPU,
compiler), so an upgrade or another CPU never meets old code. Where nothing can be kept, every start compiles, and one
line says so.

Kept code is run, so a folder counts only if nobody but root and this user may write there; the digest is against
accidents, not against them. Not protected: memory after the check; a kernel that uses one of another folder, or a
constant that its sources do not determine.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core import dispatcher, serialize
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult

from edge.artefact.disk_cache import check_owner, write

SHARED = [Path(__file__).with_name("ring.py")]  # kernels of other folders use it
TOLD_AS = "kernel_cache"  # how its lines in the log begin
MAX_KEPT = 128  # files of some 0.1 MB in a folder; the oldest, code of past versions, go first

compiler: Any = dispatcher  # mypy sees of a library what it exports, which its cache is not
holds_pointers = attrgetter("library.has_dynamic_globals")  # stand in the code of a CompileResult, good for one run
tell_once = lru_cache(logging.getLogger(__name__).warning)  # each line once in the life of the process


@contextmanager
def kept_here() -> Iterator[None]:
    """Kernels defined within, with `cache=True`, are kept by this module instead of by Numba."""
    numbas_own, compiler.FunctionCache = compiler.FunctionCache, _cache_of
    try:
        yield
    finally:
        compiler.FunctionCache = numbas_own


def _cache_of(function: Callable[..., Any]) -> NullCache:
    source = Path(function.__code__.co_filename)  # without it, in a zip, there is no telling when it changes
    return _Kept(function, source.parent) if source.exists() else NullCache()


class _Kept(NullCache):  # type: ignore[misc]
    """The code of one kernel on disk: what Numba asks a cache for, and nothing else."""

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._cells = function.__closure__ or ()
        self._sources = _digest_of_sources(folder)

    def load_overload(self, sig: object, target_context: Any) -> Any:
        target_context.refresh()
        code = _read(self._file_name(sig, target_context.codegen()))
        return None if code is None else CompileResult._rebuild(target_context, *pickle.loads(code))

    def save_overload(self, sig: object, data: Any) -> None:
        if holds_pointers(data):
            tell_once(f"kernel_cache=not_kept kernel={self._name} cause=large_constant repair=pass_it_as_an_argument")
        else:
            _keep(self._file_name(sig, data.codegen), serialize.dumps(data._reduce()))

    def _file_name(self, sig: object, codegen: Any) -> str:
        made_by = (sys.version, np.__version__, numba.__version__, codegen.magic_tuple())  # the last names the CPU
        enclosed = serialize.dumps(tuple(cell.cell_contents for cell in self._cells))
        depends_on = repr((self._name, str(sig), self._sources, enclosed, made_by))
        return f"{self._name}-{hashlib.sha256(depends_on.encode()).hexdigest()[:32]}.kernel"


@lru_cache
def _digest_of_sources(folder: Path) -> str:
    beside = [path for path in sorted(folder.glob("*.py")) if path.is_file()]
    sources = [(path.name, path.read_bytes()) for path in [*beside, *SHARED] if path.exists()]
    return hashlib.sha256(repr(sources).encode()).hexdigest()


def folders() -> Iterator[Path]:
    """Where kernels are looked for, and kept in the first that takes them."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen) / "laennec"
        return
    yield Path(__file__).parent / "__pycache__" / "kernels"  # filled by whoever installs, read by all
    if given := os.environ.get("CACHE_DIRECTORY"):  # of the systemd unit
        yield Path(given.split(":")[0]) / "laennec"
    with suppress(RuntimeError):  # no home
        yield Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "laennec"


def _read(name: str) -> bytes | None:
    for folder in folders():
        try:
            check_owner(folder, TOLD_AS)
            check_owner(folder / name, TOLD_AS)
            kept = (folder / name).read_bytes()
        except OSError:
            continue
        digest, code = kept[:32], kept[32:]
        if hashlib.sha256(code).digest() == digest:
            return code
        tell_once(f"kernel_cache=damaged file={folder / name} action=compile_again")
    return None


def _keep(name: str, code: bytes) -> None:
    causes = []
    for folder in folders():
        try:
            write(folder, name, hashlib.sha256(code).digest() + code, MAX_KEPT, TOLD_AS)
            return
        except OSError as error:
            causes.append(f"{folder}: {error.strerror}")
    tried = "; ".join(causes)
    tell_once(f"kernel_cache=not_kept cause={tried!r} effect=every_start_compiles repair=set_NUMBA_CACHE_DIR")
