"""What the workstation runs: a small environment that builds, lays packages and reads settings.

It is made once in `build/deploy`, for who deploys may have a Python with nothing but its standard library. Not for what
it builds (`deploy.release`).
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.box.examine import READ_SETTINGS
from deploy.box.layout import die_with_parent, last_words
from deploy.devices import DeployError

PROJECT = Path(__file__).parents[1]
CONSTRAINTS = PROJECT / "constraints.txt"
TOOLS = ("pip", "uv", "numpy", "pydantic", "pyyaml")  # two that build and lay, three that read settings
# pip's settings, by the first word of their names, in uv's environment: who has a mirror named it to pip. Not what pip
# asks besides: uv takes a package from one source alone.
UV_NAMES = {"index": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}


@contextmanager
def alone(build: Path) -> Iterator[None]:
    """Hold the lock of that folder: of two at once, the second finds what the first made."""
    build.mkdir(parents=True, exist_ok=True)
    with open(build / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in build.glob("partial-*"):
            shutil.rmtree(left)
        yield


def make_tools(build: Path) -> Path:
    """Python of a small environment that can build, lay and read settings; made once, by who holds the lock."""
    pins = [line for line in lines_of(CONSTRAINTS) if line.lower().startswith(TOOLS)]
    wanted = ["-c", CONSTRAINTS, *TOOLS, "setuptools>=77"]
    folder = build / f"tools-{hashlib.sha256(repr((TOOLS, pins, sys.version)).encode()).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        must(
            [sys.executable, "-m", "venv", folder], "making an environment for building (apt-get install python3-venv)"
        )
        must([folder / "bin/python", "-m", "pip", "install", "--quiet", "--only-binary=:all:", *wanted], "installing")
        (folder / "complete").touch()
    return folder / "bin/python"


def check_settings(build: Path, path: Path, name: str = "CONFIG", reader: str = READ_SETTINGS) -> None:
    """Let this clone read the settings, before the minutes that building takes.

    Args:
        build: folder of this clone for what is made.
        path: of the settings.
        name: what the operator calls them.
        reader: program that reads them; ends with `laennec: ...` on standard error where the operator made a mistake.

    Raises:
        DeployError: as the service would refuse them.
    """
    with alone(build):
        tools = make_tools(build)
    argv = [str(word) for word in (tools, "-c", reader, path.absolute())]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        output = done.stderr.strip()
        known = output.rpartition("laennec: ")[2] if "laennec: " in output and "Traceback" not in output else ""
        raise DeployError(f"{name}: {known}" if known else f"reading {name} failed here: {last_words(output, 1)}")


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


def lines_of(path: Path) -> list[str]:
    """What stands in a requirements file, without comments."""
    stripped = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in stripped if line]


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
        output = " | ".join(lines[-3:]) or done.stdout.strip()[-300:]
        raise DeployError(f"{what} failed on this workstation: {output}")
