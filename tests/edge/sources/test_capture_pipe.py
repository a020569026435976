"""Records of the capture child, cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import WireError
from edge.sources.capture_pipe import HEADER, Kind, Reader, Record

RECORDS = st.builds(
    Record,
    kind=st.sampled_from([kind for kind in Kind if kind != Kind.AUDIO]),
    payload=st.binary(max_size=50),
    first=st.integers(-(2**63), 2**63 - 1),
    time_ns=st.integers(0, 2**63 - 1),
    overflow=st.booleans(),
)


@given(st.lists(RECORDS, max_size=5), st.lists(st.integers(0, 400), max_size=8))
def test_records_survive_any_cut(records: list[Record], cuts: list[int]) -> None:
    sent = b"".join(record.to_bytes() for record in records)
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    reader = Reader()
    found = [r for a, b in pairwise(edges) for r in reader.push(sent[a:b])]
    assert found == records


@pytest.mark.parametrize(
    "garbage",
    [
        b"ALSA lib pcm.c:2664:(snd_pcm_open_noupdate) Unknown PCM",
        HEADER.pack(b"LAE1", 99, 0, 0, 0, 0),
        HEADER.pack(b"LAE1", Kind.AUDIO, 0, 1 << 30, 0, 0),
        HEADER.pack(b"LAE1", Kind.AUDIO, 0, 3, 0, 0),
        HEADER.pack(b"LAE2", Kind.HEARTBEAT, 0, 0, 0, 0),
    ],
)
def test_what_is_no_record_is_refused_behind_good_ones_too(garbage: bytes) -> None:
    reader = Reader()
    assert reader.push(Record(Kind.HEARTBEAT).to_bytes() + garbage) == [Record(Kind.HEARTBEAT)]
    with pytest.raises(WireError, match="expected a record, found"):
        reader.push(b"")
