"""The program itself: Python, the packages it needs, and whether its kernels are compiled.

Not for the model and its runtime (`artefact`).
"""

from __future__ import annotations

import platform
import sys
from importlib import metadata

from packaging.requirements import Requirement

from edge import __version__
from edge.doctor import Check, fail, ok, warn

LEAST_PYTHON = (3, 10)
TRIED_MACHINES = ("x86_64", "aarch64")


def python() -> Check:
    """Which Python runs this, and on what."""
    machine, version = platform.machine(), platform.python_version()
    found = f"Laennec {__version__}, Python {version}, {machine}, {sys.prefix}"
    if sys.version_info < LEAST_PYTHON:
        return fail("python", found, f"install Python {'.'.join(map(str, LEAST_PYTHON))} or newer, and Laennec into it")
    if machine not in TRIED_MACHINES:
        return warn("python", found, f"only {' and '.join(TRIED_MACHINES)} were ever tried")
    return ok("python", found)


def packages() -> Check:
    """Whether every package that Laennec requires is there, in a version that it takes."""
    try:
        lines = metadata.requires("laennec") or []
    except metadata.PackageNotFoundError:
        return warn("packages", "Laennec runs from a folder that was not installed", "pip install it, or make deploy")
    wrong, right = [], []
    for needed in map(Requirement, lines):
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(needed.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{needed.name} is missing")
            continue
        if needed.specifier.contains(version, prereleases=True):
            right.append(f"{needed.name} {version}")
        else:
            wrong.append(f"{needed.name} is {version}, needs {needed.specifier}")
    if wrong:
        return fail("packages", "; ".join(wrong), "deploy again, or: pip install -c constraints.txt laennec")
    return ok("packages", ", ".join(right))


def kernels() -> Check:
    """Have the kernels compiled or loaded; tell where their code is cached."""
    from edge.features import warm_up
    from edge.kernel_cache import prepared

    warm_up()
    folders = sorted({str(each.folder) for each in prepared if each.folder is not None})
    if any(each.folder is None for each in prepared):
        advice = "make NUMBA_CACHE_DIR or CACHE_DIRECTORY a folder that only this user and root may write"
        return warn("kernels", "compiled code cannot be cached: every start compiles again", advice)
    if any(each.is_new for each in prepared):
        return ok("kernels", f"compiled now, cached in {', '.join(folders)}: the next start loads the code")
    return ok("kernels", f"compiled code cached in {', '.join(folders)}")
