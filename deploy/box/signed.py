"""Whether a release is what somebody signed whom this box trusts; asked only where the box knows a key.

The manifest of a release names every file that comes with it, and by its hash the list of all those of its environment,
but not the settings, which are each box's own. It is signed as models are (Ed25519), by the same keys, whose public
halves lie in the same folder (`edge.model.releases.key_file`). Before the first release nothing on a box can check a
signature but OpenSSL's program, so it always does. Not for signing (`deploy.release`), nor for the bytes of what is
listed, which `build.receive` compares with the hashes. Invariant: one release has exactly one manifest; what is not
that, byte for byte, was changed.

Who may deploy is root on the box, and can take its keys away: this finds files that were changed on their way, and a
clone that nobody released; it does not stop an administrator.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from deploy.box.layout import BOARD, BoxLayout, Refusal, call
from edge.errors import LaennecError
from edge.model.releases.key_file import KeyFile, check_date, read_key_files

SCHEMA: Final = "laennec.software/2"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
OF_THE_BOX = ("ward.yaml", BOARD)  # settings: not part of what is signed
OPENSSL = ("openssl", "pkeyutl")


def manifest_of(created: str, version: str, files: Mapping[str, str]) -> bytes:
    """The one spelling of what is signed: keys sorted, no space, ASCII, a newline at the end.

    Args:
        created: when it was signed, UTC, as `TIME_FORMAT`.
        version: of the release.
        files: texts that it has, by name; one of them lists the files of the environment with their hashes.
    """
    texts = {name: text for name, text in files.items() if name not in OF_THE_BOX}
    tree = {
        "schema": SCHEMA,
        "created": created,
        "version": version,
        "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()},
    }
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def known_keys(layout: BoxLayout) -> tuple[KeyFile, ...]:
    """Public keys of those whose releases are taken; none: every release is.

    Raises:
        Refusal: they cannot be read.
    """
    if not layout.keys.exists():
        return ()
    try:
        return read_key_files(layout.keys)
    except LaennecError as error:
        raise Refusal(str(error)) from None


def check_signed(layout: BoxLayout, request: Mapping[str, Any]) -> None:
    """Refuse a release that is not signed, or is not what was signed, where this box knows a key.

    Args:
        layout: of the box.
        request: `version`, `files`; and `signed`: `manifest`, a text, and `signature`, base64.

    Raises:
        Refusal: with what to do.
    """
    keys = known_keys(layout)
    if not keys:
        return
    names, signed = ", ".join(key.path.name for key in keys), request.get("signed")
    if not signed:
        raise Refusal(
            f"expected a release signed by {names}, for this box knows keys ({layout.keys}); found one that is not "
            "signed; give the private key: SIGN=KEY.pem, or take the keys away on the box"
        )
    manifest = signed["manifest"].encode()
    signer = _signer(manifest, signed["signature"], keys)
    if signer is None:
        raise Refusal(f"signature of the release: expected one by {names}, found another; sign it with one of these")
    created = str(json.loads(manifest)["created"])
    if manifest_of(created, request["version"], request["files"]) != manifest:
        raise Refusal(
            f"the release is not what was signed on {created}: {_difference(manifest, request)}; sign it again"
        )
    try:
        at = datetime.strptime(created, TIME_FORMAT).replace(tzinfo=timezone.utc)
        check_date(signer.path.name, signer.ends, at, datetime.now(timezone.utc))
    except LaennecError as error:
        raise Refusal(f"the release was {error}") from None


def _signer(manifest: bytes, signature: str, keys: Sequence[KeyFile]) -> KeyFile | None:
    """Whose signature it is; None: of nobody who is known here."""
    with tempfile.TemporaryDirectory(prefix="laennec-") as name:
        content, signed = Path(name, "manifest"), Path(name, "signature")
        content.write_bytes(manifest)
        try:
            signed.write_bytes(base64.b64decode(signature, validate=True))
        except ValueError:
            return None
        for key in keys:
            argv = [*OPENSSL, "-verify", "-pubin", "-inkey", key.path, "-rawin", "-in", content, "-sigfile", signed]
            code, _said = call(argv)
            if code == 127:
                raise Refusal(
                    "expected OpenSSL's program, for this box takes signed releases alone, found none; install it on "
                    "the box:  sudo apt-get install openssl"
                )
            if code == 0:
                return key
    return None


def _difference(manifest: bytes, request: Mapping[str, Any]) -> str:
    """What differs between the manifest and what came, in words."""
    was = json.loads(manifest)
    now = json.loads(manifest_of(was["created"], request["version"], request["files"]))
    parts = [key for key in ("version", "schema") if was.get(key) != now[key]]
    before, after = was.get("files", {}), now["files"]
    parts += sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return f"{', '.join(parts[:5]) or 'its spelling'} differ"
