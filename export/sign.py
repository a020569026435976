"""`python -m export.sign --key private.pem --out NAME.model edge/models/default.onnx`: a model that a box will take.

A package holds the fp32 artefact, the variants beside it, their manifest and an Ed25519 signature of it by the private
key, which stays here. `--new-key private.pem` makes a pair; the public half goes to `/etc/laennec/model-keys/` of every
box. `--adaptation mine.adaptation` signs what `laennec adapt` made: the signature lies beside it, and both are copied
to a box whose settings say `models.signed_adaptations: true`. Not for making artefacts (`python -m export`) or for
checking what was signed (`edge.model.releases`, which the box uses; `laennec model install` is the proof).
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from edge import __version__
from edge.errors import ConfigError, LaennecError, ModelError
from edge.model.adaptation import Adaptation
from edge.model.model import load_model
from edge.model.releases.key_file import NOT_AFTER
from edge.model.releases.manifest import MANIFEST, SIGNATURE, TIME_FORMAT, File, Manifest, parse_manifest
from edge.model.releases.release import tar
from edge.model.releases.signature import signature_path
from edge.model.runtime import find_variants


@dataclass(frozen=True, slots=True)
class Terms:
    """What the signer declares of a release."""

    created: datetime
    """UTC; a box installs with --promote nothing older than its active model."""
    needs: str = __version__
    """Oldest version of Laennec that may run it."""


def main(arguments: list[str] | None = None) -> int:
    """Sign, or make a key; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m export.sign", description=__doc__)
    parser.add_argument("artefact", type=Path, nargs="?", help="the fp32 artefact; the variants beside it are included")
    parser.add_argument("--key", type=Path, help="private key (PEM)")
    parser.add_argument("--out", type=Path, help="the package to write, NAME.model")
    parser.add_argument("--needs", default=__version__, help="oldest version of Laennec that may run it (%(default)s)")
    parser.add_argument("--adaptation", type=Path, help="sign this instead: NAME.adaptation.sig beside it")
    parser.add_argument("--new-key", type=Path, help="make a pair: this file, mode 0600, and NAME.pub.pem beside it")
    parser.add_argument("--expires", type=date.fromisoformat, help="last day of the new key, such as 2028-01-31")
    parser.add_argument("--passphrase", action="store_true", help="ask for a passphrase that encrypts the new key")
    try:
        print(_done(parser.parse_args(arguments)))
    except LaennecError as error:
        print(f"sign: {error}", file=sys.stderr)
        return 2
    return 0


def _done(options: argparse.Namespace) -> str:
    """Do what was asked for; returns what was written, in words."""
    if options.new_key is not None:
        public = new_key(options.new_key, _passphrase(twice=True) if options.passphrase else None, options.expires)
        return f"wrote {options.new_key}, which stays here, and {public} for /etc/laennec/model-keys/ of every box"
    if options.adaptation is not None and options.key is not None:
        out = signature_path(options.adaptation)
        _write(out, sign_adaptation(options.adaptation, read_private(options.key)))
        return f"wrote {out}; copy it to the box beside the adaptation"
    if None in (options.artefact, options.key, options.out):
        raise ConfigError(
            "expected --key PRIVATE --out NAME.model ARTEFACT, --key PRIVATE --adaptation FILE, or --new-key PRIVATE; "
            "see --help"
        )
    terms = Terms(datetime.now(timezone.utc), options.needs)
    manifest, package = sign(options.artefact, read_private(options.key), terms)
    _write(options.out, package)
    return f"wrote {options.out}: release {manifest.sha256[:12]}, {manifest.id}, {', '.join(manifest.files)}"


def sign(artefact: Path, key: Ed25519PrivateKey, terms: Terms) -> tuple[Manifest, bytes]:
    """The package of an artefact and its variants.

    Raises:
        ModelError: the artefact is missing, damaged, or a variant without its fp32 one.
        ConfigError: `terms.needs` is no version.
    """
    model = load_model(artefact)
    if model.variant.parent:
        raise ModelError(
            f"{artefact}: is the variant {model.variant.name}; give the fp32 artefact, whose package includes it"
        )
    members = {found.path.name: (found, found.path.read_bytes()) for found in find_variants(artefact)}
    try:
        manifest = Manifest(
            id=model.id,
            created=terms.created.strftime(TIME_FORMAT),
            needs=terms.needs,
            artefact=artefact.name,
            files={
                name: File(sha256=found.sha256, bytes=len(content), variant=found.variant.name)
                for name, (found, content) in members.items()
            },
            features=model.features_sha256,
            classes=list(model.classes),
        )
    except ValueError as error:
        raise ConfigError(f"{artefact}: {' '.join(str(error).split())}") from None
    text = manifest.canonical()
    parse_manifest(text)  # refuses here what a box would refuse
    return manifest, tar({MANIFEST: text, SIGNATURE: key.sign(text)} | {n: members[n][1] for n in sorted(members)})


def sign_adaptation(path: Path, key: Ed25519PrivateKey) -> bytes:
    """The signature of an adaptation.

    Raises:
        ModelError: it is no adaptation, or damaged.
        ConfigError: it cannot be read.
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
    return key.sign(content)


def new_key(path: Path, passphrase: bytes | None = None, expires: date | None = None) -> Path:
    """Make a pair of keys; no file is overwritten.

    Returns:
        The public half.

    Raises:
        ConfigError: a file is there already, or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    head = f"{NOT_AFTER} {expires.isoformat()}\n" if expires else ""
    public = path.with_suffix(".pub.pem")
    files = (
        (path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption), 0o600),
        (public, head.encode() + key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644),
    )
    for name, content, mode in files:
        try:
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            raise ConfigError(f"{name}: cannot be made ({error.strerror}); choose another name") from None
        with open(handle, "wb") as file:
            file.write(content)
    return public


def read_private(path: Path, passphrase: bytes | None = None) -> Ed25519PrivateKey:
    """A private key; for an encrypted one the passphrase is asked for where it is not given.

    Raises:
        ConfigError: it cannot be read, is not an Ed25519 private key, or the passphrase is wrong.
    """
    try:
        text = path.read_bytes()
        if b"ENCRYPTED" in text and passphrase is None:
            passphrase = _passphrase()
        key = load_pem_private_key(text, passphrase)
    except OSError as error:
        raise ConfigError(f"--key {path}: cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"--key {path}: no private key, or another passphrase; --new-key makes a pair") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"--key {path}: expected an Ed25519 key; --new-key makes a pair")
    return key


def _passphrase(twice: bool = False) -> bytes:
    entered = getpass.getpass("passphrase: ")
    if twice and getpass.getpass("again: ") != entered:
        raise ConfigError("the two passphrases differ; nothing was written")
    return entered.encode()


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None


if __name__ == "__main__":
    sys.exit(main())
