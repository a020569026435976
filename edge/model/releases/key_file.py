"""A file of a public key, before anybody does cryptography with it: its text, and until when it counts.

Every `*.pem` of one folder is trusted, so that a new key can be added before the old one is removed. A file is what
`openssl pkey -pubout` writes. A line `Not after: 2028-01-31` above the block (RFC 7468, section 2, allows text there)
lets the key expire: nothing new of it is accepted. What was installed before stays valid until the key is removed, for
no box may stop detecting at midnight.

Not for checking signatures: `edge.model.releases.signature` does that for models, `deploy.box.signed` for releases, on
a box that has nothing but the standard library. So nothing else is imported here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from edge.errors import ConfigError, ModelError

MAX_KEY_BYTES = 4096
NOT_AFTER = "Not after:"
REPAIR = "put the public key of whoever signs your models there (`python -m export.sign --new-key` makes a pair)"


@dataclass(frozen=True)
class KeyFile:
    """One public key as it lies on a box."""

    path: Path
    text: bytes
    ends: datetime | None
    """First moment after its last day, UTC; None: it does not expire."""


def check_date(name: str, ends: datetime | None, signed: datetime, now: datetime) -> None:
    """Refuse something new that an expired key signed.

    Both dates count: the signer chooses `signed`, and a box without a battery wakes up in 1970.

    Args:
        name: file name of the key.
        ends: first moment after its last day, UTC; None: it does not expire.
        signed: what the manifest says, UTC.
        now: the clock of the box, UTC.

    Raises:
        ModelError: naming the key and its last day.
    """
    if ends is not None and max(signed, now) >= ends:
        last = ends - timedelta(days=1)
        raise ModelError(f"signed by {name}, which expired after {last:%Y-%m-%d}; sign it with a current key")


def read_key_files(folder: Path) -> tuple[KeyFile, ...]:
    """Every key of a folder, in the order of their names.

    Raises:
        ConfigError: the folder or a file cannot be read, holds a private key, or a date that is none.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".pem")
    except OSError as error:
        raise ConfigError(f"models.keys: {folder} cannot be read ({error.strerror}); {REPAIR}") from None
    return tuple(_read(path) for path in paths)


def _read(path: Path) -> KeyFile:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_KEY_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"models.keys: {path} cannot be read ({error.strerror})") from None
    if b"PRIVATE KEY" in text:
        raise ConfigError(f"models.keys: {path} is a private key, which has no place here; remove it, put its .pub.pem")
    return KeyFile(path, text, _end(path, text))


def _end(path: Path, text: bytes) -> datetime | None:
    head = text.partition(b"-----BEGIN")[0].decode("utf-8", "replace")
    found = re.search(rf"^{NOT_AFTER}(.*)$", head, re.MULTILINE | re.IGNORECASE)
    if found is None:
        return None
    try:
        day = datetime.strptime(found[1].strip(), "%Y-%m-%d").replace(tzinfo=timezone.utc)
        return day + timedelta(days=1)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"models.keys: {path}: expected `{NOT_AFTER} 2028-01-31`, found {found[1].strip()!r}"
        ) from None
