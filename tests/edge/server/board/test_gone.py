"""A box that is gone is told of once, when it has been away for a minute; one that starts again never."""

from __future__ import annotations

import pytest

from edge.contract.topics import Address
from edge.server.board.gone import BROKER, GONE_S, OfflineBoxes
from edge.server.board.notices import MOST_URGENT, text_of
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.one_bed_ward import NOW_S, WALL_S, publish, publish_all, ward_of
from tests.edge.server.board.test_notices import notice, receiver

BOX = Address("ward", "box")


def test_a_box_that_is_offline_for_a_minute_is_gone_and_one_that_comes_back_is_not() -> None:
    ward, gone = ward_of(), OfflineBoxes()
    assert gone.look(ward, NOW_S, WALL_S, None) == {BROKER: None}, "what boxes say may be on its way"
    at_s = GONE_S + 1
    publish_all(ward, at_s)
    assert gone.look(ward, NOW_S + at_s, WALL_S + at_s, None) == {BROKER: None, BOX: None}
    publish(ward, "status", made.status(WALL_S + at_s, state="offline"), at_s)
    assert gone.look(ward, NOW_S + at_s + GONE_S - 1, WALL_S, None)[BOX] is None
    found = gone.look(ward, NOW_S + at_s + GONE_S, WALL_S + at_s + GONE_S, None)[BOX]
    assert found is not None
    assert (found.words, found.step, found.since) == ("box is offline", "raise", pytest.approx(WALL_S + at_s))
    title, body = text_of(found, "Ward B", 0)
    assert title == "box: box is offline"
    assert "Ward B, ward/box: medium priority, since " in body
    publish_all(ward, at_s + GONE_S + 5)
    assert gone.look(ward, NOW_S + at_s + GONE_S + 5, WALL_S, None)[BOX] is None


def test_a_broker_that_is_lost_is_told_of_and_boxes_are_not_until_it_has_been_back_for_a_minute() -> None:
    ward, gone = ward_of(), OfflineBoxes()
    lost_s = NOW_S + 100
    assert gone.look(ward, lost_s + GONE_S - 1, WALL_S, lost_s) == {}
    found = gone.look(ward, lost_s + 600, WALL_S, lost_s)
    assert list(found) == [BROKER]
    notice_of = found[BROKER]
    assert notice_of is not None
    assert text_of(notice_of, "Ward B", 0)[0] == "broker: the board has lost it"
    back_s = lost_s + 601
    assert gone.look(ward, back_s, WALL_S, None) == {BROKER: None}
    later = gone.look(ward, back_s + GONE_S, WALL_S, None)[BOX]
    assert later is not None
    assert later.words == "box is silent"


def test_high_priority_has_a_ceiling_of_its_own() -> None:
    chosen = receiver(per_hour=2, repeat_s=1)
    urgent = [chosen.takes(notice(priority="Hi", episode=k, rev=k), float(k), 0) for k in range(1, 2 * MOST_URGENT + 3)]
    assert urgent == [True] * (2 * MOST_URGENT) + [False, False]
    assert chosen.held == 2
    assert chosen.takes(notice(priority="Hi", episode=99, rev=99), 3700.0, 0)
