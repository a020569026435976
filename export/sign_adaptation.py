"""`python -m export.sign_adaptation --key private.pem mine.adaptation`: the signature that a box asks for.

Written beside the adaptation, as `mine.adaptation.sig`; both are copied to the box, where `models.signed_adaptations:
true` asks for it. The pair of keys is that of models (`python -m export.sign --new-key`). Not for making adaptations
(`laennec adapt`), nor for checking them (`edge.model.releases.signature`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.errors import ConfigError, LaennecError, ModelError
from edge.model.adaptation import Adaptation
from edge.model.releases.signature import signature_path
from export.sign import read_private


def sign_adaptation(path: Path, key: Path, passphrase: bytes | None = None) -> Path:
    """Write the signature of an adaptation; returns where.

    Args:
        path: of the adaptation.
        key: file of the private key.
        passphrase: of an encrypted key; None: it is asked for.

    Raises:
        ModelError: it is no adaptation, or damaged.
        ConfigError: the key or the file cannot be read, or the signature not written.
    """
    try:
        content = path.read_bytes()
        Adaptation.from_text(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise ModelError(f"{path}: expected an adaptation, found no text; make one with  laennec adapt") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give what  laennec adapt  made") from None
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    out = signature_path(path)
    try:
        out.write_bytes(read_private(key, passphrase).sign(content))
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror})") from None
    return out


def main(arguments: list[str] | None = None) -> int:
    """Sign; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m export.sign_adaptation", description=__doc__)
    parser.add_argument("adaptation", type=Path, help="what `laennec adapt` made")
    parser.add_argument("--key", type=Path, required=True, help="private key (PEM)")
    given = parser.parse_args(arguments)
    try:
        out = sign_adaptation(given.adaptation, given.key)
    except LaennecError as error:
        print(f"sign_adaptation: {error}", file=sys.stderr)
        return 2
    print(f"wrote {out}; copy it to the box beside the adaptation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
