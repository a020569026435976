"""Commands on their way to the thread that carries them out: fair by user, acknowledgements first, each one answered.

Not for what they mean (`edge.node.alarm_service`, `edge.node.looks`). Of one user `OF_USER` wait, of all `USERS` users;
who has waited longest is next, and no acknowledgement waits for anything but acknowledgements of others and the one
command that is carried out. What is refused here is answered without waiting and without a place in front of alarms.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from edge.contract.alarms import ANSWER_EXPIRY_S
from edge.contract.commands import Acknowledge, ident_of
from edge.delivery.alarm_messages import Address, answer_body, answer_topic
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Node
from edge.delivery.requests import Request
from edge.ward.alarm_records import Answer
from edge.ward.quotas import Quotas

OF_USER = 16  # a person gives one at a time; a board gives those of all its viewers
USERS = 64
ORDERS, ACKNOWLEDGEMENTS, MINUTE_S = 240, 600, 60.0  # of one user; a board gives those of a whole ward
REFUSALS = 4096  # on their way at once, 1.5 MB


@dataclass(frozen=True)
class Order:
    """A command of somebody."""

    address: Address
    request: Request


class OrderQueue:
    """Safe to use from several threads; nobody who puts waits."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._change, self._monotonic = threading.Condition(), monotonic
        self._urgent: dict[str, deque[Order]] = {}
        self._others: dict[str, deque[Order]] = {}
        self._acknowledgements, self._orders = Quotas(ACKNOWLEDGEMENTS, MINUTE_S), Quotas(ORDERS, MINUTE_S)

    def put(self, order: Order) -> str:
        """Take a command; why not, for a person, or empty."""
        user, is_urgent = order.address.user, order.address.verb == Acknowledge.verb
        quotas, waiting = (self._acknowledgements, self._urgent) if is_urgent else (self._orders, self._others)
        with self._change:
            of_user = waiting.get(user, ())
            if len(of_user) >= OF_USER:
                return f"{OF_USER} commands of {user!r} wait already; try again"
            if not of_user and len(waiting) >= USERS:
                return f"commands of {USERS} users wait already; try again"
            if not quotas.take(user, self._monotonic()):
                return f"too many commands of {user!r}; wait a minute"
            waiting.setdefault(user, deque()).append(order)
            self._change.notify()
        return ""

    def get(self, timeout_s: float) -> Order | None:
        """The next command; None if none comes within that time."""
        with self._change:
            self._change.wait_for(lambda: self._urgent or self._others, timeout_s)
            waiting = self._urgent or self._others
            if not waiting:
                return None
            user = next(iter(waiting))
            of_user = waiting.pop(user)
            order = of_user.popleft()
            if of_user:
                waiting[user] = of_user  # behind all others
            return order


def refuse(node: Node, dispatch: Dispatch, order: Order, reason: str) -> None:
    """Answer a command that is not carried out, at once or not at all."""
    address, request, ident = order.address, order.request, ""
    with suppress(ValueError):
        ident = ident_of(request.payload)
    answer = Answer(ident, address.verb, address.stream, ok=False, reason=reason)
    topic, body = answer_topic(node, address, request.response_topic), answer_body(node, answer, time.time(), float)
    dispatch.passing.publish(topic, body, ANSWER_EXPIRY_S, request.correlation, REFUSALS)
