"""Kills a process at every step of a command on a model store, and prints what it left: one JSON record a step.

`python -m tests.edge.model_store_process FOLDER KEYS install PACKAGE | promote ID | rollback`. A step is a call of
anything that changes the disk, or the lock; the process dies just before it, as if its power had gone. The last record
is of the run that nothing killed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from edge.errors import LaennecError
from edge.model.releases import release
from edge.model.releases.store import ModelStore
from edge.model.releases.trial import Found

STEPS = {"fsync", "rename", "replace", "mkdir", "open", "write", "chmod", "unlink", "rmdir", "flock"}


def main() -> None:
    """Run it."""
    folder, keys, command, *arguments = sys.argv[1:]
    store = ModelStore(Path(folder), Path(keys))
    given = [Path(a) if command == "install" else a for a in arguments]
    whole, step, died = Path(f"{folder}.whole"), 0, True
    shutil.copytree(folder, whole, symlinks=True)
    release.try_model = _once(release.try_model)
    getattr(store, command)(*given)  # what it imports is no step, and is not imported for each
    while died:
        shutil.rmtree(folder)
        shutil.copytree(whole, folder, symlinks=True)
        child = os.fork()
        if child == 0:
            _die_before(step)
            getattr(store, command)(*given)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert died or status == 0, status
        print(json.dumps({"step": step, "died": died, **_left(store)}), flush=True)
        step += 1


def _once(try_model: Callable[[Path], Found]) -> Callable[[Path], Found]:
    """A model is tried in a process of its own, which changes nothing on the disk: once for all steps."""
    found: dict[bytes, Found] = {}

    def tried(artefact: Path) -> Found:
        content = artefact.read_bytes()
        if content not in found:
            found[content] = try_model(artefact)
        return found[content]

    return tried


def _die_before(step: int) -> None:
    left = step

    def count(_frame: object, event: str, called: object) -> None:
        nonlocal left
        if event == "c_call" and getattr(called, "__name__", "") in STEPS:
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.setprofile(count)


def _left(store: ModelStore) -> dict[str, object]:
    try:
        release = store.active()
        active, fault = release.sha256 if release else "bundled", ""
    except LaennecError as error:
        active, fault = "", str(error)
    installed = store.installed()
    return {
        "active": active,
        "fault": fault,
        "whole": [s.sha256 for s in installed if not s.fault],
        "damaged": [s.sha256 for s in installed if s.fault],
    }


if __name__ == "__main__":
    main()
