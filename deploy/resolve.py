"""Which wheels one wheel needs on another Python and another processor, and downloading them, checked by their hashes.

uv resolves: it judges markers by the target, where pip judges them by the Python that it runs on (its issue 11664). pip
downloads, which uv does not. Every version is one of constraints.txt. Not for installing (`deploy.box`).

Source: PEP 508 (markers), PEP 600 (names of platforms).
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

from deploy.box.layout import die_with_parent
from deploy.devices import DeployError

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
OLDEST_GLIBC = 17  # 2.17, which is manylinux2014 as well
# pip's settings, by the first word of their names, in uv's environment: who has a mirror told pip of it. Not what pip
# asks besides: uv takes the hashes of one source alone, and one that lacks some files keeps pip from the right one.
UV_NAMES = {"index": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}


def download(tools: Path, needed: list[str], folder: Path, target: tuple[str, str, str]) -> None:
    """Fill `folder` with the wheels that are needed, and with pip.

    Args:
        tools: Python of the environment in which pip and uv are.
        needed: requirements (PEP 508), as `required` gives them.
        folder: exists; nothing else is in it.
        target: Python (3.10), machine (aarch64) and glibc (2.35) of the box.

    Raises:
        DeployError: a package has no wheel for the target, or no version in constraints.txt.
    """
    python, machine, glibc = target
    wanted, lock = folder / "wanted.in", folder / "wheels.lock"
    wanted.write_text("".join(f"{line}\n" for line in ("pip", *needed)))
    minor = int(glibc.partition(".")[2])
    platform = f"{machine}-manylinux_2_{28 if minor < 31 else minor}"  # uv knows no 2.29 and no 2.30
    resolve = [tools.with_name("uv"), *["pip", "compile", "--quiet", "--only-binary", ":all:", "--generate-hashes"]]
    resolve += ["--no-header", "--no-annotate", "--constraint", CONSTRAINTS, "--output-file", lock, wanted]
    resolve += ["--python", tools, "--python-version", python, "--python-platform", platform]
    must(resolve, "resolving what is needed", pip_settings(tools))
    unpinned = _names(lock.read_text()) - _names(CONSTRAINTS.read_text())
    if unpinned:
        raise DeployError(
            f"constraints.txt has no version of {', '.join(sorted(unpinned))}; add the one that was tested"
        )
    fetch = [tools, *["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]]
    fetch += ["-r", lock, "--dest", folder, "--implementation", "cp", "--python-version", python]
    fetch += [word for tag in platforms(machine, glibc) for word in ("--platform", tag)]
    must(fetch, "downloading wheels")
    wanted.unlink()
    lock.unlink()


def platforms(machine: str, glibc: str) -> list[str]:
    """Platform tags that a box takes, the newest first: pip takes none that is not named."""
    minors = range(int(glibc.partition(".")[2]), OLDEST_GLIBC - 1, -1)
    return [*(f"manylinux_2_{minor}_{machine}" for minor in minors), f"manylinux2014_{machine}", "any"]


def _names(requirements: str) -> set[str]:
    """Packages that are pinned in a requirements file, named as uv names them."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==", requirements, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


def pip_settings(tools: Path) -> dict[str, str]:
    """Where pip looks for packages on this workstation, for uv, which does not ask pip."""
    listed = subprocess.run([tools, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False).stdout
    found = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        key = UV_NAMES.get(name.rpartition(".")[2].partition("-")[0])
        if key and key not in os.environ:
            found[key] = str(ast.literal_eval(value))
    return found


def required(own: Path, extras: tuple[str, ...] = ()) -> list[str]:
    """What a wheel says that it needs (PEP 508), and what those of its extras need that are named."""
    with ZipFile(own) as archive:
        named = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = HeaderParser().parsestr(archive.read(named).decode()).get_all("Requires-Dist") or []
    wanted = {f'extra == "{extra}"' for extra in extras}
    plain = [line for line in lines if "extra ==" not in line]
    chosen = [line.partition(";")[0].strip() for line in lines if line.partition(";")[2].strip() in wanted]
    return sorted([*plain, *chosen])


def must(argv: list[object], what: str, environment: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    """Run a program that has to succeed, in `cwd`; `environment` is added to this one's.

    Raises:
        DeployError: it failed; with the end of what it said.
    """
    done = subprocess.run(
        [str(each) for each in argv],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
        cwd=cwd,
        preexec_fn=die_with_parent,
    )
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if not line.startswith("WARNING")]
        said = " | ".join(lines[-3:]) or done.stdout.strip()[-300:]
        raise DeployError(f"{what} failed on this workstation: {said}")
