"""Where engines, their timings and measurements of this machine are stored. Not for compiled kernels."""

from __future__ import annotations

from pathlib import Path

from edge.disk_cache import DiskCache, user_folders


def folders() -> list[Path]:
    """One folder: of the systemd unit, or else of the user."""
    return [folder / "engines" for folder in user_folders()[:1]]


CACHE = DiskCache("disk_cache", folders, "CACHE_DIRECTORY")
