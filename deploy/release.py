"""On the workstation: the wheel of this clone, every wheel that it needs on one box, their hashes, and a signature.

The box may have no internet, another Python and another processor. Third-party wheels are kept in
`build/deploy/wheels-KEY`, KEY standing for everything that decides which they are, so the next deployment downloads
nothing. A release is signed with the key that signs models (`export.sign`), by OpenSSL alone; the signature is kept, so
that an encrypted key is asked for once. A wheelhouse that was made elsewhere brings `release.json` and `release.sig`
along (`python -m deploy sign`). Not for installing (`deploy.box`), nor for checking (`deploy.box.signed`).
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from glob import escape
from pathlib import Path

from deploy.box.examine import READ_SETTINGS, Facts, Python
from deploy.box.layout import digest_of, last_words
from deploy.box.signed import OPENSSL, TIME_FORMAT, manifest_of
from deploy.devices import DeployError
from deploy.resolve import download, must, required
from edge.errors import LaennecError
from edge.model.onnx_file import read_artefact

PROJECT = Path(__file__).parents[1]
TOOLS = ("pip", "uv", "numpy", "pydantic", "pyyaml")  # two that build and download, three that read settings
OF_THE_DEVICE = ("edge", "firmware_bridge")  # packages of this clone; the others are the workstation's
KEPT_WHEELS = 5  # of this clone; 3 MB each
NEWEST_GLIBC = 40  # 2.x; tags beyond exist on no index yet
MANIFEST, SIGNATURE = "release.json", "release.sig"
KEPT = 20  # signatures of earlier builds, each of a few kilobytes

Signed = dict[str, str]


@dataclass(frozen=True)
class Wheel:
    """One wheel of a wheelhouse."""

    path: Path
    size: int
    """In bytes."""
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Wheel:
        """The wheel at `path`, with its size and SHA-256 as they are now."""
        return cls(path, path.stat().st_size, digest_of(path))

    def entry(self) -> dict[str, str | int]:
        """What a box is told of it, and what is signed: name, size in bytes, SHA-256."""
        return {"name": self.path.name, "size": self.size, "sha256": self.sha256}


@dataclass(frozen=True)
class Wheelhouse:
    """The wheels that are copied to a box, Laennec's own among them."""

    version: str
    """Of the release, with the head of its wheel's hash: 0.1.0-1a2b3c4d."""
    wheels: tuple[Wheel, ...]

    def lock(self) -> str:
        """The requirements file: exact files by their hashes, for `pip install --require-hashes`."""
        lines = [_requirement(wheel) for wheel in self.wheels if not wheel.path.name.startswith("pip-")]
        return "".join(sorted(lines))


def _requirement(wheel: Wheel) -> str:
    name, version = wheel.path.name.split("-")[:2]
    return f"{name.replace('_', '-')}=={version} --hash=sha256:{wheel.sha256}\n"


