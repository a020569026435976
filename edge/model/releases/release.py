"""One signed release of a model: manifest, signature and files, read in the order in which they can be trusted.

From a folder, or from one plain tar file with the same files. Not for the folder of installed releases
(`edge.model.releases.store`) or what the files mean (`edge.model.releases.manifest`). The same reading checks a package
that is to be installed and a release that is; the only difference is whether the files are written somewhere. They come
in one order, and no other is accepted: manifest.json, manifest.sig, then the files of the manifest by name. So the
signature is checked before anything that it protects is read, and nothing is copied to the disk that the manifest does
not announce. Of tar only the header of an ordinary file is understood (POSIX.1-1988 ustar): no compression, links,
folders, sparse files or extended headers, so nothing in it can grow or point elsewhere, and reading it always ends.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from edge.errors import ModelError
from edge.files import sync
from edge.model.releases.manifest import MANIFEST, MAX_MANIFEST_BYTES, SIGNATURE, File, Manifest, parse_manifest
from edge.model.releases.signature import SIGNATURE_BYTES, TrustedKey, verify
from edge.model.releases.trial import Found, try_model


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
    # Behind every hash: a runtime reads nothing but what the signer wrote.
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

BLOCK = 512  # bytes of a tar header; contents are padded to it
CHUNK_BYTES = 1 << 20


class Readable(Protocol):
    """A file, or a part of one, open for reading."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a package; to be read before the next one is asked for."""

    name: str
    bytes: int
    """Its length, as the package says."""
    file: Readable


def members(path: Path) -> Iterator[Member]:
    """The files of a package, in order.

    Raises:
        ModelError: if it cannot be read or is not a package.
    """
    try:
        yield from _of_folder(path) if path.is_dir() else _of_tar(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def tar(files: dict[str, bytes]) -> bytes:
    """The package of some files, in the order given; the same files give the same bytes."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as writer:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            writer.addfile(entry, io.BytesIO(content))
    return whole.getvalue()


def _of_folder(path: Path) -> Iterator[Member]:
    found = {entry.name for entry in os.scandir(path)}
    for name in [MANIFEST, SIGNATURE, *sorted(found - {MANIFEST, SIGNATURE})]:
        try:
            handle = os.open(path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would wait for ever
        except OSError as error:
            raise ModelError(f"{path / name}: cannot be read ({error.strerror}); is this a signed release?") from None
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            os.close(handle)
            raise ModelError(f"{path / name}: expected an ordinary file, found something else")
        with open(handle, "rb") as file:
            yield Member(name, about.st_size, file)


class _Part:
    """The next `length` bytes of a file."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file, self._left = file, length

    def read(self, size: int, /) -> bytes:
        piece = self._file.read(min(size, self._left))
        self._left -= len(piece)
        return piece


def _of_tar(path: Path) -> Iterator[Member]:
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        while (head := file.read(BLOCK)) and any(head):  # a block of zeros ends it
            try:
                entry = tarfile.TarInfo.frombuf(head, "ascii", "strict")
            except (tarfile.TarError, ValueError):
                raise ModelError(
                    f"{path}: not a package of `python -m export.sign`, or damaged; copy it again"
                ) from None
            if entry.type != tarfile.REGTYPE:
                raise ModelError(f"{path}: {entry.name!r} is no ordinary file; a release holds nothing else")
            start = file.tell()
            if not 0 <= entry.size <= end - start:
                raise ModelError(
                    f"{path}: cut short: expected {entry.size} bytes of {entry.name!r}, found {end - start}; "
                    "copy it again"
                )
            yield Member(entry.name, entry.size, _Part(file, entry.size))
            file.seek(start + -(-entry.size // BLOCK) * BLOCK)
