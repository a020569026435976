"""A stethoscope in software, in C: built here, run by `laennec link simulate` and by the tests.

Not a mock: it is the header that makers use, on a pty, a terminal or UDP. Needs a C compiler on the machine.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from edge.errors import ConfigError, SourceError

SOURCES = ("device.c", "line.c", "options.c", "wav.c")
FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror")


def build(folder: Path, flags: tuple[str, ...] = ()) -> Path:
    """Compile the device, unless this very source was compiled into the folder before.

    Args:
        folder: where the program goes; made if it is missing.
        flags: more options for the compiler, such as those of a sanitizer.

    Returns:
        Path of the program; `--help` says what it can do.

    Raises:
        ConfigError: if there is no C compiler.
        SourceError: if the compiler refuses, or the folder cannot be written.
    """
    here = Path(__file__).parent
    files = [here / name for name in SOURCES]
    parts = [*files, here / "sim.h", here.parent / "include" / "auslink.h"]
    expected = hashlib.sha256(b"\0".join([*(part.read_bytes() for part in parts), *map(str.encode, flags)]))
    program = folder / f"device-{expected.hexdigest()[:12]}"
    if program.exists():
        return program
    compiler = os.environ.get("CC", "cc")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / program.name
            command = [compiler, *FLAGS, *flags, "-o", str(made), *map(str, files)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SourceError(f"{compiler}: the simulated device does not compile: {done.stderr.strip()[:500]}")
            made.replace(program)
    except FileNotFoundError:
        raise ConfigError(f"{compiler}: no C compiler found; apt install gcc, or name one with CC=") from None
    except OSError as error:
        raise SourceError(f"{folder}: the simulated device cannot be built there ({error.strerror})") from None
    return program
