"""Who listens to which bed through this board: the sound of a bed for a person, for a minute, and its end in words.

Not for who may (`edge.server.board.listen_api`; the node decides), nor for the sound itself. It goes on from the broker
to those who asked and nowhere else: nothing of it is kept, and what another board asked for is not read. The end comes
by itself: with the minute, where the box or the bed is lost, where no sound comes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from edge.contract.live import SoundMessage
from edge.contract.message import encode
from edge.contract.topics import Address
from edge.server.board.feed import Viewer, publish_to, server_sent

MAX_LISTENERS = 16  # of one board
MAX_PIECES = 16  # that wait for one browser, 8 s; who is slower misses some, which it sees by their places
SILENT_S = 10.0  # without any sound from a bed that is well, it will not come
OVER = "the minute is over"
NO_SOUND = "no sound comes through the broker; it must let the box and this board: deploy/mosquitto/setup node, staff"


@dataclass
class _Listener:
    """One person at one bed."""

    address: Address
    until_s: float
    """On the board's clock."""
    last_sound_s: float
    """When sound came last."""
    why: str = ""
    """Why it is over; empty: it is not."""


class ListeningHub:
    """Those who listen; to be used from one event loop."""

    def __init__(self) -> None:
        self._listeners: dict[Viewer, _Listener] = {}

    @property
    def is_used(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def join(self, address: Address, until_s: float, now_s: float) -> Viewer | None:
        """A person who listens from now on; None if there are too many."""
        if len(self._listeners) >= MAX_LISTENERS:
            return None
        viewer = Viewer()
        self._listeners[viewer] = _Listener(address, until_s, now_s)
        viewer.queue.put_nowait(server_sent("began", json.dumps({"left_s": round(until_s - now_s)}).encode()))
        return viewer

    def leave(self, viewer: Viewer) -> str:
        """Listens no more; why it was over, empty where the person ended it."""
        listener = self._listeners.pop(viewer, None)
        return "" if listener is None else listener.why

    def pass_on(self, address: Address, sound: SoundMessage, now_s: float) -> None:
        """Sound of a bed, for those who listen to it."""
        message = None
        for viewer, listener in self._listeners.items():
            if listener.address != address or listener.why:
                continue
            listener.last_sound_s = now_s
            message = message or server_sent("sound", encode({**sound.body(), "time": sound.time}))
            if viewer.queue.qsize() < MAX_PIECES:
                viewer.queue.put_nowait(message)

    def end_those_over(self, now_s: float, condition: Callable[[Address], str]) -> None:
        """Inform those whose time is over, or whose bed sends no sound any more."""
        for viewer, listener in self._listeners.items():
            if listener.why:
                continue
            is_silent = now_s - listener.last_sound_s >= SILENT_S
            listener.why = condition(listener.address) or (OVER if now_s >= listener.until_s else NO_SOUND * is_silent)
            if listener.why:
                publish_to([viewer], server_sent("over", json.dumps({"why": listener.why}).encode()))
