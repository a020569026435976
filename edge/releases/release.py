"""One release: manifest, signature and files read together, in the order in which they can be trusted.

Not for the folder of installed releases (`edge.releases.model_store`). The same reading checks a package that is to be
installed and a release that is; the only difference is whether the files are written somewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from edge.durable import sync
from edge.errors import ModelError
from edge.releases.manifest import MANIFEST, MAX_MANIFEST_BYTES, SIGNATURE, File, Manifest, parse_manifest
from edge.releases.package import CHUNK_BYTES, Member, members
from edge.releases.signature import SIGNATURE_BYTES, TrustedKey, verify
from edge.releases.trial import Found, try_model


@dataclass(frozen=True, slots=True)
class Release:
    """A release whose signature, sizes and hashes were right when it was read."""

    folder: Path
    manifest: Manifest
    signer: TrustedKey

    @property
    def sha256(self) -> str:
        """Its id: SHA-256 of its manifest."""
        return self.manifest.sha256

    @property
    def artefact(self) -> Path:
        """The fp32 artefact; its variants are in the same folder."""
        return self.folder / self.manifest.artefact


def check_release(folder: Path, keys: tuple[TrustedKey, ...]) -> Release:
    """An installed release, checked.

    Raises:
        ModelError: damaged, incomplete, or signed by none of the keys; the message names the file.
    """
    package = members(folder)
    _, manifest, signer = _read_head(folder, package, keys)
    for name, file in sorted(manifest.files.items()):
        _read_file(folder, package, name, file, None)
    _expect_end(folder, package)
    return Release(folder, manifest, signer)


def receive(source: Path, keys: tuple[TrustedKey, ...], target: Path, now: datetime) -> Release:
    """Copy a package into an empty folder, checked and synced to the disk.

    Args:
        source: the package, a file or a folder.
        keys: public keys of those whose packages are accepted.
        target: an empty folder; complete only if this returns.
        now: the clock of the box, UTC.

    Raises:
        ModelError: damaged, cut short, unsigned, signed by none of the keys or by an expired one, for a newer
            Laennec, or not the model that the manifest says.
        OSError: the disk cannot be written.
    """
    package = members(source)
    content, manifest, signer = _read_head(source, package, keys)
    signer.check_date(manifest.created_at, now)
    manifest.check_version()
    for name, part in content.items():
        with (target / name).open("xb") as file:
            file.write(part)
            sync(file)
    for name, about in sorted(manifest.files.items()):
        with (target / name).open("xb") as file:
            _read_file(source, package, name, about, file)
            sync(file)
    _expect_end(source, package)
    _check_model(source, target, manifest)
    sync(target)
    return Release(target, manifest, signer)


def _read_head(
    source: Path, package: Iterator[Member], keys: tuple[TrustedKey, ...]
) -> tuple[dict[str, bytes], Manifest, TrustedKey]:
    """Manifest and signature; the manifest is parsed only after its signature was found right."""
    content = {}
    for name, most in ((MANIFEST, MAX_MANIFEST_BYTES), (SIGNATURE, SIGNATURE_BYTES)):
        member = next(package, None)
        if member is None or member.name != name:
            raise ModelError(
                f"{source}: expected {name}, found {repr(member.name) if member else 'the end'}; a model that is not "
                "signed is not accepted (`python -m export.sign` makes a package)"
            )
        if member.bytes > most:
            raise ModelError(f"{source}: {name}: expected at most {most} bytes, found {member.bytes}")
        content[name] = member.file.read(most)
    try:
        signer = verify(content[MANIFEST], content[SIGNATURE], keys)
        return content, parse_manifest(content[MANIFEST]), signer
    except ModelError as error:
        raise ModelError(f"{source}: {error}") from None


def _read_file(source: Path, package: Iterator[Member], name: str, about: File, target: IO[bytes] | None) -> None:
    """Read one file to its end, check its size and hash, and copy it to `target` if there is one."""
    member = next(package, None)
    if member is None or member.name != name:
        found = repr(member.name) if member else "the end"
        raise ModelError(f"{source}: expected {name}, found {found}; {_REPAIR}")
    if member.bytes != about.bytes:
        raise ModelError(f"{source}: {name}: expected {about.bytes} bytes, found {member.bytes}; {_REPAIR}")
    digest = hashlib.sha256()
    while piece := member.file.read(CHUNK_BYTES):
        digest.update(piece)
        if target is not None:
            target.write(piece)
    if digest.hexdigest() != about.sha256:
        raise ModelError(
            f"{source}: {name}: damaged: expected sha256 {about.sha256[:16]}…, found {digest.hexdigest()[:16]}…; "
            f"{_REPAIR}"
        )


def _expect_end(source: Path, package: Iterator[Member]) -> None:
    if (member := next(package, None)) is not None:
        raise ModelError(f"{source}: {member.name!r} is not in its manifest; {_REPAIR}")


def _check_model(source: Path, folder: Path, manifest: Manifest) -> None:
    """The files are what the manifest says, and this version of Laennec can run them."""
    try:
        found = try_model(folder / manifest.artefact)
    except ModelError as error:
        raise ModelError(f"{source}: {str(error).replace(f'{folder}/', '')}") from None
    variants = {name: file.variant for name, file in manifest.files.items()}
    promised = Found(manifest.id, manifest.features, tuple(manifest.classes), variants)
    if promised != found:
        raise ModelError(f"{source}: the manifest says {promised}, its files {found}; sign the release again")


_REPAIR = "copy it again, or install it again"
