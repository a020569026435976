"""Beds that are gone: which may be removed, and what brings them back."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.contract.topics import Address
from edge.server.board.latest import Arrival
from edge.server.board.removed import RemovedBeds
from edge.server.board.validity import GONE_S
from edge.server.board.ward_view import tiles_of
from tests.edge.server.board.one_bed_ward import NOW_S, ward_of
from tests.edge.server.board.ward_messages import WALL_S

BED, KEY = Address("ward", "box", "bed"), "ward/box/bed"
FIRST_S = 1.0  # of the board's clock


@pytest.mark.parametrize(
    ("after_s", "lost_s", "gone"), [(0.0, None, False), (GONE_S, None, True), (GONE_S, NOW_S, False)]
)
def test_a_bed_may_be_removed_that_was_silent_for_long_while_the_broker_was_there(
    after_s: float, lost_s: float | None, gone: bool
) -> None:
    (tile,) = tiles_of(ward_of(), NOW_S + after_s, lost_s)
    assert tile.is_gone is gone


def test_a_removal_holds_over_restarts_whatever_the_broker_has_kept(tmp_path: Path) -> None:
    removed = RemovedBeds(tmp_path / "removed.json")
    removed.add(BED, WALL_S)
    again = RemovedBeds(tmp_path / "removed.json")
    again.receive(BED, WALL_S - 60.0, Arrival(FIRST_S, WALL_S + 60.0, is_stored=True))
    assert again.hides(KEY)
    assert not again.hides("ward/box/other")


@pytest.mark.parametrize(("ts", "is_stored"), [(WALL_S - 60.0, False), (WALL_S + 1.0, True)])
def test_a_bed_that_is_heard_again_comes_back_for_good(tmp_path: Path, ts: float, is_stored: bool) -> None:
    removed = RemovedBeds(tmp_path / "removed.json")
    removed.add(BED, WALL_S)
    removed.receive(BED, ts, Arrival(FIRST_S, WALL_S + 60.0, is_stored))
    assert not removed.hides(KEY)
    assert not RemovedBeds(tmp_path / "removed.json").hides(KEY)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": "b"}', b"\xff"])
def test_a_file_that_cannot_be_read_hides_nothing(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "removed.json").write_bytes(content)
    assert not RemovedBeds(tmp_path / "removed.json").hides(KEY)
    assert "are shown" in caplog.text
