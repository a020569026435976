"""Messages between the broker's thread and the board: bounded, the last of each topic, nothing lost that counts."""

from __future__ import annotations

from edge.delivery.mqtt_client import Incoming
from edge.server.board.receiver import MAX_IN_ORDER, MAX_INBOX_BYTES, Inbox


def taken(inbox: Inbox) -> list[tuple[str, bytes]]:
    return [(each.incoming.topic, each.incoming.payload) for each in inbox.take()]


def test_of_a_topic_the_last_state_stays() -> None:
    inbox = Inbox()
    for number in range(1000):
        inbox.put(Incoming("p/site/node/s/bed/trend", b"%d" % number), float(number))
    assert taken(inbox) == [("p/site/node/s/bed/trend", b"999")]
    assert taken(inbox) == []


def test_every_status_of_a_node_stays_in_its_order_and_every_answer() -> None:
    inbox = Inbox()
    answers = "p/site/node/s/bed/result/pause/board"
    messages = [("p/site/node/status", b"online"), ("p/site/node/status", b"offline"), (answers, b"1"), (answers, b"2")]
    for topic, payload in messages:
        inbox.put(Incoming(topic, payload), 0.0)
    assert taken(inbox) == messages


def test_the_status_of_a_bed_is_a_state_like_others() -> None:
    inbox = Inbox()
    for payload in (b"ok", b"lost"):
        inbox.put(Incoming("p/site/node/s/status/status", payload), 0.0)  # a bed that is called `status`
    assert taken(inbox) == [("p/site/node/s/status/status", b"lost")]


def test_what_has_no_room_is_counted_and_room_comes_back() -> None:
    inbox, payload = Inbox(), bytes(60_000)
    for number in range(2 * MAX_INBOX_BYTES // len(payload)):
        inbox.put(Incoming(f"p/site/node/s/bed{number}/trend", payload), 0.0)
    stored = len(inbox.take())
    assert stored * len(payload) <= MAX_INBOX_BYTES
    assert inbox.dropped == 2 * MAX_INBOX_BYTES // len(payload) - stored
    inbox.put(Incoming("p/site/node/s/bed/trend", payload), 0.0)
    assert len(inbox.take()) == 1


def test_a_message_that_is_larger_than_any_of_the_contract_is_dropped_at_once() -> None:
    inbox = Inbox()
    inbox.put(Incoming("p/site/node/s/bed/trend", bytes(65_537)), 0.0)
    assert (len(inbox.take()), inbox.dropped) == (0, 1)


def test_events_and_tiles_stay_in_their_order_and_of_a_flood_the_last() -> None:
    inbox, topic = Inbox(), "p/site/node/s/bed/event"
    for number in range(MAX_IN_ORDER + 10):
        inbox.put(Incoming(topic, b"%d" % number), 0.0)
    assert taken(inbox) == [(topic, b"%d" % number) for number in range(10, MAX_IN_ORDER + 10)]
    assert inbox.dropped == 10
