"""The board at work: messages in, tiles out, in one task of an event loop.

Not for HTTP (`edge.server.board.app`). It looks when something came, at most every `LOOK_S`, and at least every
`IDLE_S`, for what nobody says any more becomes unknown by time alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from edge.contract import parse
from edge.contract.alarms import AlarmMessage
from edge.contract.fields import printable
from edge.contract.live import MelMessage, SoundMessage
from edge.contract.pauses import PauseMessage
from edge.contract.topics import Address, read_topic
from edge.server.board import latest as sounds
from edge.server.board import ward as ward_state
from edge.server.board.bed_feed import BedHub, BedState, LiveViewRequests
from edge.server.board.fair_share import Screens
from edge.server.board.feed import BoardState, Hub
from edge.server.board.gone import OfflineBoxes
from edge.server.board.latest import MAX_BEDS, Arrival, Dated, EventStore
from edge.server.board.latest import BedState as LatestOfBed
from edge.server.board.listening import ListeningHub
from edge.server.board.notifier import Notifier
from edge.server.board.orders import Orders, Outcome
from edge.server.board.receiver import Reader, ReceivedMessage
from edge.server.board.removed import RemovedBeds
from edge.server.board.tiles import Tile
from edge.server.board.validity import node_condition
from edge.server.board.ward import Ward
from edge.server.board.ward_view import tiles_of
from edge.settings.board import BoardSettings
from edge.settings.sections import years_of
from edge.ward.proposed_limits import ProposedLimits, proposed_limits

LOOK_S = 0.1
IDLE_S = 1.0
MAX_SENDERS = 32  # of unreadable messages that are counted apart
MAX_NAMED, NAMED_S = 4, 300.0  # how many of them are named, and for how long after their last
LOST_S = 5.0  # how long the broker may be out of reach before every bed is unknown

logger = logging.getLogger(__name__)


class Board:
    """Everything between the broker and the viewers."""

    def __init__(self, settings: BoardSettings) -> None:
        """Prepare; nothing runs before `run`.

        Raises:
            ConfigError: the broker's password, a certificate or the URLs of a receiver cannot be read.
        """
        self.title = settings.title
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken, self._is_waking = asyncio.Event(), False
        self.ward, self.hub = Ward(), Hub()
        self.reader = Reader(settings, self._wake_from_thread)
        self.orders = Orders(self.reader.prefix, self.reader.user, self.reader.send)
        self.sounds, self.beds, self.live_views = EventStore(), BedHub(), LiveViewRequests(self.orders)
        self.listening = ListeningHub()
        self.screens, self.notifier, self._gone = Screens(), Notifier(settings), OfflineBoxes()
        self._removed = RemovedBeds(settings.audit_path().with_name("board-removed.json"))
        self.tiles: list[Tile] = []
        """What is shown, most urgent first."""
        self.malformed: dict[str, float] = {}
        """When a message could not be read last, by node."""
        self._logged_hidden: set[str] = set()  # nodes of which the log has said that not every bed is shown

    async def run(self) -> None:
        """Until cancelled."""
        self._loop = asyncio.get_running_loop()
        self.reader.start()
        self.notifier.start()
        try:
            while True:
                self.look(time.monotonic())
                await asyncio.sleep(LOOK_S)
                idle = self._loop.call_later(IDLE_S, self._woken.set)
                await self._woken.wait()  # not by `wait_for`, which up to Python 3.11 may swallow a cancellation
                idle.cancel()
                self._woken.clear()
                self._is_waking = False
        finally:
            self.live_views.stop()
            await asyncio.to_thread(self.reader.stop)
            await asyncio.to_thread(self.notifier.stop)

    def look(self, now_s: float) -> None:
        """Take what came and send what changed."""
        wall_s = time.time()
        for arrived in self.reader.take():
            if self.orders.take_answer(arrived.incoming.topic, arrived.incoming.payload):
                continue
            try:
                self._take(arrived, wall_s)
            except ValueError:
                self._cannot_read(arrived, wall_s)
        lost_s = self.reader.lost_s
        is_lost = lost_s is not None and now_s - lost_s >= LOST_S
        tiles = tiles_of(self.ward, now_s, lost_s if is_lost else None)
        self.tiles = [tile for tile in tiles if not self._removed.hides(tile.key)]
        self.hub.show(self.tiles, BoardState(self.title, lost_s, self._refused(now_s), self.notifier.failing()), now_s)
        self.notifier.push_gone(self._gone.look(self.ward, now_s, wall_s, lost_s), wall_s)
        self._look_at_beds(now_s)
        self.listening.end_those_over(now_s, lambda bed: self._why_silent(bed, now_s))

    def _take(self, arrived: ReceivedMessage, wall_s: float) -> None:
        """One message; `ValueError` if it is not of the contract."""
        incoming = arrived.incoming
        if incoming.topic.endswith("/mel") and not self.beds.looked_at:
            return  # another board has asked for it
        if incoming.topic.endswith("/sound") and not self.listening.is_used:
            return
        received = parse(self.reader.prefix, incoming.topic, incoming.payload)
        address, message = received.address, received.message
        if isinstance(message, MelMessage):
            self.live_views.tile_came(address, arrived.at_s)
            self.beds.show_tile(address, message)
        elif isinstance(message, SoundMessage):
            self.listening.pass_on(address, message, arrived.at_s)
        elif isinstance(message, sounds.KINDS):
            self.beds.show_sounds(address, self.sounds.push(address, message))
        elif isinstance(message, PauseMessage):
            self.beds.show_pause(address, self.sounds.push_pause(address, message))
        elif received.kind in ward_state.KINDS:
            arrival = Arrival(arrived.at_s, wall_s, incoming.stored)
            self.ward.push(received, arrival)
            if isinstance(message, Dated):
                self._removed.receive(address, message.ts, arrival)
            if isinstance(message, AlarmMessage):
                self.notifier.push(address, message, wall_s, incoming.stored)
        else:
            raise ValueError("not what a board subscribes to")

    def remove(self, address: Address) -> Outcome:
        """Take a bed that is gone from this board, until a message of it comes again."""
        key = str(address)
        if not any(tile.key == key and tile.is_gone for tile in self.tiles):
            return Outcome(False, "only a bed that was silent for 5 minutes can be removed")
        self._removed.add(address, time.time())
        self.wake()
        return Outcome(True)

    def _cannot_read(self, arrived: ReceivedMessage, wall_s: float) -> None:
        """Remember whose message it was; an alarm that cannot be read makes its bed unknown."""
        topic = arrived.incoming.topic
        sender = _sender(self.reader.prefix, topic)
        if sender not in self.malformed and len(self.malformed) >= MAX_SENDERS:
            self.malformed = {name: at_s for name, at_s in self.malformed.items() if arrived.at_s - at_s < NAMED_S}
        is_known = sender in self.malformed or len(self.malformed) < MAX_SENDERS
        self.malformed[sender if is_known else "others"] = arrived.at_s
        if (named := _alarm_named(self.reader.prefix, topic)) is not None:
            self.ward.miss(*named, Arrival(arrived.at_s, wall_s, arrived.incoming.stored))

    def _look_at_beds(self, now_s: float) -> None:
        """Ask for the pictures that are looked at, and send their viewers how the beds are."""
        addresses, tiles = self.beds.looked_at, {tile.key: tile for tile in self.tiles}
        conditions = {address: self._condition(address, now_s) for address in addresses}
        self.live_views.refresh([address for address in addresses if not conditions[address]], now_s)
        for address in addresses:
            look, words = (
                ("nothing", conditions[address]) if conditions[address] else self.live_views.state(address, now_s)
            )
            tile = tiles.get(str(address))
            head = (self.title, tile, look, words, self.reader.lost_s)
            self.beds.show(address, BedState(*head, *self._of_patient(address)), now_s)

    def _bed(self, address: Address) -> LatestOfBed | None:
        node = self.ward.nodes.get((address.site, address.node))
        return None if node is None else node.beds.get(address.stream)

    def _of_patient(self, address: Address) -> tuple[str, ProposedLimits | None, bool]:
        """A patient's age, which limits of the rate may be proposed for it, and whether people may listen."""
        bed = self._bed(address) or LatestOfBed()
        with suppress(ValueError):
            return bed.age, proposed_limits(years_of(bed.age)), bed.may_listen
        return "", None, bed.may_listen

    def _why_silent(self, address: Address, now_s: float) -> str:
        """Why nobody can listen to a bed now; empty if people can."""
        if condition := self._condition(address, now_s):
            return condition
        status = (self._bed(address) or LatestOfBed()).status
        is_lost = status is not None and status.body.state in ("lost", "disabled")
        return (status.body.reason or "no sound arrives") if status is not None and is_lost else ""

    def _condition(self, address: Address, now_s: float) -> str:
        """Why nobody can be asked for the picture of a bed; empty if its box can."""
        if self.reader.lost_s is not None:
            return "the board has lost the broker"
        node = self.ward.nodes.get((address.site, address.node))
        if node is None or address.stream not in node.beds:
            return "the board has received nothing of this bed"
        return node_condition(node, now_s)

    def _refused(self, now_s: float) -> tuple[str, ...]:
        """What could not be taken, without what changes all the time: of senders the last, by tens of seconds."""
        recent = [(-(at_s // 10), name) for name, at_s in self.malformed.items() if now_s - at_s < NAMED_S]
        found = [f"unreadable messages of {sender}" for _, sender in sorted(recent)[:MAX_NAMED]]
        found += self._hidden(now_s)
        found += sorted({*self.ward.refused, *self.sounds.refused})
        return tuple(found + ["more messages than the board can take"] * (self.reader.inbox.dropped > 0))

    def _hidden(self, now_s: float) -> list[str]:
        """Nodes of which not every bed is shown, for a person; the log says so once of each."""
        hidden = {
            f"{site}/{name}": node.hidden_s
            for (site, name), node in self.ward.nodes.items()
            if node.hidden_s is not None and now_s - node.hidden_s < NAMED_S
        }
        for name in hidden.keys() - self._logged_hidden:
            logger.warning("board beds=hidden node=%s; %d fit: has somebody invented beds there?", name, MAX_BEDS)
        self._logged_hidden = set(hidden)
        names = sorted(hidden)
        more = [f"beds of {len(names) - MAX_NAMED} more nodes: more than fit"] if len(names) > MAX_NAMED else []
        return [f"beds of {name}: more than fit" for name in names[:MAX_NAMED]] + more

    def wake(self) -> None:
        """Look soon; of the loop's own thread."""
        self._woken.set()

    def _wake_from_thread(self) -> None:
        if self._loop is not None and not self._is_waking:
            self._is_waking = True  # once a look, however many messages come
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._woken.set)


def _sender(prefix: str, topic: str) -> str:
    """Site and node of a topic, for a person."""
    levels = topic[len(prefix) + 1 :].split("/")
    return printable("/".join(levels[:2]), 40)


def _alarm_named(prefix: str, topic: str) -> tuple[Address, str] | None:
    """The place and the condition that a topic names; None if it is of no alarm."""
    try:
        names = read_topic(prefix, topic)
    except ValueError:
        return None
    return (names.address, names.levels[1]) if len(names.levels) == 2 and names.levels[0] == "alarm" else None
