"""The outbox: whether the service can use the file, what waits in it, and whether the disk has room.

Not for what the running service reports itself (its `health` topic). Nothing is created, locked or written.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edge.delivery.outbox_reading import DamagedError, ExclusiveLockError, locked_by, open_read_only, outbox_of, waiting
from edge.delivery.store_file import refuse_other_files
from edge.doctor import Check, fail, ok, warn
from edge.doctor.places import LEAST_DISK_MB, UNWRITABLE, existing, unwritable
from edge.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from edge.settings.config import Config

MANY = 100  # waiting messages; a broker that keeps up leaves a few
LONG_S = 600.0  # a message that has waited longer means that the broker is away or refuses it


def outbox(config: Config) -> list[Check]:
    """Checks of the file, of what waits in it and in those of former names of this node, and of the disks."""
    path = outbox_of(config)
    checks = [_file(path), *_room(config, path)]
    if config.outbox.path is None:
        checks += [check for other in sorted(path.parent.glob("outbox-*.db")) for check in _former(other, path)]
    return checks


def is_running(path: Path) -> bool:
    """Whether a service has this outbox locked, and so may have the microphones open."""
    lock = path.with_name(path.name + ".lock")
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # not there, or not for this user
    return False


def _file(path: Path) -> Check:
    """Whether the service can open it or has it open, and what waits in it."""
    running = is_running(path)
    if not running and (trouble := unwritable(path)) is not None:
        return fail("outbox", trouble, UNWRITABLE.format("outbox.path"))
    whose = f"{path}: in use by the running service" if running else str(path)
    if not os.path.exists(path):
        return ok("outbox", f"{whose}; nothing waits")
    try:
        refuse_other_files(path)
        if path.is_file() and (process := locked_by(path)) is not None:
            found = f"{whose}: locked by process {process} ({_name(process)}), so nothing can be written"
            return fail("outbox", found, "end that program; no other may write there")
        with open_read_only(path) as db:
            if (result := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise DamagedError(f"outbox {path}: is damaged: {result}")
            return _backlog(whose, *waiting(db))
    except ExclusiveLockError:
        found = f"{whose}, alone (disk full at the start, or blocks below 4 kB): what waits cannot be counted here"
        return warn("outbox", found, "free space there; the node's `health` topic has the numbers")
    except DamagedError as error:
        advice = "the next start moves it aside and begins a new one: what waits in it is not delivered; check the disk"
        return warn("outbox", str(error), advice)
    except (ConfigError, SourceError) as error:
        return fail("outbox", str(error), "change outbox.path, or what lies there")


def _backlog(whose: str, number: int, oldest_s: float) -> Check:
    if number == 0:
        return ok("outbox", f"{whose}; nothing waits")
    found = f"{whose}; {number} message{' waits' if number == 1 else 's wait'}, the oldest for {_shown(oldest_s)}"
    if number > MANY or oldest_s > LONG_S:
        return warn("outbox", found, "is the service running, and does the broker take its messages (`broker`)?")
    return ok("outbox", found)


def _room(config: Config, path: Path) -> list[Check]:
    """The disks of the outbox and of installed models."""
    folder, models = (existing(each) for each in (path.parent, config.models.store_path))
    free_mb, facts = shutil.disk_usage(folder).free / 1e6, os.statvfs(folder)
    has_mb = path.stat().st_size / 1e6 if os.path.isfile(path) else 0.0
    has_no_inodes = bool(facts.f_files) and not facts.f_favail
    found = f"{folder}: {free_mb:.0f} MB free" + has_no_inodes * ", and no file can be made (no inodes)"
    if facts.f_flag & os.ST_RDONLY:
        checks = [fail("disk", f"{folder}: is mounted read-only", "did the disk fail? dmesg; else mount it writable")]
    elif free_mb < LEAST_DISK_MB or has_no_inodes:
        advice = "free space there; what is decided waits in memory only, and a power cut loses it"
        checks = [fail("disk", found, advice)]
    elif free_mb < config.outbox.max_mb - has_mb:
        found += f", and the outbox may grow by {config.outbox.max_mb - has_mb:.0f} MB"
        checks = [warn("disk", found, "free space there, or lower outbox.max_mb")]
    else:
        checks = [ok("disk", found)]
    if (
        models.stat().st_dev != folder.stat().st_dev
        and (free_mb := shutil.disk_usage(models).free / 1e6) < LEAST_DISK_MB
    ):
        checks.append(warn("disk", f"{models}: {free_mb:.0f} MB free", "free space there; no model can be installed"))
    return checks


def _former(other: Path, path: Path) -> list[Check]:
    """What waits in the outbox of a former name of the node, which the service does not send any more."""
    if other == path or is_running(other):
        return []
    with suppress(ConfigError, SourceError), open_read_only(other) as db:
        number, oldest_s = waiting(db)
        if number:
            found = f"{other}: {number} messages of another node name wait, the oldest for {_shown(oldest_s)}"
            advice = f"laennec resend --config FILE --outbox {other} --since 30d sends its events; then remove it"
            return [warn("outbox", found, advice)]
    return []


def _name(process: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process}/comm").read_text().strip()
    return "of another user"


def _shown(age_s: float) -> str:
    for unit, size_s in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if age_s >= 2 * size_s:
            return f"{age_s / size_s:.0f} {unit}"
    return f"{age_s:.0f} s"
