"""Whether an artefact is whole: it ends with the SHA-256 of every byte before it.

The seal is an ordinary metadata entry (protobuf messages may be concatenated), so damage anywhere is found without
parsing anything, and wherever Python alone is:

    [ ModelProto ........................ ][ 0x72 len 0x0A len "laennec.seal" 0x12 64 <hex digits> ]

Not for who made a file (`edge.releases.signature`) or what it says (`edge.artefact.model`).
"""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from edge.errors import ModelError

MAX_BYTES = 64 << 20  # far above any model for a Jetson; a wrong file is not read into memory whole
_KEY = b"laennec.seal"
_DIGITS = 64
_HEAD = bytes([0x72, 4 + len(_KEY) + _DIGITS, 0x0A, len(_KEY)]) + _KEY + bytes([0x12, _DIGITS])


def seal(content: bytes) -> bytes:
    """The artefact with its seal, from a serialised ModelProto that has its metadata already."""
    return content + _HEAD + hashlib.sha256(content).hexdigest().encode()


def read_artefact(path: Path) -> bytes:
    """The whole file, if it is not too large and its seal is whole.

    Raises:
        ModelError: missing, no ordinary file, too large, or not whole.
    """
    try:
        size = ordinary_size(path, "model")
        if size > MAX_BYTES:
            raise ModelError(
                f"model {path}: expected at most {MAX_BYTES >> 20} MB, found {size >> 20} MB; not a model?"
            )
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"model {path}: cannot be read ({error.strerror}); check the path given as model") from error
    _check_seal(path, content)
    return content


def ordinary_size(path: Path, what: str) -> int:
    """Size of an ordinary file, bytes; opening a pipe would wait for a writer for ever, deaf to SIGTERM.

    Args:
        path: the file.
        what: what it is to be, for the message.

    Raises:
        ModelError: it is a folder, a pipe or a device.
        OSError: it is not there, or may not be looked at.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        found = "folder" if stat.S_ISDIR(status.st_mode) else "pipe or device"
        raise ModelError(f"{what} {path}: is a {found}; give a file")
    return status.st_size


def _check_seal(path: Path, content: bytes) -> None:
    length = len(_HEAD) + _DIGITS
    body, tail = content[:-length], content[-length:]
    if tail[: len(_HEAD)] != _HEAD:
        raise ModelError(
            f"model {path}: expected a Laennec artefact, which ends with its seal; found {len(content)} bytes without "
            "one (cut short, or an ONNX file that was not exported for Laennec); copy or export it again"
        )
    expected, found = tail[len(_HEAD) :].decode("ascii", "replace"), hashlib.sha256(body).hexdigest()
    if expected != found:
        raise ModelError(
            f"model {path}: damaged: expected content with sha256 {expected[:16]}…, found {found[:16]}…; copy it again"
        )
