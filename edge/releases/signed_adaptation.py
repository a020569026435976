"""Whether the adaptations that streams use were signed by somebody whom this box trusts; asked only where settings say.

A signature is a file beside the adaptation, `NAME.adaptation.sig`: Ed25519 over its bytes, by the keys that sign models
(`models.keys`). Whoever may write the settings of a node can leave the check out, so it is for boxes whose settings are
guarded better than their adaptations; it is made when the node starts. An expired key counts, as it does for a model
that is installed. Not for private keys (`export.sign_adaptation`), nor for reading adaptations
(`edge.artefact.adaptation`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from edge.artefact.adaptation import MAX_BYTES
from edge.errors import ModelError
from edge.releases.signature import SIGNATURE_BYTES, read_keys, verify
from edge.settings.config import Models

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
        content, signature = _read(path, path, MAX_BYTES), _read(path, signature_path(path), SIGNATURE_BYTES)
        try:
            signer = verify(content, signature, read_keys(models.keys))
        except ModelError as error:
            raise ModelError(f"adaptation {path}: {error}") from None
        log.info("adaptation=%s signed_by=%s", path, signer.name)


def _read(adaptation: Path, path: Path, most_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most_bytes + 1)
    except OSError as error:
        raise ModelError(
            f"adaptation {adaptation}: not signed, {path} cannot be read ({error.strerror}); sign it with  python -m "
            "export.sign_adaptation  or set models.signed_adaptations: false"
        ) from None
