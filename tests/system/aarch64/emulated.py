"""A Debian for 64-bit ARM below a folder, whose programs run here, instruction by instruction.

Not for speed or timing: everything in it takes ten to a hundred times as long. `debootstrap` fetches and checks the
packages, which are unpacked here; `proot` lets programs see the folder as their whole disk, qemu-user runs them. None
of it needs a virtual machine or the kernel's binfmt_misc, and nothing outside the folder is touched. Making it needs
root, for its device files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.devices import DeployError

PACKAGES = {"debootstrap": "debootstrap", "proot": "proot", "qemu-aarch64-static": "qemu-user-static"}  # Debian's names
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CPU = "cortex-a76"  # ARMv8.2-A, as a Jetson Orin's A78AE and a Raspberry Pi 5's A76 are; qemu 7.2 has no A78AE
# Shown as they are here. Not /sys: onnxruntime would read of another processor's cores there, and crash; without, it
# says that it knows nothing of the cores and goes on.
KERNEL = ("/proc", "/dev")
CRASHED = "uncaught target signal"  # what qemu says; proot then ends with 0
INCLUDE = "python3,python3-venv,libgomp1"
# A program needs no more of a package than its files: its scripts did not end in half an hour under emulation.
UNPACK = 'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink'


@dataclass(frozen=True)
class Debian:
    """A release of Debian and the server it is downloaded from."""

    mirror: str
    suite: str


class Emulated:
    """A box that is a folder (`deploy.remote.Transport`)."""

    def __init__(self, root: Path, shown: dict[Path, str] | None = None) -> None:
        """Start nothing; `shown` are folders of this machine and where the box sees them."""
        self.where = f"the emulated box in {root}"
        self._root, self._shown = root, shown or {}

    def words(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` in there as root, with nothing of this machine's environment."""
        binds = [*KERNEL, *(f"{here}:{there}" for here, there in self._shown.items())]
        words = ["proot", "-0", "-q", f"qemu-aarch64-static -cpu {CPU}", "-r", str(self._root), "-w", "/root"]
        words += [word for bind in binds for word in ("-b", bind)]
        return [*words, "/usr/bin/env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "OMP_NUM_THREADS=1", *argv]

    def explain(self, code: int, output: str) -> str:
        """Why proot could not run the command, its last line; empty if it did."""
        return f"{output.strip().splitlines()[-1]}" if "proot error" in output else ""

    def run(self, *argv: str) -> str:
        """What a command in there prints.

        Raises:
            DeployError: it failed; with the end of what it said.
        """
        done = subprocess.run(self.words(argv), capture_output=True, text=True, check=False)
        if done.returncode or CRASHED in done.stderr:
            output = " | ".join(done.stderr.strip().splitlines()[-3:])
            raise DeployError(f"{' '.join(argv)[:80]} in {self.where}: exit code {done.returncode}: {output}")
        return done.stdout


def make_root(folder: Path, debian: Debian) -> Path:
    """A Debian with Python below `folder`, made once.

    Returns:
        Its root.

    Raises:
        DeployError: a program is missing here, or the mirror does not give what is needed.
    """
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{PATH}"}
    missing = [package for name, package in PACKAGES.items() if shutil.which(name, path=environment["PATH"]) is None]
    if missing:
        raise DeployError(
            f"expected debootstrap, proot and qemu here, found some missing: apt-get install {' '.join(missing)}"
        )
    root = folder / f"root-{debian.suite}"
    if root.exists():
        return root
    if os.geteuid() != 0:
        raise DeployError("expected root, which debootstrap needs, found another user: sudo make test-aarch64")
    partial = folder / f"root-{debian.suite}.part"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    options = ["--arch=arm64", "--foreign", "--variant=minbase", f"--include={INCLUDE}"]
    _must(["debootstrap", *options, debian.suite, str(partial), debian.mirror], environment, partial)
    for package in sorted((partial / "var/cache/apt/archives").glob("*.deb")):
        _must(["bash", "-c", UNPACK, "unpack", str(package), str(partial)], environment, partial)
    if (partial / "proc").is_symlink():  # in a container debootstrap makes it a link, which would point to itself
        (partial / "proc").unlink()
        (partial / "proc").mkdir()
    partial.rename(root)
    return root


def _must(words: list[str], environment: dict[str, str], root: Path) -> None:
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=environment
    )
    if done.returncode:
        last = " | ".join(done.stdout.strip().splitlines()[-2:])
        raise DeployError(f"debootstrap failed (exit code {done.returncode}): {last}; see {root}/debootstrap")
