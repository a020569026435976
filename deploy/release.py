"""On the workstation: the files of a release, as they will lie on one box, listed with their hashes.

The box may have no internet, another Python and another processor. uv lays what its Python needs into
`build/deploy/site-KEY`, KEY standing for everything that decides what that is, so the next deployment downloads
nothing: uv judges markers by the target, where pip judges them by the Python that it runs on. Every version is one of
constraints.txt. Beside it comes the wheel of this clone. A release is signed with the key that signs models
(`export.sign`), by OpenSSL alone; wheels that were made elsewhere bring release.json and release.sig along
(`python -m deploy sign`). Not for installing, nor for checking signatures (`deploy.box`).

Source: PEP 427 (wheels), PEP 508 (markers), PEP 600 (names of platforms).
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email.parser import HeaderParser
from glob import escape
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from deploy.box.examine import Facts, Python
from deploy.box.layout import Part, digest_of, listing_of
from deploy.box.signed import OPENSSL, TIME_FORMAT, manifest_of
from deploy.devices import DeployError
from deploy.tools import CONSTRAINTS, PROJECT, alone, lines_of, make_tools, must, pip_settings
from edge.errors import LaennecError
from edge.model.onnx_file import read_artefact

OF_THE_DEVICE = ("edge", "firmware_bridge")  # packages of this clone; the others are the workstation's
RETAINED_WHEELS = 5  # of this clone; 3 MB each
NEWEST_GLIBC = 40  # 2.x; tags beyond exist on no index yet
MANIFEST, SIGNATURE = "release.json", "release.sig"
RETAINED_SIGNATURES = 20  # of earlier builds, each of a few kilobytes
NOT_SENT = ("bin", "share", ".lock")  # programs name a Python of this machine; the box makes its own (`build`)


@dataclass(frozen=True)
class Software:
    """What a release runs."""

    version: str
    """With the head of its wheel's hash: 0.1.0-1a2b3c4d."""
    parts: Mapping[Part, Path]
    """Every file of its environment, and where it lies here."""

    def listing(self) -> str:
        """Their names and hashes, as the box compares them and as they are signed."""
        return listing_of(self.parts)


def part_of(path: Path, name: str = "") -> Part:
    """A file as it is now; named as it is, unless another name is given."""
    return Part(digest_of(path), path.stat().st_size, name or path.name)


def make(
    build: Path,
    python: Python,
    facts: Facts,
    model: Path | None,
    report: Callable[[str], None],
    extras: tuple[str, ...] = (),
) -> Software:
    """Build, download and lay what is not there yet.

    Args:
        build: folder of this clone for what is made.
        python: interpreter of the box.
        facts: processor and C library of the box.
        model: artefact that takes the place of the bundled one, with its variants beside it; None: the bundled one.
        report: is given what came of it, one line.
        extras: optional parts of Laennec that the box needs too, such as `board`.

    Raises:
        DeployError: a wheel cannot be built, or a package not be laid.
    """
    minor = python.minor
    glibc = f"2.{min(int(facts.glibc.split('.')[1]), NEWEST_GLIBC)}"
    with alone(build):
        tools = make_tools(build)
        own = build_own_wheel(build, tools, model)
        needed, target = required(own, extras), (minor, facts.machine, glibc)
        site = build / f"site-{minor}-{facts.machine}-{_key(needed, target)}"
        if not site.exists():
            partial = Path(tempfile.mkdtemp(prefix="partial-", dir=build))
            lay(tools, needed, partial, target)
            partial.rename(site)
        software = _software(own, site, _unpacked([own], own.with_name("site")))
    report(f"{len(software.parts)} files for Python {minor}, {facts.machine}, glibc {glibc}")
    return software


def read(folder: Path, build: Path) -> Software:
    """What wheels hold that were made elsewhere: all `*.whl` of a folder, one of them Laennec's.

    Raises:
        DeployError: it holds no wheel of Laennec, or one that is damaged.
    """
    wheels = [path for path in sorted(folder.glob("*.whl")) if not path.name.startswith("pip-")]
    own = [path for path in wheels if path.name.startswith("laennec-")]
    if len(own) != 1:
        raise DeployError(f"expected one wheel laennec-*.whl in {folder}, found none or several")
    with alone(build):
        digest = hashlib.sha256("".join(digest_of(path) for path in wheels).encode()).hexdigest()
        stored = build / "wheelhouses" / digest[:12]
        stored.parent.mkdir(exist_ok=True)
        software = _software(own[0], _unpacked(wheels, stored))
        _forget_old(stored.parent, RETAINED_WHEELS)
        return software


def check_wheels(folder: Path, python: Python, facts: Facts) -> None:
    """Refuse a folder of wheels that were made for another Python or another processor.

    Raises:
        DeployError: with the first that does not fit.
    """
    minor = python.minor.replace(".", "")
    for path in sorted(folder.glob("*.whl")):
        made_for, abi, platform = path.stem.split("-")[-3:]
        fits = "py3" in made_for.split(".") or abi == "abi3" or f"cp{minor}" in made_for.split(".")
        if not fits or (platform != "any" and facts.machine not in platform):
            raise DeployError(
                f"expected wheels for Python {python.version} on {facts.machine}, found {path.name}; make them "
                "for this box"
            )


