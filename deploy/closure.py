"""Download every wheel that one wheel needs on another Python and another processor. Run by `deploy.wheelhouse`.

Not part of `deploy` at run time: it is a program for the small environment that `deploy.wheelhouse` makes, where
`packaging` is. `pip download --python-version` alone will not do: it judges `; python_version < "3.11"` by the
interpreter that it runs on (pip's issue 11664), so it misses what Python 3.10 needs, and cannot read our constraints.
Here markers are judged for the target, every version is a pin of constraints.txt, and pip only fetches.

    closure.py WHEEL CONSTRAINTS FOLDER PYTHON MACHINE GLIBC [EXTRA...]

Source: PEP 508 (markers), PEP 600 (manylinux tags).
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

LEGACY = {17: "manylinux2014"}  # glibc 2.x -> the older name of the same platform


def main(wheel: str, constraints: str, folder: str, *target_and_extras: str) -> None:
    """Fill `folder`."""
    python, machine, glibc, *extras = target_and_extras
    environment = {
        "python_version": python, "python_full_version": f"{python}.0", "platform_machine": machine,
        "sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }  # fmt: skip
    pins = _pins(Path(constraints), environment)
    fetch = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder,
        "--implementation", "cp", "--python-version", python,
        *(word for tag in platforms(machine, glibc) for word in ("--platform", tag)),
    ]  # fmt: skip
    known: dict[str, Path | None] = {"pip": None}
    wanted = needs(Path(wheel), set(extras), environment) | {("pip", frozenset[str]())}
    asked: set[tuple[str, frozenset[str]]] = set()
    while new := wanted - asked:
        missing = sorted({name for name, _extras in new if known.get(name) is None})
        unpinned = [name for name in missing if name not in pins]
        if unpinned:
            sys.exit(f"constraints.txt has no version of {', '.join(unpinned)} for Python {python} on {machine}")
        done = subprocess.run(
            [*fetch, *(f"{name}=={pins[name]}" for name in missing)], stderr=subprocess.PIPE, text=True
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            sys.exit(" ".join(lines) or done.stderr[-500:])
        known = {canonicalize_name(parse_wheel_filename(path.name)[0]): path for path in Path(folder).glob("*.whl")}
        asked |= new
        for name, own_extras in new:
            path = known[name]
            assert path is not None
            wanted |= needs(path, set(own_extras), environment)


def _pins(constraints: Path, environment: dict[str, str]) -> dict[str, str]:
    """Version of each package, of the lines that hold on the target."""
    lines = [line.split("#")[0].strip() for line in constraints.read_text().splitlines()]
    parsed = [Requirement(line) for line in lines if line]
    return {
        canonicalize_name(each.name): str(each.specifier)[2:] for each in parsed if _holds(each.marker, environment)
    }


def _holds(marker: Marker | None, environment: dict[str, str], extras: set[str] = frozenset()) -> bool:  # type: ignore[assignment]
    return marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in extras | {""})


def needs(wheel: Path, extras: set[str], environment: dict[str, str]) -> set[tuple[str, frozenset[str]]]:
    """Names, with their extras, that a wheel requires on the target."""
    with zipfile.ZipFile(wheel) as archive:
        named = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = HeaderParser().parsestr(archive.read(named).decode()).get_all("Requires-Dist") or []
    parsed = [Requirement(line) for line in lines]
    return {
        (canonicalize_name(each.name), frozenset(each.extras))
        for each in parsed
        if _holds(each.marker, environment, extras)
    }


def platforms(machine: str, glibc: str) -> list[str]:
    """Platform tags that a box takes, the newest first."""
    minors = range(int(glibc.split(".")[1]), 16, -1)
    tags = [f"manylinux_2_{minor}_{machine}" for minor in minors]
    return [*tags, *(f"{LEGACY[minor]}_{machine}" for minor in minors if minor in LEGACY), "any"]


if __name__ == "__main__":
    main(*sys.argv[1:])
