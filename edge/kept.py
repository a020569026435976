"""Files that a device keeps between starts because making them takes long: whole or not at all, and nobody else's.

Built engines, timings and the choice of a variant. Not for what must not be lost (`edge.store`): everything here can
be made again, and the oldest goes first. Not for kernels, which Numba asks for in its own way (`edge.kernel_cache`).

A file is written under another name and moved into place; its first 32 bytes are the SHA-256 of the rest. Two writers
at once end in one whole file. An engine is code, so a file counts only if nobody but root and this user may write it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

DIGEST_BYTES = 32

tell_once = lru_cache(logging.getLogger(__name__).warning)  # each line once in the life of the process


def folders() -> Iterator[Path]:
    """Where files are looked for, and kept in the first that takes them: of the systemd unit, then of the user."""
    if given := os.environ.get("CACHE_DIRECTORY"):
        yield Path(given.split(":")[0]) / "engines"
    with suppress(RuntimeError):  # no home
        yield Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "laennec" / "engines"


def read(name: str) -> bytes | None:
    """What was kept under a name; None if nothing was, or nothing whole that is ours (a line says so)."""
    for folder in folders():
        try:
            _check_owner(folder)
            _check_owner(folder / name)
            kept = (folder / name).read_bytes()
        except OSError:
            continue
        digest, content = kept[:DIGEST_BYTES], kept[DIGEST_BYTES:]
        if hashlib.sha256(content).digest() == digest:
            with suppress(OSError):
                os.utime(folder / name)  # what is used is not the oldest
            return content
        tell_once(f"kept=damaged file={folder / name} action=make_again")
    return None


def keep(name: str, content: bytes, most: int) -> Path | None:
    """Keep content under a name; of the files with the same ending the oldest beyond `most` go.

    Returns:
        The file, or None where nothing can be kept, which one line says.
    """
    causes = []
    for folder in folders():
        try:
            return _write(folder, name, hashlib.sha256(content).digest() + content, most)
        except OSError as error:
            causes.append(f"{folder}: {error.strerror}")
    tried = "; ".join(causes) or "no home and no CACHE_DIRECTORY"
    tell_once(f"kept=nothing name={name} cause={tried!r} effect=every_start_makes_it_again repair=set_CACHE_DIRECTORY")
    return None


def all_kept(ending: str) -> list[tuple[Path, bytes | None]]:
    """Every kept file with an ending, and its content or None if it is damaged or not ours."""
    found = {path.name: path for folder in [*folders()][::-1] for path in sorted(folder.glob(f"*{ending}"))}
    return [(path, read(name)) for name, path in sorted(found.items())]


def _write(folder: Path, name: str, kept: bytes, most: int) -> Path:
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    _check_owner(folder)
    partial = folder / f"{name}.{os.urandom(8).hex()}"
    try:
        partial.touch(0o644)
        partial.write_bytes(kept)
        partial.replace(folder / name)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
    with suppress(OSError):  # another process may be doing the same
        alike = folder.glob(f"*{Path(name).suffix}*")
        for old in sorted(alike, key=lambda path: path.stat().st_mtime)[:-most]:
            old.unlink()
    return folder / name


def _check_owner(path: Path) -> None:
    """Raises PermissionError if another user could have written to `path`."""
    found = path.stat()
    if os.name == "posix" and (found.st_uid not in (0, os.geteuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        cause = f"owner={found.st_uid} mode={stat.filemode(found.st_mode)} cause=others_may_write"
        tell_once(f"kept=refused path={path} {cause} repair=remove_it_or_set_CACHE_DIRECTORY")
        raise PermissionError(0, "others may write there")
