"""Files from the network, whole or not at all. Knows no data set: `training.datasets.sources` does.

A file grows as `<name>.part` and gets its name when it is complete and is what it should be. A download that broke goes
on where it stopped if the server still has the same file (RFC 9110, `Range` with `If-Range`), else it starts again.
Archives are untrusted: no member leaves its folder, links are refused, sizes are bounded.

Fetches a public data set and leaves a receipt beside it.

DATA/<set>/...                 its files, as `training.datasets.discovery` finds them
DATA/<set>/SOURCE-<file>.txt   where a file came from, its SHA-256, licence and citation; not fetched again with it
DATA/.download/<file>          an archive while it is fetched and unpacked
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import ssl
import stat
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from datetime import date
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from edge.errors import ConfigError
from training.datasets.files import KINDS
from training.datasets.sources import Archive, Source, card

TIMEOUT_S = 60.0
LARGEST_BYTES = 30 << 30
"""Of all members of one archive: the largest set is under 10 GB; more is an attack or a mistake."""
_CHUNK = 1 << 16


def fetch(url: str, path: Path, size: int | None = None, sha256: str = "") -> str:
    """Fetch one file unless it is there.

    Args:
        url: where it lies, http or https.
        path: what it is called here.
        size: bytes it must have, where that is known.
        sha256: digest it must have, where that is known.

    Returns:
        Its SHA-256.

    Raises:
        ConfigError: if the server cannot be reached or says no, the connection breaks, the disk is full, or the file is
            not what it should be; the message says what to do.
    """
    if not path.exists():
        part = path.with_name(f"{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _receive(url, part)
        except urllib.error.HTTPError as error:
            raise ConfigError(f"{url}: the server answers {error.code} {error.reason}") from error
        except urllib.error.URLError as error:
            raise ConfigError(f"{url}: not reachable ({error.reason}); is there a network?") from error
        except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            raise ConfigError(
                f"{url}: the connection broke ({error}); run again, it goes on where it stopped"
            ) from error
        except OSError as error:
            raise ConfigError(
                f"{part}: cannot be written ({error.strerror}); make room, or give another DATA"
            ) from error
        _verify(part, size, sha256)
        part.rename(path)
        _validator_path(part).unlink(missing_ok=True)
    return _digest(path)


def _receive(url: str, part: Path) -> None:
    """Add to `part` what it lacks."""
    have, validator = part.stat().st_size if part.exists() else 0, _validator_path(part)
    request = urllib.request.Request(url, headers={"User-Agent": "laennec", "Accept-Encoding": "identity"})
    if have and validator.exists():
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", validator.read_text())
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if (
            error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have
        ):  # nothing is lacking, or all is wrong
            part.unlink()
            validator.unlink(missing_ok=True)
            _receive(url, part)
            return
        raise
    with response:
        goes_on = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if not goes_on:
            have = 0
            validator.unlink(missing_ok=True)
            if version := response.headers.get("ETag") or response.headers.get("Last-Modified"):
                validator.write_text(version)  # without one nobody knows whether the file changed: no going on
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if goes_on else "wb") as file:
            got = have + _copy(response, file, have, total)
    if total is not None and got != total:
        raise ConnectionError(f"{got} of {total} bytes")


def _copy(response: IO[bytes], file: IO[bytes], have: int, total: int | None) -> int:
    got = 0
    with tqdm(total=total, initial=have, unit="B", unit_scale=True, mininterval=1) as bar:
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            got += len(chunk)
            bar.update(len(chunk))
    return got


def _validator_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _verify(part: Path, size: int | None, sha256: str) -> None:
    found = part.stat().st_size
    if size is not None and found != size:
        part.unlink()
        raise ConfigError(f"{part.stem}: {found} bytes, expected {size}; run again, or ask the set's makers")
    if sha256 and _digest(part) != sha256:
        part.unlink()
        raise ConfigError(f"{part.stem}: not the published bytes (SHA-256 differs); run again, or ask the set's makers")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def unpack(archive: Path, folder: Path, below: str = "", flat: bool = False) -> int:
    """Unpack a `.zip`.

    Args:
        archive: the file.
        folder: where to; created when missing.
        below: only members with this in their path; empty for all.
        flat: only sounds, without the folders they lie in.

    Returns:
        Number of files written.

    Raises:
        ConfigError: if it is damaged, larger than `LARGEST_BYTES` or the disk, or a member would leave the folder;
            nothing is written in the last three cases.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            chosen = _choose(opened, archive, below, flat)
            room = min(LARGEST_BYTES, _room(folder))
            needed = sum(member.file_size for member, _ in chosen)
            if needed > room:
                raise ConfigError(f"{archive.name}: unpacks to {needed} bytes, room is for {room}; make room")
            for member, name in chosen:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        archive.unlink()
        raise ConfigError(f"{archive.name}: damaged ({error}); it was removed, run again to fetch it") from error
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror}); make room, or give another DATA") from error
    return len(chosen)


