"""`python -m tests.system.aarch64` (`make test-aarch64`): a release for 64-bit ARM, installed and heard from.

    a Debian for ARM below a folder -> what the box says it is -> the files of a release -> put in place
    -> laennec detect there and here -> same events, scores within 1e-4

Slow, so not part of `make test`; the last result stands in `deploy/README.md`. Not for speed (a device tells it), and
not for TensorRT, which no emulator has.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from deploy.box.build import LAUNCH
from deploy.devices import DeployError, choose_python, describe
from deploy.release import Software, make
from deploy.remote import Target, facts_of
from deploy.tools import PROJECT
from tests.system.aarch64.compare import SCORES_WITHIN, Comparison, compare
from tests.system.aarch64.emulated import Debian, Emulated, make_root

VENV, HERE = "/opt/laennec/venv", "/mnt/here"  # in the box
SHORT = "short.wav"
VERSIONS = "from importlib.metadata import version as v; print(*(f'{n} {v(n)}' for n in %r), sep=', ')"
NAMED = ("laennec", "numpy", "numba", "onnxruntime")
CUT = """
import sys, soundfile
from edge.sources.file_search import DEMO_AUDIO
rate = soundfile.info(DEMO_AUDIO).samplerate
sound, _ = soundfile.read(DEMO_AUDIO, dtype="int16", frames=round(float(sys.argv[2]) * rate))
soundfile.write(sys.argv[1], sound, rate)
"""


def main() -> int:
    """Run it; exit code 0 if both processors hear the same, 1 if not, 2 if it cannot be tried."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.system.aarch64", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=PROJECT / "build/aarch64", help="what is made once (%(default)s)")
    parser.add_argument(
        "--mirror", default="http://deb.debian.org/debian", help="where packages come from (%(default)s)"
    )
    parser.add_argument("--suite", default="bookworm", help="which release of it (%(default)s)")
    parser.add_argument("--seconds", type=float, default=12.0, help="how much of the bundled recording (%(default)s)")
    options = parser.parse_args()
    try:
        return 0 if _exercise(options).passed else 1
    except DeployError as error:
        print(f"\naarch64: {error}", file=sys.stderr)
        return 2


def _exercise(options: argparse.Namespace) -> Comparison:
    here = options.cache / "here"
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir(parents=True)
    with _step(f"Debian {options.suite} for arm64"):
        root = make_root(options.cache, Debian(options.mirror, options.suite))
    box = Emulated(root, {here: HERE})
    with _step("asking the box what it is"):
        facts = facts_of(Target(box, "/srv"))
    print(f"    {describe(facts)}")
    python = choose_python("local", facts, time.time(), False)
    with _step("making a release for it"):
        software = make(options.cache.parent / "deploy", python, facts, None, lambda _line: None)
    with _step("putting its files in place"):
        _install(box, python.path, software, here)
    print(f"    there: {box.run(f'{VENV}/bin/python', '-I', '-c', VERSIONS % (NAMED,)).strip()}")
    print(f"    here:  {_here('-c', VERSIONS % (NAMED,)).strip()}")
    _here("-c", CUT, str(here / SHORT), str(options.seconds))
    detect = ("detect", "--jsonl", "--scores")
    with _step("detecting there, kernels compiled"):
        there = box.run(f"{VENV}/bin/laennec", *detect, f"{HERE}/{SHORT}")
    with _step("detecting there again"):
        again = box.run(f"{VENV}/bin/laennec", *detect, f"{HERE}/{SHORT}")
    with _step("detecting here"):
        comparison = compare(_here("-m", "edge", *detect, str(here / SHORT)), there)
    if again != there:
        raise DeployError("expected the same listing twice, found another with the cached kernels")
    print(
        f"{date.today()}: {'passed' if comparison.passed else 'FAILED'}: {comparison.events} events of "
        f"{options.seconds:g} s {'equal' if comparison.events_equal else 'NOT equal'}, largest difference of "
        f"{comparison.frames} frames' scores {comparison.largest_difference:.5f} (allowed {SCORES_WITHIN})"
    )
    return comparison


def _install(box: Emulated, python: str, software: Software, here: Path) -> None:
    """As `deploy.box.build` does, into an environment that was not there before."""
    for part, path in software.parts.items():
        (here / "site" / part.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, here / "site" / part.name)
    (here / "laennec").write_text(LAUNCH.format(python=f"{VENV}/bin/python"))
    (here / "laennec").chmod(0o755)
    box.run("rm", "-rf", VENV, "/root/.cache")
    box.run(python, "-I", "-m", "venv", "--without-pip", VENV)
    box.run("sh", "-c", f"cp -r {HERE}/site/. {VENV}/lib/python3*/site-packages/ && cp {HERE}/laennec {VENV}/bin/")


def _here(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=PROJECT)
    if done.returncode:
        raise DeployError(f"{' '.join(arguments)[:60]} failed here: {done.stderr.strip()[-300:]}; run  make dev  first")
    return done.stdout


@contextmanager
def _step(text: str) -> Iterator[None]:
    began_s = time.monotonic()
    print(f"  {text} ... ", end="", flush=True)
    yield
    print(f"{time.monotonic() - began_s:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
