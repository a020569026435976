"""The metadata of an ONNX file, read from its bytes: no graph is loaded and no runtime started.

For what must know an artefact before, or without, a runtime that reads ONNX: the choice between variants, and TensorRT,
whose engines carry no metadata. A file that lies about itself is still only data: lengths are checked against the
file, and what is no text is an error. Not for the graph (`onnx` and the runtimes know it).

Source: protocol buffers encoding; onnx.proto: metadata_props of ModelProto is 14, key and value of an entry 1 and 2.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge.errors import ModelError

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
