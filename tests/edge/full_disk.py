"""A small disk of one's own that a test fills and empties: a tmpfs, or an ext4 with blocks of 1 kB."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """One of 1 MB, or of 4 MB with a file system on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Leave not one free block."""
        with self._ballast.open("ab", buffering=0) as file:
            while True:
                try:
                    file.write(b"x" * 4096)
                except OSError:
                    return

    def free(self) -> None:
        """Make room."""
        self._ballast.unlink(missing_ok=True)

    def make(self, option: str) -> None:
        """`ro` or `rw`."""
        subprocess.run(["mount", "-o", f"remount,{option}", self.path], check=True, capture_output=True)


@contextmanager
def small_disk(path: Path, kind: str = "tmpfs") -> Iterator[SmallDisk]:
    """Mount one, empty; skips the test where that is not allowed."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1M", "none", str(path)]
    if kind == "ext4":
        image = path.with_suffix(".image")
        image.write_bytes(bytes(4 << 20))
        if shutil.which("mkfs.ext4") is None:
            pytest.skip("no mkfs.ext4 here")
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-b", "1024", image], check=True)
        command = ["mount", "-o", "loop", str(image), str(path)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", path], check=True)
