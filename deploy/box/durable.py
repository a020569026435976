"""Files and links that are whole after a power cut: written aside, brought to disk, renamed.

Not for large files that can be copied again (`build.receive` writes those the same way, in pieces). `edge.files` is
not used: this runs on a box before anything of Laennec is installed there, on the standard library alone.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

CHUNK = 1 << 20  # bytes


def write_whole(path: Path, content: bytes, like: Path | None = None, rights: tuple[int, int] | None = None) -> None:
    """Replace `path` by `content`: after a power cut either is there whole.

    Args:
        path: of the file; a link is replaced, not followed.
        content: all of it.
        like: a file whose owner and rights it gets; None: this user's.
        rights: number of the owner, and mode, instead; nobody else may read it at any moment.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.unlink(missing_ok=True)  # of an earlier attempt, with its rights; or a link of who owns the folder
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if rights else 0o666), "wb") as file:
        if rights is not None:
            if os.geteuid() == 0:
                os.fchown(file.fileno(), rights[0], -1)
            os.fchmod(file.fileno(), rights[1])
        if like is not None:  # before anything is in it that not everybody may read
            was = like.stat()
            if os.geteuid() == 0:
                os.fchown(file.fileno(), was.st_uid, was.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(was.st_mode))
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring what was renamed or removed within `folder` to disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_disk(folder: Path) -> None:
    """Bring everything on the disk of `folder` to it: an environment is thousands of files."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle):  # syncfs(2); os.sync would wait for every other disk too
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a file or link for good, if it is there."""
    with suppress(FileNotFoundError):
        path.unlink()
        sync_folder(path.parent)


def point(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target`, at once and for good."""
    fresh = link.with_name("." + link.name + ".new")
    remove(fresh)
    fresh.symlink_to(target)
    os.replace(fresh, link)
    sync_folder(link.parent)


def read_record(path: Path, kind: Any) -> Any:
    """The dataclass `kind` in a JSON file; None if the file is not there or holds something else.

    Further keys are left out: a newer deployment may have written it.
    """
    try:
        tree, known = json.loads(path.read_text()), {field.name for field in fields(kind)}
        found = {key: tuple(value) if isinstance(value, list) else value for key, value in tree.items()}
        return kind(**{key: value for key, value in found.items() if key in known})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def write_record(path: Path, record: Any) -> None:
    """Write a dataclass as JSON, whole or not at all, for `read_record`."""
    write_whole(path, json.dumps(asdict(record), indent=1).encode())


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
