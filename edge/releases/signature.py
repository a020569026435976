"""Whose models this box accepts: Ed25519 public keys in files, and the check of a signature against them.

Not for private keys, which stay on the workstation (`export.sign`), and not for what was signed
(`edge.releases.manifest`). Every `*.pem` of one folder is trusted, so that a new key can be added before the old one
is removed. A file is what `openssl pkey -pubout` writes. A line `Not after: 2028-01-31` above the block (RFC 7468,
section 2, allows text there) lets the key expire: no new package of it is installed. What was installed before
stays valid until the key is removed, for no box may stop detecting at midnight.

Source: RFC 8032 (Ed25519), by `cryptography`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import ConfigError, ModelError

if TYPE_CHECKING:  # a box without installed models never imports it: 15 MB of memory
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE_BYTES = 64
MAX_KEY_BYTES = 4096
NOT_AFTER = "Not after:"


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One public key, and until when new packages that it signed are accepted."""

    name: str
    """File name of the key, for messages."""
    public: Ed25519PublicKey
    ends: datetime | None
    """First moment after its last day, UTC; None: it does not expire."""

    def check_date(self, signed: datetime, now: datetime) -> None:
        """Refuse a new package that an expired key signed.

        Both dates count: the signer chooses `signed`, and a box without a battery wakes up in 1970.

        Args:
            signed: what the manifest says, UTC.
            now: the clock of the box, UTC.

        Raises:
            ModelError: naming the key and its last day.
        """
        if self.ends is not None and max(signed, now) >= self.ends:
            last = self.ends - timedelta(days=1)
            raise ModelError(f"signed by {self.name}, which expired after {last:%Y-%m-%d}; sign it with a current key")


def read_keys(folder: Path) -> tuple[TrustedKey, ...]:
    """Every key of a folder, in the order of their names.

    Raises:
        ConfigError: if there is none, or a file is not an Ed25519 public key.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".pem")
    except OSError as error:
        raise ConfigError(f"models.keys: {folder} cannot be read ({error.strerror}); {_REPAIR}") from None
    if not paths:
        raise ConfigError(f"models.keys: {folder} holds no *.pem; {_REPAIR}")
    return tuple(_read_key(path) for path in paths)


def verify(content: bytes, signature: bytes, keys: tuple[TrustedKey, ...]) -> TrustedKey:
    """The key that signed the content.

    Raises:
        ModelError: if none of them did.
    """
    from cryptography.exceptions import InvalidSignature

    for key in keys:
        try:
            key.public.verify(signature, content)
        except InvalidSignature:
            continue
        return key
    names = ", ".join(key.name for key in keys)
    raise ModelError(f"signature: expected one by {names}, found another; do not use it, or add its signer's key")


_REPAIR = "put the public key of whoever signs your models there (`python -m export.sign --new-key` makes a pair)"


def _read_key(path: Path) -> TrustedKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        with path.open("rb") as file:
            text = file.read(MAX_KEY_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"models.keys: {path} cannot be read ({error.strerror})") from None
    if b"PRIVATE KEY" in text:
        raise ConfigError(f"models.keys: {path} is a private key, which has no place here; remove it, put its .pub.pem")
    try:
        public = load_pem_public_key(text[:MAX_KEY_BYTES])
    except (ValueError, UnsupportedAlgorithm):
        public = None
    if not isinstance(public, Ed25519PublicKey):
        raise ConfigError(f"models.keys: {path}: expected an Ed25519 public key (PEM), found something else; remove it")
    return TrustedKey(path.name, public, _end(path, text))


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
