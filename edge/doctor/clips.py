"""The folder of clips: whether the service can write there, what lies in it, and whether there is room for the rest.

Not for what the running service made of its clips (its `health` topic), nor for what is in them (`laennec replay`).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edge.clips.folder import SOUND
from edge.doctor import Check, fail, ok, warn
from edge.doctor.places import LEAST_DISK_MB, UNWRITABLE, existing, unwritable
from edge.settings.clips import ClipSettings
from edge.settings.config import SERVICE_STATE, Config


def clips(config: Config, settings: ClipSettings) -> Check:
    """Look at the folder of the section `clips`, as this user.

    Args:
        config: the settings.
        settings: their section `clips`.
    """
    path = _folder_of(config, settings)
    if os.path.exists(path) and not os.path.isdir(path):
        return fail("clips", f"{path}: is not a folder, so no clip is kept", "give another clips.path")
    if (trouble := unwritable(path)) is not None:
        return fail("clips", f"{trouble}, so no clip is kept", UNWRITABLE.format("clips.path"))
    folder = existing(path)
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        found = f"{folder}: is mounted read-only, so no clip is kept"
        return fail("clips", found, "did the disk fail? dmesg; else mount it writable")
    files, has_mb = _content(path)
    free_mb, may_grow_mb = shutil.disk_usage(folder).free / 1e6, max(settings.max_mb - has_mb, 0.0)
    held = f"{files} clip{'' if files == 1 else 's'}, {has_mb:.1f} of {settings.max_mb:g} MB"
    found = f"{path}: {held}; {free_mb:.0f} MB free"
    if free_mb < LEAST_DISK_MB + may_grow_mb:
        found += f", and clips may take {may_grow_mb:.0f} MB more"
        return warn("clips", found, "free space there, or lower clips.max_mb")
    return ok("clips", found)


def _folder_of(config: Config, settings: ClipSettings) -> Path:
    """That of the settings; on a box whose user has none, that of its service."""
    path = config.clips_path()
    of_service = SERVICE_STATE / path.name
    is_missing = settings.path is None and not os.path.exists(path)
    return of_service if is_missing and os.path.exists(of_service) else path


def _content(path: Path) -> tuple[int, float]:
    """How many clips are there, and how much everything in the folder takes, MB."""
    if not os.path.isdir(path):
        return 0, 0.0
    with os.scandir(path) as entries:
        sizes = {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    return sum(name.endswith(SOUND) for name in sizes), sum(sizes.values()) / 1e6
