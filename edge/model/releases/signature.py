"""Signatures (Ed25519) of models and of adaptations, and whose this box accepts.

Not for private keys, which stay on the workstation (`export.sign`), nor for what was signed
(`edge.model.releases.manifest`, `edge.model.adaptation`). An expired key counts for what is installed already.

The signature of an adaptation is a file beside it, `NAME.adaptation.sig`: over its bytes, by the keys that sign models
(`models.keys`). It is asked for only where settings say: whoever may write the settings of a node can leave it out, so
it is for boxes whose settings are guarded better than their adaptations. Source: RFC 8032, by `cryptography`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import ConfigError, ModelError
from edge.model.adaptation import MAX_BYTES
from edge.model.releases.key_file import MAX_KEY_BYTES, REPAIR, KeyFile, check_date, read_key_files
from edge.settings.node import Models

if TYPE_CHECKING:
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


SUFFIX = ".sig"

log = logging.getLogger(__name__)


def signature_path(adaptation: Path) -> Path:
    """Where the signature of an adaptation lies."""
    return adaptation.with_name(adaptation.name + SUFFIX)


def check_signed(models: Models, adaptations: Iterable[Path | None]) -> None:
    """Refuse adaptations that nobody signed whom this box trusts, where the settings ask for that.

    Args:
        models: the settings.
        adaptations: file of each stream; None for a stream without.

    Raises:
        ModelError: naming the file and the repair.
        ConfigError: no trusted key can be read.
    """
    for path in sorted({path for path in adaptations if path is not None}) if models.signed_adaptations else ():
        content, signature = (
            _read_beside(path, path, MAX_BYTES),
            _read_beside(path, signature_path(path), SIGNATURE_BYTES),
        )
        try:
            signer = verify(content, signature, read_keys(models.keys))
        except ModelError as error:
            raise ModelError(f"adaptation {path}: {error}") from None
        log.info("adaptation=%s signed_by=%s", path, signer.name)


def _read_beside(adaptation: Path, path: Path, most_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most_bytes + 1)
    except OSError as error:
        raise ModelError(
            f"adaptation {adaptation}: not signed, {path} cannot be read ({error.strerror}); sign it with  python -m "
            "export.sign --adaptation  or set models.signed_adaptations: false"
        ) from None
