"""Orders of people: sent as commands of the contract, each with the node's answer or the reason why there is none.

Not for who may order what (`edge.server.board.access`; behind it the broker's access list), nor for what an order does:
the node decides and answers. An order is checked by the form that the node itself uses.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.contract import MAX_BYTES
from edge.contract.alarms import ResultMessage
from edge.contract.commands import LISTEN, LOOK, parse_command
from edge.contract.message import decode, read
from edge.contract.topics import OF_BED, Address, make_topic

ANSWER_S = 5.0  # how long a node may take; a command expires at the broker after 10 s
MAX_WAITING = 64
MAX_LIVE_VIEWS = 32  # of them may be asked for pictures: orders of people find room however many look


@dataclass(frozen=True)
class Outcome:
    """What became of an order."""

    ok: bool
    reason: str = ""
    """Why not, for a person."""


class Orders:
    """Orders under way; to be used from one event loop."""

    def __init__(self, prefix: str, user: str, send: Callable[[str, bytes], bool]) -> None:
        """Send with `send`: (topic, payload) -> whether there is a connection; `user` is the board's at the broker."""
        self._prefix, self._user, self._send = prefix, user, send
        self._waiting: dict[tuple[str, str], asyncio.Future[Outcome]] = {}

    async def give(self, address: Address, verb: str, fields: Mapping[str, object]) -> Outcome:
        """Send an order and wait for its answer.

        Args:
            address: the bed, or the node for its own alarms.
            verb: of the command.
            fields: of its form, without the id.

        Raises:
            ValueError: the order is not of a form that the contract knows.
        """
        ident = secrets.token_hex(12)
        parse_command(verb, _payload(ident, fields))
        return await self._request(address, verb, ident, fields)

    async def look(self, address: Address, duration_s: float) -> Outcome:
        """Ask for the live picture of a bed for a while; 0 s: no more of it. That is no order of a person."""
        if sum(f"/result/{LOOK}/" in topic for topic, _ in self._waiting) >= MAX_LIVE_VIEWS:
            return Outcome(False, "too many beds are looked at; try again")
        fields = {"by": self._user, "duration_s": duration_s}
        return await self._request(address, LOOK, secrets.token_hex(12), fields)

    async def listen(self, address: Address, by: str, duration_s: float) -> Outcome:
        """Ask for the sound of a bed for a person, for a while; 0 s: no more of it."""
        return await self._request(address, LISTEN, secrets.token_hex(12), {"by": by, "duration_s": duration_s})

    async def _request(self, address: Address, verb: str, ident: str, fields: Mapping[str, object]) -> Outcome:
        """Send a command and wait for its answer."""
        if len(self._waiting) >= MAX_WAITING:
            return Outcome(False, "too many orders are under way; try again")
        try:
            command, result = (self._topic(address, kind, verb) for kind in ("cmd", "result"))
        except ValueError as error:
            return Outcome(False, f"nothing was sent: {error}")
        key = (result, ident)
        answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        try:
            if not self._send(command, _payload(ident, fields)):
                return Outcome(False, "the board has lost the broker; nothing was sent")
            return await asyncio.wait_for(answer, ANSWER_S)
        except asyncio.TimeoutError:
            who = f"may {self._user!r} order this at the broker, and does the box run?"
            return Outcome(False, f"no answer within {ANSWER_S:.0f} s; {who}")
        finally:
            del self._waiting[key]

    def take_answer(self, topic: str, payload: bytes) -> bool:
        """Whether a message was an answer, to an order of this board or another's."""
        if "/result/" not in topic:
            return False
        try:
            result = read(ResultMessage, decode(payload, MAX_BYTES))
        except ValueError:
            return True
        waiting = self._waiting.get((topic, result.id))
        if waiting is not None and not waiting.done():
            waiting.set_result(Outcome(result.ok, result.reason))
        return True

    def _topic(self, address: Address, kind: str, verb: str) -> str:
        bed = (OF_BED, address.stream) if address.stream else ()
        return make_topic(self._prefix, address.site, address.node, *bed, kind, verb, self._user)


def _payload(ident: str, fields: Mapping[str, object]) -> bytes:
    return json.dumps({**fields, "id": ident}, ensure_ascii=False, allow_nan=False).encode()
