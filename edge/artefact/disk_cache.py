"""Files that a device keeps between starts because making them takes long: whole or not at all, and nobody else's.

Built engines, timings and the choice of a variant. Not for what must not be lost (`edge.delivery.store`): everything
here can be made again, and the oldest goes first. Not for which kernels fit, and where they lie
(`edge.features.kernel_cache`).

A file is written under another name and moved into place; its first 32 bytes are the SHA-256 of the rest. Two writers
at once end in one whole file. An engine is code, so a file counts only if nobody but root and this user may write it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

DIGEST_BYTES = 32

tell_once = lru_cache(logging.getLogger(__name__).warning)  # each line once in the life of the process


def folder() -> Path | None:
    """Where files are kept: of the systemd unit, else of the user; None for a user without a home."""
    if given := os.environ.get("CACHE_DIRECTORY"):
        return Path(given.split(":")[0]) / "engines"
    with suppress(RuntimeError):  # no home
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "laennec" / "engines"
    return None


def read(name: str) -> bytes | None:
    """What was kept under a name; None if nothing was, or nothing whole that is ours (a line says so)."""
    if (where := folder()) is None:
        return None
    try:
        check_owner(where)
        check_owner(where / name)
        kept = (where / name).read_bytes()
    except OSError:
        return None
    digest, content = kept[:DIGEST_BYTES], kept[DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        tell_once(f"kept=damaged file={where / name} action=make_again")
        return None
    with suppress(OSError):
        os.utime(where / name)  # what is used is not the oldest
    return content


def keep(name: str, content: bytes, most: int) -> Path | None:
    """Keep content under a name; of the files with the same ending the oldest beyond `most` go.

    Returns:
        The file, or None where nothing can be kept, which one line says.
    """
    cause = "no home and no CACHE_DIRECTORY"
    if (where := folder()) is not None:
        try:
            return write(where, name, hashlib.sha256(content).digest() + content, most)
        except OSError as error:
            cause = f"{where}: {error.strerror}"
    tell_once(f"kept=nothing name={name} cause={cause!r} effect=every_start_makes_it_again repair=set_CACHE_DIRECTORY")
    return None


def all_kept(ending: str) -> list[tuple[Path, bytes | None]]:
    """Every kept file with an ending, and its content or None if it is damaged or not ours."""
    where = folder()
    return [] if where is None else [(path, read(path.name)) for path in sorted(where.glob(f"*{ending}"))]


def write(where: Path, name: str, whole: bytes, most: int, told_as: str = "kept") -> Path:
    """Put a file in place, whole or not at all; of those with the same ending the oldest beyond `most` go.

    Raises:
        OSError: it cannot be written, or others may write in the folder (a line that begins with `told_as` says so).
    """
    where.mkdir(mode=0o755, parents=True, exist_ok=True)
    check_owner(where, told_as)
    partial = where / f"{name}.{os.urandom(8).hex()}"
    try:
        partial.touch(0o644)
        partial.write_bytes(whole)
        partial.replace(where / name)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
    with suppress(OSError):  # another process may be doing the same
        alike = where.glob(f"*{Path(name).suffix}*")
        for old in sorted(alike, key=lambda path: path.stat().st_mtime)[:-most]:
            old.unlink()
    return where / name


def check_owner(path: Path, told_as: str = "kept") -> None:
    """Refuse what is not ours alone.

    Raises:
        PermissionError: another user could have written to `path`; a line that begins with `told_as` says so.
    """
    found = path.stat()
    if os.name == "posix" and (found.st_uid not in (0, os.geteuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        cause = f"owner={found.st_uid} mode={stat.filemode(found.st_mode)} cause=others_may_write"
        tell_once(f"{told_as}=refused path={path} {cause} repair=remove_it")
        raise PermissionError(0, "others may write there")
