"""Metadata read from the bytes: what onnx reads, and an error for everything else."""

from __future__ import annotations

from contextlib import suppress

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ModelError
from edge.model.model import DEFAULT_PATH
from edge.model.onnx_file import read_metadata


def test_the_default_artefact_says_what_onnx_reads_in_it() -> None:
    content = DEFAULT_PATH.read_bytes()
    expected = {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props}
    assert read_metadata(content) == expected
    assert "laennec.seal" in expected


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=300)), st.integers(-(2**63), 2**63 - 1))
def test_any_entries_are_read_as_they_were_written(entries: dict[str, str], version: int) -> None:
    model = onnx.ModelProto(ir_version=10, model_version=version, producer_name="x" * 200)
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)
    assert read_metadata(model.SerializeToString()) == entries


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    model = onnx.ModelProto()
    for value in ("first", "last"):
        model.metadata_props.add(key="laennec.seal", value=value)
    assert read_metadata(model.SerializeToString()) == {"laennec.seal": "last"}


@given(st.binary(max_size=200))
def test_any_bytes_end_in_entries_or_in_a_clear_error(content: bytes) -> None:
    found: dict[str, str] = {}
    with suppress(ModelError):
        found = read_metadata(content)
    assert all(isinstance(text, str) for pair in found.items() for text in pair)


@pytest.mark.parametrize(
    "content",
    [
        b"\x72\xff\xff\xff\xff\x7f",  # a length beyond the file
        b"\x72" + b"\x80" * 20,  # a number without end
        b"\x72",  # a key without a field
        b"\x73\x00",  # a group, which no ONNX file has
        b"\x72\x04\x0a\x02\xff\xfe",  # a key that is no text
    ],
)
def test_a_file_that_lies_about_itself_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="expected an ONNX file"):
        read_metadata(content)
