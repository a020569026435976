"""A manifest has one spelling, and nothing that anybody writes into one gets further than a ModelError."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ModelError
from edge.model.releases.manifest import MAX_MANIFEST_BYTES, File, Manifest, parse_manifest


def _manifest(**changes: Any) -> Manifest:
    files = {
        "bed.onnx": File(sha256="a" * 64, bytes=3, variant="fp32"),
        "bed.cpu-int8.onnx": File(sha256="b" * 64, bytes=2, variant="cpu-int8"),
    }
    fields = {
        "id": "bed 0.1",
        "created": "2026-11-21T13:00:00Z",
        "needs": "0.1.0",
        "artefact": "bed.onnx",
        "files": files,
        "features": "c" * 64,
        "classes": ["wheeze", "breath"],
    }
    return Manifest(**{**fields, **changes})


def _tree() -> dict[str, Any]:
    return json.loads(_manifest().canonical())


def _spelled(tree: object) -> bytes:
    return json.dumps(tree, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def test_what_was_written_is_read() -> None:
    assert parse_manifest(_manifest().canonical()) == _manifest()


def test_the_name_of_a_release_is_the_hash_of_its_manifest() -> None:
    assert _manifest().sha256 != _manifest(needs="0.1.1").sha256


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"manifest.json"):
        parse_manifest(content)


@given(st.data())
def test_arbitrary_values_in_any_field_are_refused_or_spelled_the_same(data: st.DataObject) -> None:
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
        max_leaves=6,
    )
    tree = _tree()
    tree[data.draw(st.sampled_from([*tree, "more"]))] = data.draw(values)
    try:
        read = parse_manifest(_spelled(tree))
    except ModelError:
        return
    assert read.canonical() == _spelled(tree)


@given(st.integers(0, len(_manifest().canonical()) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_is_another_release(position: int, value: int) -> None:
    content = bytearray(_manifest().canonical())
    before, content[position] = content[position], value
    try:
        read = parse_manifest(bytes(content))
    except ModelError:
        return
    assert (read.sha256 == _manifest().sha256) == (before == value)


@pytest.mark.parametrize(
    "content",
    [
        _manifest().canonical().replace(b":", b": ", 1),
        _manifest().canonical()[:-1],
        _manifest().canonical().replace(b'{"artefact"', b'{"artefact":"x.onnx","artefact"', 1),
        _manifest().canonical().replace(b"wheeze", b"whe\\u0065ze"),
        _spelled({key: value for key, value in _tree().items() if key != "schema"}),
        b"[" * 100_000,
        b" " * (MAX_MANIFEST_BYTES + 1),
    ],
)
def test_another_spelling_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError):
        parse_manifest(content)


@pytest.mark.parametrize(
    "name",
    ["../bed.onnx", "/bed.onnx", "a/b.onnx", ".bed.onnx", "bed.onnx\n", "bed.txt", "", "x" * 65 + ".onnx", "ä.onnx"],
)
def test_a_file_that_would_lie_elsewhere_is_refused(name: str) -> None:
    tree = _tree()
    tree["files"][name] = tree["files"].pop("bed.cpu-int8.onnx")
    with pytest.raises(ModelError, match=r"manifest.json: files"):
        parse_manifest(_spelled(tree))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("schema", "laennec.release/2", "schema"),
        ("artefact", "bed.cpu-int8.onnx", "not the same"),
        ("artefact", "other.onnx", "not the same"),
        ("created", "2026-13-21T13:00:00Z", "manifest.json"),
        ("classes", [], "classes"),
        ("id", "bed\x1b[2J", "id"),
        ("needs", "1", "needs"),
        ("files", {}, "files"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(key: str, value: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse_manifest(_spelled({**_tree(), key: value}))


def test_a_file_larger_than_any_model_is_refused() -> None:
    tree = _tree()
    tree["files"]["bed.onnx"]["bytes"] = 1 << 40
    with pytest.raises(ModelError, match="bytes"):
        parse_manifest(_spelled(tree))


@pytest.mark.parametrize(("needs", "version"), [("0.1.0", "0.1.0"), ("0.9.0", "0.10.0"), ("0.1.0", "1.0.dev3")])
def test_a_release_for_this_version_or_an_older_one_runs(needs: str, version: str) -> None:
    manifest = _manifest(needs=needs)
    manifest.check_version(version)
    assert manifest.needs == needs


def test_a_release_for_a_newer_version_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"needs Laennec 0.10.0 or newer, found 0.9.9; update Laennec first"):
        _manifest(needs="0.10.0").check_version("0.9.9")
