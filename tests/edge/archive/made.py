"""Tar and zip files with known contents."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

CONTENTS = {"a.wav": b"aaaa", "deep/b.flac": b"bb", "notes.txt": b"t", ".hidden.wav": b"h", "../../c.wav": b"ccc"}


def tar(path: Path, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as made:  # type: ignore[call-overload]
        for name, content in CONTENTS.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link.wav")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)
    return path


def packed(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in CONTENTS.items():
            made.writestr(name, content)
    return path


def cut_tar(path: Path) -> Path:
    """Three sounds, of which the last is cut in its bytes."""
    with tarfile.open(path, "w") as made:
        for name in ("a.wav", "b.wav", "c.wav"):
            member = tarfile.TarInfo(name)
            member.size = 2000
            made.addfile(member, io.BytesIO(name.encode() * 400))
    path.write_bytes(path.read_bytes()[: 2 * (512 + 2048) + 512 + 700])
    return path
