"""COBS, against PyPI's cobs."""

from __future__ import annotations

import pytest
from cobs import cobs as oracle
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.errors import WireError
from firmware_bridge import cobs

LONG = st.integers(0, 3).flatmap(lambda k: st.integers(max(0, 254 * k - 2), 254 * k + 2)).map(lambda n: b"\x01" * n)
PIECES = st.lists(st.one_of(st.binary(max_size=40), LONG), max_size=5)
BODIES = st.one_of(PIECES.map(b"\0".join), PIECES.map(b"".join))


@settings(deadline=None)
@given(BODIES)
@example(b"")
@example(b"\x01" * 254)
@example(b"\x01" * 254 + b"\0")
def test_a_body_is_stuffed_as_by_the_library_and_comes_back(body: bytes) -> None:
    stuffed = cobs.encode(body)
    assert stuffed == oracle.encode(body)
    assert cobs.decode(stuffed) == body
    assert 0 not in stuffed
    assert len(stuffed) <= cobs.longest(len(body))


@settings(deadline=None)
@given(st.binary(max_size=600))
@example(b"\xff" + b"\x01" * 254 + b"\x01")
@example(b"\x05\x01")
def test_any_bytes_are_read_as_by_the_library_or_refused_as_by_it(stuffed: bytes) -> None:
    try:
        expected = oracle.decode(stuffed)
    except oracle.DecodeError:
        with pytest.raises(WireError):
            cobs.decode(stuffed)
    else:
        assert cobs.decode(stuffed) == expected
