"""An artefact as a file: its metadata, read from its bytes, and the seal that shows it is whole.

Not for the graph (`onnx` and the runtimes know it), for who made a file (`edge.model.releases.signature`) or what it
says (`edge.model.model`). No graph is loaded and no runtime started: for what must know an artefact before, or without,
a runtime that reads ONNX: the choice between variants, and TensorRT, whose engines carry no metadata.

The file ends with the SHA-256 of every byte before it. That seal is an ordinary metadata entry (protobuf messages may
be concatenated), so damage anywhere is found without parsing anything, and wherever Python alone is:

    [ ModelProto ........................ ][ 0x72 len 0x0A len "laennec.seal" 0x12 64 <hex digits> ]

A file that lies about itself is still only data: lengths are checked against the file, and what is no text is an error.
Source: protocol buffers encoding; onnx.proto: metadata_props of ModelProto is 14, key and value of an entry 1 and 2.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path

from edge.errors import ModelError

MAX_BYTES = 64 << 20  # far above any model for a Jetson; a wrong file is not read into memory whole
_KEY = b"laennec.seal"
_DIGITS = 64
# One more entry of `metadata_props` (field 14, with a length: 14 << 3 | 2 = 0x72), in it key (0x0A) and value (0x12),
# each behind its length. So the sealed file is an ONNX file as before.
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


METADATA_PROPS, KEY, VALUE = 14, 1, 2
VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # wire types; 3 and 4, groups, are in no ONNX file


def read_metadata(content: bytes) -> dict[str, str]:
    """The entries of `metadata_props`; of a key that comes twice the last, as in every reader of such files.

    Raises:
        ModelError: if the bytes are not those of such a file.
    """
    try:
        entries = [dict(_parts(entry)) for field, entry in _parts(memoryview(content)) if field == METADATA_PROPS]
        return {str(entry.get(KEY, b""), "utf-8"): str(entry.get(VALUE, b""), "utf-8") for entry in entries}
    except (ValueError, IndexError) as error:
        raise ModelError(f"expected an ONNX file, found bytes that are none ({error})") from error


def _parts(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The fields of a message that have a length, in order; the others are skipped."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        field, kind = key >> 3, key & 7
        if kind == VARINT:
            _, position = _varint(message, position)
            continue
        if kind == LENGTH:
            size, start = _varint(message, position)
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            size, start = (8 if kind == EIGHT_BYTES else 4), position
        else:
            raise ValueError(f"wire type {kind} at byte {position}")
        position = start + size
        if position > len(message):
            raise ValueError(f"field {field} ends {position - len(message)} bytes after its message")
        if kind == LENGTH:
            yield field, message[start:position]


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """A number, seven bits a byte with the lowest first, and where the next field begins."""
    value = 0
    for count in range(10):  # 64 bits
        byte = message[position + count]
        value |= (byte & 0x7F) << (7 * count)
        if not byte & 0x80:
            return value, position + count + 1
    raise ValueError(f"a number without end at byte {position}")
