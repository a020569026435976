"""Commands that wait: nobody's flood delays another's acknowledgement, and what is refused is refused with a reason."""

from __future__ import annotations

from edge.delivery.alarm_messages import CommandAddress
from edge.delivery.mqtt_client import Incoming
from edge.node.alarm_inputs import ACKNOWLEDGEMENTS, MINUTE_S, OF_USER, ORDERS, USERS, Order, OrderQueue


class Clock:
    """Seconds that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def order(user: str, verb: str = "pause", number: int = 0) -> Order:
    return Order(CommandAddress("bed1", verb, user), Incoming(f"{user} {verb} {number}", b""))


def taken(queue: OrderQueue) -> list[str]:
    """All that waits, in the order in which it is carried out."""
    found = []
    while (each := queue.get(0.0)) is not None:
        found.append(each.request.topic)
    return found


def test_an_acknowledgement_is_next_whatever_waits() -> None:
    queue = OrderQueue()
    for number in range(OF_USER):
        assert queue.put(order("flood", "pause", number)) == ""
    queue.put(order("flood", "acknowledge"))
    queue.put(order("nurse", "acknowledge"))
    assert taken(queue)[:2] == ["flood acknowledge 0", "nurse acknowledge 0"]


def test_users_take_turns() -> None:
    queue = OrderQueue()
    for number in range(4):
        queue.put(order("flood", "pause", number))
    queue.put(order("nurse"))
    assert taken(queue) == ["flood pause 0", "nurse pause 0", "flood pause 1", "flood pause 2", "flood pause 3"]


def test_a_users_own_flood_takes_no_place_of_another() -> None:
    queue = OrderQueue()
    reasons = [queue.put(order("flood", "pause", number)) for number in range(3000)]
    assert (reasons.count(""), reasons[-1]) == (OF_USER, "16 commands of 'flood' wait already; try again")
    assert queue.put(order("nurse")) == ""
    for number in range(2 * USERS):
        queue.put(order(f"user{number}"))
    assert len(taken(queue)) == OF_USER + USERS - 1


def test_a_user_gives_so_many_orders_a_minute_and_more_acknowledgements() -> None:
    clock = Clock()
    queue = OrderQueue(clock)
    found = {"pause": 0, "acknowledge": 0}
    for number in range(2 * ACKNOWLEDGEMENTS):
        for verb in found:
            found[verb] += not queue.put(order("board", verb, number))
        taken(queue)
    assert found == {"pause": ORDERS, "acknowledge": ACKNOWLEDGEMENTS}
    assert queue.put(order("board")) == "too many commands of 'board'; wait a minute"
    assert queue.put(order("other")) == ""
    clock.now_s = MINUTE_S
    assert queue.put(order("board")) == ""
