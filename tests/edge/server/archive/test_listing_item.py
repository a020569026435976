"""Names of recordings: text, each of one recording only, and a way back to the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from edge.server.archive.listing import name_of

LETTERS = [b"a", b"/", b":", b"\\", b"x", b"3", b"5", b"c", b"f", b"\xff", "é".encode()]
PATHS = some.lists(some.sampled_from(LETTERS), min_size=1, max_size=9).map(b"".join)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"/data/a.wav", "/data/a.wav"),
        (b"\xff.wav", r"\xff.wav"),
        (rb"\xff.wav", r"\x5cxff.wav"),
        (rb"C\x41.wav", r"C\x41.wav"),
        (b"t.tar::a.wav", r"t.tar:\x3aa.wav"),
    ],
)
def test_a_name_is_the_path_but_for_what_two_paths_would_share(path: bytes, name: str) -> None:
    assert name_of(Path(os.fsdecode(path))) == name


@given(PATHS, PATHS)
def test_two_paths_never_have_one_name(path: bytes, other: bytes) -> None:
    whole, another = Path(os.fsdecode(path)), Path(os.fsdecode(other))
    name = name_of(whole)
    assert (name == name_of(another)) == (whole == another)
    assert "::" not in name
    assert name == name.encode().decode(), "text for every table"
