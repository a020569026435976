"""On the workstation: sign what is about to be deployed, with the key that signs models (`export.sign`).

A wheelhouse that was made elsewhere brings `release.json` and `release.sig` along (`python -m deploy sign`); what is
built here is signed on the way, and the signature kept, so that an encrypted key is asked for once. Not for checking
(`deploy.box.signed`). Only OpenSSL signs with the private key; here its file is no more than hashed.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from deploy.box.signed import OPENSSL, TIME_FORMAT, manifest_of
from deploy.errors import DeployError
from deploy.wheelhouse import Wheelhouse

MANIFEST, SIGNATURE = "release.json", "release.sig"
KEPT = 20  # signatures of earlier builds, each of a few kilobytes

Signed = dict[str, str]


def sign(house: Wheelhouse, files: Mapping[str, str], key: Path, folder: Path) -> Signed:
    """The manifest of a release and its signature; the same release is signed once.

    Args:
        house: its wheels.
        files: what comes with them.
        key: private key, PEM; OpenSSL asks for the passphrase of an encrypted one.
        folder: where signatures are kept.

    Raises:
        DeployError: there is no such key, or OpenSSL cannot sign with it.
    """
    if not key.is_file():
        raise DeployError(f"SIGN: expected a private key (python -m export.sign --new-key makes one), found {key}")
    content = manifest_of("", house.version, _listed(house), files)
    kept = folder / hashlib.sha256(content + key.read_bytes()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # boxes of a fleet sign at once; manifest and signature are a pair
        if not (kept / SIGNATURE).exists():
            kept.mkdir(exist_ok=True)
            created = datetime.now(timezone.utc).strftime(TIME_FORMAT)
            write_signed(kept, manifest_of(created, house.version, _listed(house), files), key)
            for old in sorted(folder.iterdir(), key=os.path.getmtime)[:-KEPT]:
                shutil.rmtree(old)
        return read_signed(kept) or {}


def write_signed(folder: Path, manifest: bytes, key: Path) -> None:
    """Put a manifest and its signature into a folder; the signature last.

    Raises:
        DeployError: OpenSSL is not here, or cannot sign with that key.
    """
    (folder / MANIFEST).write_bytes(manifest)
    draft = folder / f".{SIGNATURE}"
    argv = [*OPENSSL, "-sign", "-inkey", key, "-rawin", "-in", folder / MANIFEST, "-out", draft]
    try:
        done = subprocess.run([str(word) for word in argv], stderr=subprocess.PIPE, text=True, check=False)
    except FileNotFoundError:
        raise DeployError("SIGN needs OpenSSL's program, found none here; apt-get install openssl") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise DeployError(f"SIGN: {key}: expected an Ed25519 private key, and its passphrase; OpenSSL found: {last[0]}")
    draft.rename(folder / SIGNATURE)


def read_signed(folder: Path) -> Signed | None:
    """What `write_signed` put there; None: nothing."""
    if not (folder / SIGNATURE).exists():
        return None
    signature = base64.b64encode((folder / SIGNATURE).read_bytes()).decode()
    return {"manifest": (folder / MANIFEST).read_text(), "signature": signature}


def sign_wheelhouse(house: Wheelhouse, files: Mapping[str, str], key: Path, folder: Path) -> str:
    """Sign a wheelhouse that somebody else will deploy; the time of the signature.

    Args:
        house: what is in the folder.
        files: what this clone sends along with it.
        key: private key.
        folder: of the wheels; manifest and signature are put beside them.

    Raises:
        DeployError: OpenSSL cannot sign.
    """
    created = datetime.now(timezone.utc).strftime(TIME_FORMAT)
    write_signed(folder, manifest_of(created, house.version, _listed(house), files), key)
    return str(json.loads((folder / MANIFEST).read_text())["created"])


def _listed(house: Wheelhouse) -> Sequence[Mapping[str, object]]:
    return [each.entry() for each in house.wheels]