def _choose(opened: zipfile.ZipFile, archive: Path, below: str, flat: bool) -> list[tuple[zipfile.ZipInfo, str]]:
    """Members to unpack and their names below the folder.

    Raises:
        ConfigError: if any member, chosen or not, would leave the folder or is a link.
        BadZipFile: if one has no name.
    """
    chosen = {}
    for member in opened.infolist():
        if not member.filename:
            raise zipfile.BadZipFile("a member has no name")
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if (
            path.is_absolute()
            or ".." in path.parts
            or ":" in "".join(path.parts[:1])
            or stat.S_ISLNK(member.external_attr >> 16)
        ):
            raise ConfigError(
                f"{archive.name}: member {member.filename!r} would leave its folder; nothing was unpacked"
            )
        wanted = below in f"/{path}" and not member.is_dir() and "__MACOSX" not in path.parts
        if wanted and not (flat and (path.suffix.lower() not in KINDS or path.name.startswith("."))):
            name = path.name if flat else str(path)
            chosen[f"{path.parent.name}_{name}" if name in chosen else name] = member
    return [(member, name) for name, member in chosen.items()]


def _room(folder: Path) -> int:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return shutil.disk_usage(existing).free


def download(source: Source, root: Path, report: Callable[[str], None]) -> None:
    """Fetch and unpack every file of a set that is not there yet.

    Args:
        source: the set.
        root: DATA.
        report: takes one line at a time.

    Raises:
        ConfigError: if it must be fetched by hand, or a file cannot be fetched, verified or unpacked.
    """
    if not source.archives:
        raise ConfigError(f"NAME={source.name}: not fetched by this command; {source.by_hand}. See {source.page}")
    for archive in source.archives:
        try:
            report(_one(archive, source, root))
        except ConfigError as error:
            where = root / archive.to
            raise ConfigError(f"{error}; by hand: {source.page}, into {where}") from error


def _one(archive: Archive, source: Source, root: Path) -> str:
    folder, name = root / archive.to, _file_name(archive, source)
    receipt = folder / f"SOURCE-{name}.txt"
    if receipt.exists():
        return f"{name}: here already; remove {receipt} to fetch it again"
    if not name.endswith(".zip"):
        digest, written = fetch(archive.url, folder / name, archive.size, archive.sha256), 1
    else:
        packed = root / ".download" / name
        digest = fetch(archive.url, packed, archive.size, archive.sha256)
        written = unpack(packed, folder, archive.below, archive.flat)
        if not written:
            raise ConfigError(f"{name}: no file below {archive.below!r} in it; its makers changed its layout")
    checked = "verified" if archive.sha256 else "its makers publish none to compare with"
    fetched = f"fetched   {archive.url}\non        {date.today().isoformat()}\nsha256    {digest} ({checked})\n"
    receipt.write_text(f"{card(source)}\n\n{fetched}")
    if name.endswith(".zip"):
        packed.unlink()
        _remove_empty(packed.parent)
    return f"{name}: {written} file{'s' * (written != 1)} in {folder}, SHA-256 {digest[:12]}"


def _file_name(archive: Archive, source: Source) -> str:
    """The last part of the address; a repository's archive is named after the set."""
    name = archive.url.rpartition("/")[2]
    return f"{source.name}.zip" if name == "HEAD.zip" else name


def _remove_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