def _unpacked(wheels: Sequence[Path], folder: Path) -> Path:
    """Site-packages out of wheels, made once.

    Raises:
        DeployError: one is damaged.
    """
    if folder.exists():
        return folder
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=folder.parents[1]))
    for wheel in wheels:
        try:
            with ZipFile(wheel) as archive:
                archive.extractall(partial)
        except (BadZipFile, EOFError) as error:
            raise DeployError(f"expected a whole wheel, found {wheel} damaged ({error}); copy it again") from None
    for data in partial.glob("*.data"):
        for kind in ("purelib", "platlib"):
            if (data / kind).is_dir():
                shutil.copytree(data / kind, partial, dirs_exist_ok=True)
        shutil.rmtree(data)
    partial.rename(folder)
    return folder


def _software(own: Path, *sites: Path) -> Software:
    found = [(path, path.relative_to(site)) for site in sites for path in sorted(site.rglob("*")) if path.is_file()]
    sent = [(path, name) for path, name in found if name.parts[0] not in NOT_SENT and "__pycache__" not in name.parts]
    version = f"{own.name.split('-')[1]}-{digest_of(own)[:8]}"
    return Software(version, {part_of(path, name.as_posix()): path for path, name in sent})


def _forget_old(folder: Path, keep: int) -> None:
    for old in sorted(folder.iterdir(), key=os.path.getmtime)[:-keep]:
        shutil.rmtree(old)


def lay(tools: Path, needed: Sequence[str], folder: Path, target: tuple[str, str, str]) -> None:
    """Fill an empty folder with the packages that are needed, as site-packages of the box's Python will have them.

    Args:
        tools: Python of the environment in which pip and uv are.
        needed: requirements (PEP 508), as `required` gives them.
        folder: exists; nothing else is in it.
        target: Python (3.10), machine (aarch64) and glibc (2.35) of the box.

    Raises:
        DeployError: a package has no wheel for the target, or no version in constraints.txt.
    """
    python, machine, glibc = target
    minor = int(glibc.partition(".")[2])
    platform = f"{machine}-manylinux_2_{28 if minor < 31 else minor}"  # uv knows no 2.29 and no 2.30
    argv = [tools.with_name("uv"), "pip", "install", "--quiet", "--target", folder, "--python", tools]
    argv += ["--python-version", python, "--python-platform", platform, "--only-binary", ":all:"]
    settings = {**pip_settings(tools), "UV_PYTHON_DOWNLOADS": "never"}
    must([*argv, "--constraint", CONSTRAINTS, *needed], "laying what is needed", settings)
    unpinned = {_plain(path.name.split("-")[0]) for path in folder.glob("*.dist-info")} - _names(
        CONSTRAINTS.read_text()
    )
    if unpinned:
        raise DeployError(
            f"constraints.txt has no version of {', '.join(sorted(unpinned))}; add the one that was tested"
        )


def _names(requirements: str) -> set[str]:
    """Packages that are pinned in a requirements file."""
    return {_plain(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", requirements, re.MULTILINE)}


def _plain(name: str) -> str:
    """A package, named as uv names it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(own: Path, extras: tuple[str, ...] = ()) -> list[str]:
    """What a wheel says that it needs (PEP 508), and what those of its extras need that are named."""
    with ZipFile(own) as archive:
        named = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = HeaderParser().parsestr(archive.read(named).decode()).get_all("Requires-Dist") or []
    wanted = {f'extra == "{extra}"' for extra in extras}
    plain = [line for line in lines if "extra ==" not in line]
    chosen = [line.partition(";")[0].strip() for line in lines if line.partition(";")[2].strip() in wanted]
    return sorted([*plain, *chosen])


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
        stored = build / "own" / digest_of(made)[:12] / made.name  # another one may be on its way to a box
        stored.parent.mkdir(parents=True, exist_ok=True)
        made.replace(stored)
    _forget_old(stored.parents[1], RETAINED_WHEELS)
    return stored


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
    """Stands for all that decides what is needed."""
    decides = (needed, lines_of(CONSTRAINTS), target)
    return hashlib.sha256(repr(decides).encode()).hexdigest()[:12]


def sign(version: str, files: Mapping[str, str], key: Path, folder: Path) -> dict[str, str]:
    """The manifest of a release and its signature; the same release is signed once, so a passphrase is asked for once.

    Args:
        version: of the release.
        files: its texts, the list of all others among them.
        key: private key, PEM; OpenSSL asks for the passphrase of an encrypted one.
        folder: where signatures are kept.

    Raises:
        DeployError: there is no such key, or OpenSSL cannot sign with it.
    """
    if not key.is_file():
        raise DeployError(f"SIGN: expected a private key (python -m export.sign --new-key makes one), found {key}")
    stored = folder / hashlib.sha256(manifest_of("", version, files) + key.read_bytes()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # boxes of a fleet sign at once; manifest and signature are a pair
        if not (stored / SIGNATURE).exists():
            stored.mkdir(exist_ok=True)
            write_signed(stored, version, files, key)
            _forget_old(folder, RETAINED_SIGNATURES)
        return read_signed(stored) or {}


def write_signed(folder: Path, version: str, files: Mapping[str, str], key: Path) -> str:
    """Put the manifest of a release and its signature into a folder, the signature last; when it was signed.

    Raises:
        DeployError: OpenSSL is not here, or cannot sign with that key.
    """
    created = datetime.now(timezone.utc).strftime(TIME_FORMAT)
    (folder / MANIFEST).write_bytes(manifest_of(created, version, files))
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
    return created


def read_signed(folder: Path) -> dict[str, str] | None:
    """What `write_signed` put there; None: nothing."""
    if not (folder / SIGNATURE).exists():
        return None
    signature = base64.b64encode((folder / SIGNATURE).read_bytes()).decode()
    return {"manifest": (folder / MANIFEST).read_text(), "signature": signature}
