"""`python -m deploy.dist` (`make dist`): what is published of a release, in one folder.

    laennec-VERSION-py3-none-any.whl   `laennec`, `edge` and `firmware_bridge`
    laennec-VERSION.tar.gz             the source that such a wheel is built from
    laennec-VERSION.cdx.json           the packages that it needs, their versions and licences (CycloneDX 1.6)
    laennec-VERSION-home-assistant.tar.gz   an add-on of Home Assistant: `deploy/home_assistant` with that wheel
    auslink-VERSION.zip                a library of Arduino and PlatformIO: `firmware_bridge/arduino`
    SHA256SUMS                         of these

and an image `laennec:VERSION` where docker or podman answers. Not for boxes (`deploy.commands`): nothing is uploaded.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.box.layout import digest_of
from deploy.devices import DeployError
from deploy.release import build_own_wheel, copy_source, required
from deploy.tools import PROJECT, must
from edge import __version__

BUILD_SDIST = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
ENGINES = ("docker", "podman")
ANSWERS_S = 30


def main() -> int:
    """Fill the folder; exit code 2 where something cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m deploy.dist", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=PROJECT / "dist", help="folder, made anew")
    parser.add_argument("--no-image", action="store_true", help="build no image")
    options = parser.parse_args()
    try:
        shutil.rmtree(options.out, ignore_errors=True)
        options.out.mkdir(parents=True)
        for path in make(options.out):
            print(path)
        if not options.no_image:
            print(image())
    except DeployError as error:
        print(f"dist: {error}", file=sys.stderr)
        return 2
    return 0


def make(out: Path) -> list[Path]:
    """All but the image, in the empty folder `out`; the checksums come last.

    Raises:
        DeployError: one of them cannot be built.
    """
    with tempfile.TemporaryDirectory(prefix="laennec-dist-") as partial:
        wheel = out / (own := build_own_wheel(Path(partial), Path(sys.executable), None)).name
        shutil.copyfile(own, wheel)
        source = Path(partial, "source")
        copy_source(source)
        must([sys.executable, "-c", BUILD_SDIST, out.absolute()], "building the source archive", cwd=source)
    (sdist,) = out.glob("laennec-*.tar.gz")
    parts = out / f"laennec-{__version__}.cdx.json"
    parts.write_text(json.dumps(bill_of(wheel), indent=1) + "\n")
    made = [wheel, sdist, parts, pack_addon(out, wheel), pack_library(out)]
    sums = out / "SHA256SUMS"
    sums.write_text("".join(f"{digest_of(path)}  {path.name}\n" for path in made))
    return [*made, sums]


def pack_addon(out: Path, wheel: Path) -> Path:
    """The folder that goes into `addons` of Home Assistant."""
    path = out / f"laennec-{__version__}-home-assistant.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for each in (*sorted((PROJECT / "deploy/home_assistant").iterdir()), PROJECT / "constraints.txt", wheel):
            archive.add(each, f"laennec/{each.name}")
    return path


def pack_library(out: Path) -> Path:
    """The folder that goes into `libraries` of Arduino; the header is no link in it."""
    path, folder = out / f"auslink-{__version__}.zip", PROJECT / "firmware_bridge/arduino"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.write(each, f"auslink/{each.relative_to(folder)}")
        archive.write(PROJECT / "LICENSE", "auslink/LICENSE")
    return path


def bill_of(wheel: Path) -> dict[str, Any]:
    """What a wheel needs, as CycloneDX 1.6: of each package the version that this environment has, which is tested.

    Raises:
        DeployError: a package that it needs is not installed here.
    """
    own, needed = _ref("laennec", __version__), dict[str, Distribution]()
    waiting = {own: [Requirement(line) for line in required(wheel, ())]}
    depends: dict[str, list[str]] = {}
    while waiting:
        ref, requirements = waiting.popitem()
        found = {_ref(each.name, each.version): each for each in _installed(requirements)}
        depends[ref] = sorted(found)
        new = {each: part for each, part in found.items() if each not in needed}
        needed |= new
        waiting |= {each: [Requirement(line) for line in part.requires or ()] for each, part in new.items()}
    licence = [{"license": {"id": "Apache-2.0"}}]
    about = {"type": "application", "bom-ref": own, "name": "laennec", "version": __version__, "purl": own}
    hashes = [{"alg": "SHA-256", "content": digest_of(wheel)}]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**about, "licenses": licence, "hashes": hashes}},
        "components": [_component(ref, part) for ref, part in sorted(needed.items())],
        "dependencies": [{"ref": ref, "dependsOn": refs} for ref, refs in sorted(depends.items())],
    }


def image() -> str:
    """Build the image; what came of it, in one line.

    Raises:
        DeployError: an engine is there and cannot build it.
    """
    for engine in ENGINES:
        if _answers(engine):
            kind = ("--format", "docker") if engine == "podman" else ()  # an OCI image has no HEALTHCHECK
            how = ("build", *kind, "-f", "deploy/container/Dockerfile", "-t", f"laennec:{__version__}", ".")
            must([engine, *how], "building the image", cwd=PROJECT)
            return f"image laennec:{__version__} in {engine}"
    return f"no image: neither {' nor '.join(ENGINES)} answers here"


def _answers(engine: str) -> bool:
    try:
        done = subprocess.run([engine, "info"], capture_output=True, timeout=ANSWERS_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _installed(requirements: list[Requirement]) -> Iterator[Distribution]:
    """The packages that are needed on this Python without any extra."""
    for each in requirements:
        if each.marker is None or each.marker.evaluate({"extra": ""}):
            try:
                yield distribution(each.name)
            except ImportError:
                raise DeployError(f"{each.name} is needed and not installed here; run  make dev") from None


def _ref(name: str, version: str) -> str:
    return f"pkg:pypi/{canonicalize_name(name)}@{version}"


def _component(ref: str, part: Distribution) -> dict[str, Any]:
    """One package; its licence as it says itself."""
    fields = part.metadata
    component = {"type": "library", "bom-ref": ref, "name": part.name, "version": part.version, "purl": ref}
    if "License-Expression" in fields:
        return {**component, "licenses": [{"expression": fields["License-Expression"]}]}
    classifiers, text = fields.get_all("Classifier") or [], fields.get_all("License") or []
    named = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: ")]
    licence = next(iter([*named, *(line for whole in text for line in whole.splitlines()[:1])]), "")
    return {**component, "licenses": [{"license": {"name": licence}}]} if licence else component


if __name__ == "__main__":
    sys.exit(main())
