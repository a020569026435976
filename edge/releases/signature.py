"""Whose models this box accepts: Ed25519 public keys in files, and the check of a signature against them.

Not for private keys, which stay on the workstation (`export.sign`), for what was signed (`edge.releases.manifest`),
nor for the files of keys and when they expire (`edge.releases.key_file`).

Source: RFC 8032 (Ed25519), by `cryptography`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import ConfigError, ModelError
from edge.releases.key_file import MAX_KEY_BYTES, REPAIR, KeyFile, check_date, read_key_files

if TYPE_CHECKING:  # a box without installed models never imports it: 15 MB of memory
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One public key, and until when new packages that it signed are accepted."""

    name: str
    """File name of the key, for messages."""
    public: Ed25519PublicKey
    ends: datetime | None
    """First moment after its last day, UTC; None: it does not expire."""

    def check_date(self, signed: datetime, now: datetime) -> None:
        """Refuse a new package that an expired key signed, by its date or by the clock of the box (UTC).

        Raises:
            ModelError: naming the key and its last day.
        """
        check_date(self.name, self.ends, signed, now)


def read_keys(folder: Path) -> tuple[TrustedKey, ...]:
    """Every key of a folder, in the order of their names.

    Raises:
        ConfigError: if there is none, or a file is not an Ed25519 public key.
    """
    files = read_key_files(folder)
    if not files:
        raise ConfigError(f"models.keys: {folder} holds no *.pem; {REPAIR}")
    return tuple(_parse(file) for file in files)


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


def _parse(file: KeyFile) -> TrustedKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        public = load_pem_public_key(file.text[:MAX_KEY_BYTES])
    except (ValueError, UnsupportedAlgorithm):
        public = None
    if not isinstance(public, Ed25519PublicKey):
        raise ConfigError(
            f"models.keys: {file.path}: expected an Ed25519 public key (PEM), found something else; remove it"
        )
    return TrustedKey(file.path.name, public, file.ends)