def make(
    build: Path,
    python: Python,
    facts: Facts,
    model: Path | None,
    report: Callable[[str], None],
    extras: tuple[str, ...] = (),
) -> Wheelhouse:
    """Build and download what is not there yet.

    Args:
        build: folder of this clone for what is made.
        python: interpreter of the box.
        facts: processor and C library of the box.
        model: artefact that takes the place of the bundled one, with its variants beside it; None: the bundled one.
        report: is given what came of it, one line.
        extras: optional parts of Laennec that the box needs too, such as `board`.

    Raises:
        DeployError: a wheel cannot be built or downloaded.
    """
    build.mkdir(parents=True, exist_ok=True)
    with open(build / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two at once, the second finds what the first made
        for left in build.glob("partial-*"):
            shutil.rmtree(left)
        tools = make_tools(build)
        own = build_own_wheel(build, tools, model)
        minor = ".".join(python.version.split(".")[:2])
        glibc = f"2.{min(int(facts.glibc.split('.')[1]), NEWEST_GLIBC)}"
        folder = _downloaded(build, tools, required(own, extras), (minor, facts.machine, glibc))
    wheels = tuple(Wheel.of(path) for path in [*sorted(folder.glob("*.whl")), own])
    report(f"{len(wheels)} wheels for Python {minor}, {facts.machine}, glibc {glibc}")
    return Wheelhouse(f"{own.name.split('-')[1]}-{wheels[-1].sha256[:8]}", wheels)


def _downloaded(build: Path, tools: Path, needed: list[str], target: tuple[str, str, str]) -> Path:
    """Folder of all third-party wheels that are needed on the target: Python, machine, glibc."""
    folder = build / f"wheels-{target[0]}-{target[1]}-{_key(needed, target)}"
    if not folder.exists():
        partial = Path(tempfile.mkdtemp(prefix="partial-", dir=build))
        download(tools, needed, partial, target)
        partial.rename(folder)
    return folder


def read(folder: Path) -> Wheelhouse:
    """A wheelhouse that was made elsewhere: all `*.whl` of a folder, one of them Laennec's.

    Raises:
        DeployError: it holds no wheel of Laennec, or no pip.
    """
    wheels = tuple(Wheel.of(path) for path in sorted(folder.glob("*.whl")))
    for name in ("laennec", "pip"):
        if sum(wheel.path.name.startswith(f"{name}-") for wheel in wheels) != 1:
            raise DeployError(f"expected one wheel {name}-*.whl in {folder}, found none or several")
    own = next(wheel for wheel in wheels if wheel.path.name.startswith("laennec-"))
    return Wheelhouse(f"{own.path.name.split('-')[1]}-{own.sha256[:8]}", wheels)


def check_settings(build: Path, path: Path, name: str = "CONFIG", reader: str = READ_SETTINGS) -> None:
    """Let this clone read the settings, before the minutes that a wheelhouse takes.

    Args:
        build: folder of this clone for what is made.
        path: of the settings.
        name: what the operator calls them.
        reader: program that reads them.

    Raises:
        DeployError: as the service would refuse them.
    """
    run_tool(build, name, reader, path.absolute())


def run_tool(build: Path, name: str, program: str, *words: object) -> str:
    """Run a program of a few lines that reads settings, with this clone's code; what it printed.

    Args:
        build: folder of this clone for what is made.
        name: what the operator calls what is read.
        program: Python; ends with `laennec: ...` on standard error where the operator made a mistake.
        words: its arguments.

    Raises:
        DeployError: the mistake, after the name.
    """
    build.mkdir(parents=True, exist_ok=True)
    with open(build / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tools = make_tools(build)
    argv = [str(word) for word in (tools, "-c", program, *words)]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = done.stderr.strip()
        known = said.rpartition("laennec: ")[2] if "laennec: " in said and "Traceback" not in said else ""
        raise DeployError(f"{name}: {known}" if known else f"reading {name} failed here: {last_words(said, 1)}")
    return done.stdout


def make_tools(build: Path) -> Path:
    """Python of a small environment that can build, download and read settings; made once, by who holds the lock."""
    pins = [line for line in _lines(PROJECT / "constraints.txt") if line.lower().startswith(TOOLS)]
    wanted = ["-c", PROJECT / "constraints.txt", *TOOLS, "setuptools>=77"]
    folder = build / f"tools-{hashlib.sha256(repr((TOOLS, pins, sys.version)).encode()).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        must(
            [sys.executable, "-m", "venv", folder], "making an environment for building (apt-get install python3-venv)"
        )
        must([folder / "bin/python", "-m", "pip", "install", "--quiet", "--only-binary=:all:", *wanted], "installing")
        (folder / "complete").touch()
    return folder / "bin/python"


def build_own_wheel(build: Path, tools: Path, model: Path | None) -> Path:
    """The wheel of this clone's device, built from a copy: in place, what an earlier build left would come with it.

    Args:
        build: folder of this clone for what is made.
        tools: Python that has pip and setuptools.
        model: as for `make`.

    Returns:
        Where the wheel is: a folder of its own, named after its hash, below `build`.
    """
    with tempfile.TemporaryDirectory(prefix="partial-", dir=build) as partial:
        source, out = Path(partial, "source"), Path(partial, "out")
        copy_source(source)
        if model is not None:
            put_model(model, source / "edge/models")
        pip = [tools, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", out, source]
        must(pip, "building the wheel", {"SOURCE_DATE_EPOCH": "1577836800"})  # same source, same bytes, same hash
        made = next(out.glob("laennec-*.whl"))
        kept = build / "own" / digest_of(made)[:12] / made.name  # another one may be on its way to a box
        kept.parent.mkdir(parents=True, exist_ok=True)
        made.replace(kept)
    for old in sorted(kept.parents[1].iterdir(), key=os.path.getmtime)[:-KEPT_WHEELS]:
        shutil.rmtree(old)
    return kept


def copy_source(target: Path) -> None:
    """Of this clone what the device's wheel is made of, into a new folder."""
    target.mkdir()
    for path in sorted(PROJECT.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            shutil.copy2(path, target)
        elif path.name in OF_THE_DEVICE:
            shutil.copytree(path, target / path.name, ignore=shutil.ignore_patterns("__pycache__"))


def put_model(model: Path, folder: Path) -> None:
    """Exchange the bundled artefacts and their variants for others; a box would find a damaged one only much later.

    The bundled `light` is that of the same export, `light.onnx` beside it; one of another training goes.

    Raises:
        DeployError: no artefact, or not whole.
    """
    if model.suffix != ".onnx" or not model.is_file():
        raise DeployError(f"MODEL: expected an artefact (.onnx), found {model}; make one with make export")
    light = model.with_name("light.onnx")
    named = {"default": model} | ({"light": light} if light.is_file() else {})
    for old in [*folder.glob("default*.onnx"), *folder.glob("light*.onnx")]:
        old.unlink()
    for name, fp32 in named.items():
        for path in (fp32, *fp32.parent.glob(f"{escape(fp32.stem)}.*.onnx")):
            try:
                content = read_artefact(path)
            except LaennecError as error:
                raise DeployError(f"MODEL: {error}") from None
            (folder / f"{name}{path.name[len(fp32.stem) :]}").write_bytes(content)


def _key(needed: list[str], target: tuple[str, ...]) -> str:
    """Stands for all that decides which wheels are needed."""
    decides = (needed, _lines(PROJECT / "constraints.txt"), target)
    return hashlib.sha256(repr(decides).encode()).hexdigest()[:12]


def _lines(path: Path) -> list[str]:
    stripped = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in stripped if line]


def sign(house: Wheelhouse, files: Mapping[str, str], key: Path, folder: Path) -> Signed:
    """The manifest of a release and its signature; the same release is signed once.

    Args:
        house: its wheels.
        files: what comes with them.
        key: private key, PEM; OpenSSL asks for the passphrase of an encrypted one.
        folder: where signatures are kept.

    Raises:
        DeployError: there is no such key, or OpenSSL cannot sign with it.
    """
    if not key.is_file():
        raise DeployError(f"SIGN: expected a private key (python -m export.sign --new-key makes one), found {key}")
    content = manifest_of("", house.version, _listed(house), files)
    kept = folder / hashlib.sha256(content + key.read_bytes()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # boxes of a fleet sign at once; manifest and signature are a pair
        if not (kept / SIGNATURE).exists():
            kept.mkdir(exist_ok=True)
            created = datetime.now(timezone.utc).strftime(TIME_FORMAT)
            write_signed(kept, manifest_of(created, house.version, _listed(house), files), key)
            for old in sorted(folder.iterdir(), key=os.path.getmtime)[:-KEPT]:
                shutil.rmtree(old)
        return read_signed(kept) or {}


def write_signed(folder: Path, manifest: bytes, key: Path) -> None:
    """Put a manifest and its signature into a folder; the signature last.

    Raises:
        DeployError: OpenSSL is not here, or cannot sign with that key.
    """
    (folder / MANIFEST).write_bytes(manifest)
    draft = folder / f".{SIGNATURE}"
    argv = [*OPENSSL, "-sign", "-inkey", key, "-rawin", "-in", folder / MANIFEST, "-out", draft]
    try:
        done = subprocess.run([str(word) for word in argv], stderr=subprocess.PIPE, text=True, check=False)
    except FileNotFoundError:
        raise DeployError("SIGN needs OpenSSL's program, found none here; apt-get install openssl") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise DeployError(f"SIGN: {key}: expected an Ed25519 private key, and its passphrase; OpenSSL found: {last[0]}")
    draft.rename(folder / SIGNATURE)


def read_signed(folder: Path) -> Signed | None:
    """What `write_signed` put there; None: nothing."""
    if not (folder / SIGNATURE).exists():
        return None
    signature = base64.b64encode((folder / SIGNATURE).read_bytes()).decode()
    return {"manifest": (folder / MANIFEST).read_text(), "signature": signature}


def sign_wheelhouse(house: Wheelhouse, files: Mapping[str, str], key: Path, folder: Path) -> str:
    """Sign a wheelhouse that somebody else will deploy; the time of the signature.

    Args:
        house: what is in the folder.
        files: what this clone sends along with it.
        key: private key.
        folder: of the wheels; manifest and signature are put beside them.

    Raises:
        DeployError: OpenSSL cannot sign.
    """
    created = datetime.now(timezone.utc).strftime(TIME_FORMAT)
    write_signed(folder, manifest_of(created, house.version, _listed(house), files), key)
    return str(json.loads((folder / MANIFEST).read_text())["created"])


def _listed(house: Wheelhouse) -> Sequence[Mapping[str, object]]:
    return [each.entry() for each in house.wheels]
