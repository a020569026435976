"""Fetches a public data set and leaves a receipt beside it. Knows no protocol: `training.datasets.fetch` does.

DATA/<set>/...                 its files, as `training.datasets.discovery` finds them
DATA/<set>/SOURCE-<file>.txt   where a file came from, its SHA-256, licence and citation; not fetched again with it
DATA/.download/<file>          an archive while it is fetched and unpacked
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from edge.errors import ConfigError
from training.datasets.fetch import fetch, unpack
from training.datasets.sources import Archive, Source, card


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
